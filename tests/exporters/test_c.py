"""Networks as C programs: the session's bits on every compiler and processor, no undefined behaviour, honest sizes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eie
from eie.engine.int8 import int8_layer
from eie.errors import InputError, ToolError
from eie.exporters.c import CProgram, write_c
from eie.model.network import Layer, Network
from eie.model.numerics import Formats
from eie.program.arithmetic import chip_layer
from eie.steps import (
    Activation,
    Attention,
    Convolution,
    Dense,
    Embedding,
    Gather,
    Image,
    Pooling,
    Recurrent,
    Sum,
    Window,
)
from exporters.c_programs import (
    build,
    graph,
    inputs_for,
    random_layer,
    random_network,
    run,
    tokens,
    words_for,
    write_with_cases,
)
from networks import carrying_network, image_network, sequence_network

GCC = ["gcc", "-O1"]
SANITIZED = ["gcc", "-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all"]
HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")


def case(make: Any, seed: int, numerics: str, folder: Path) -> CProgram:
    """Write a network of a seed with its cases; in `chip`, of any number of bits."""
    for attempt in range(100):
        rng = np.random.default_rng((seed, attempt))
        network = make(rng, numerics)
        inputs = inputs_for(network, rng)
        if numerics == "chip":
            bits, more = int(rng.choice([16, 16, 8, 11])), int(rng.choice([0, 8, 15]))
            network = eie.calibrate(network, inputs[:6], value_bits=bits, accumulator_bits=bits + more)
        program = write_with_cases(network, inputs, folder, numerics)
        if program is not None:
            return program
    raise AssertionError("no network whose outputs depend on its inputs")


@pytest.mark.parametrize(("numerics", "compiler"), [("int8", SANITIZED), ("chip", GCC)])
def test_every_step_gives_the_sessions_bits(numerics: str, compiler: list[str], tmp_path: Path) -> None:
    """A graph of all of them, with every warning an error; NaN and infinity are told."""
    program = case(graph, 1, numerics, tmp_path / "c")
    assert run(build(program, tmp_path / "c", compiler)) == 0


@pytest.mark.parametrize("numerics", ["int8", "chip"])
def test_awkward_networks_give_the_sessions_bits(numerics: str, tmp_path: Path) -> None:
    """Strides, paddings, dilations, empty rows and matrices, long gaps, codebooks of 1 to 8 bits."""
    program = case(random_network, 4, numerics, tmp_path / "c")
    assert run(build(program, tmp_path / "c", GCC)) == 0


def test_what_is_read_again_is_not_overwritten(tmp_path: Path) -> None:
    """A sum takes the place of its first term, but not where that is another of its terms, too."""
    rng = np.random.default_rng(12)
    steps = (random_layer(rng, "a", 9, 6), Activation("b", 9, "tanh"), Sum("s", 9, 3), Sum("t", 9))
    network = Network(steps, "again", ((-1,), (0,), (0, 1, 0), (2, 2)))
    program = write_with_cases(network, inputs_for(network, rng), tmp_path / "c", "int8")
    assert program is not None
    assert run(build(program, tmp_path / "c", GCC)) == 0


@pytest.mark.parametrize("tied", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_transformers_give_the_sessions_bits(tied: bool, tmp_path: Path) -> None:
    """Lookups, attention, normalisations and functions, with every warning an error; words that are none are told."""
    rng = np.random.default_rng(13)
    program = write_with_cases(tokens(rng, tied=tied), words_for(rng), tmp_path / "c", "int8")
    assert program is not None
    assert run(build(program, tmp_path / "c", SANITIZED)) == 0
    # What is tied is there once.
    assert (tmp_path / "c" / "tokens_weights.h").read_text().count("_stream[") == (2 if tied else 3)


def test_a_root_is_correctly_rounded(tmp_path: Path) -> None:
    """Of floats of every size: the processor's own, to the bit."""
    bits = np.random.default_rng(14).integers(0, 0x7F800000, (60, 64), np.uint32)
    bits[0] = np.arange(64)
    bits[1:3] = (np.arange(128, dtype=np.uint32).reshape(2, 64) % 0xFF) << 23
    bits[3] = 0x3F800000 - 32 + np.arange(64)
    squares = np.random.default_rng(15).integers(1, 2**12, (4, 64)).astype(np.float32) ** 2
    inputs = np.concatenate((bits.view(np.float32), squares))
    program = write_with_cases(Network((Activation("root", 64, "sqrt"),), "roots"), inputs, tmp_path / "c", "int8")
    assert program is not None
    assert run(build(program, tmp_path / "c", SANITIZED)) == 0


def decoder(rng: np.random.Generator, tokens: int) -> Network:
    """A token and its position, attention to those before, and a score for each of 20 next ones."""
    table = Dense("places", rng.normal(size=(18, 9)).astype(np.float32), np.zeros(18, np.float32))
    steps: list[tuple[Any, tuple[int, ...]]] = [
        (Gather("token", 2, np.array([0])), (-1,)),
        (Gather("place", 2, np.array([1])), (-1,)),
        (Embedding("words", 1, random_layer(rng, "words", 18, 20)), (0,)),
        (Embedding("places", 1, table), (1,)),
        (Sum("both", 18), (2, 3)),
        *((random_layer(rng, name, 18, 18), (4,)) for name in ("query", "key", "value")),
        (Attention("first", 1, 1, 18, tokens, 0.25), (5, 6, 7)),
        (Sum("residual", 18), (8, 4)),
        (Attention("second", 1, 2, 9, tokens + 1, 0.5), (9, 4, 8)),
        (random_layer(rng, "head", 20, 18), (10,)),
    ]
    return Network(tuple(step for step, _ in steps), "decoder", tuple(reads for _, reads in steps))


def test_a_decoder_keeps_what_it_has_seen(tmp_path: Path) -> None:
    """Token after token the session's outputs with a cache, to the bit; then there is no room, which is told."""
    rng = np.random.default_rng(16)
    network = decoder(rng, 5)
    session = eie.InferenceSession(network, numerics="int8")
    cache = session.new_cache()
    inputs = np.stack((rng.integers(0, 20, 6), np.arange(6)), axis=1).astype(np.float32)
    expected = [session.run(one, cache=cache) for one in inputs[:5]]
    program = write_c(network, tmp_path / "c")
    assert program.buffer_bytes > 4 * network.cache
    assert np.array_equal(outputs_of(program, tmp_path / "c", inputs[:5]), expected)
    text = "\n".join(f"{token:g} {place:g}" for token, place in inputs)
    done = subprocess.run([tmp_path / "c" / "a.out"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "decoder_run returned 4\n")
    # From the beginning again, one token each.
    found = write_with_cases(network, inputs * [1, 0], tmp_path / "again", "int8")
    assert found is not None
    assert run(build(found, tmp_path / "again", SANITIZED)) == 0


def test_lookups_in_chip_numerics(tmp_path: Path) -> None:
    """Those of float32 tables are written; of compressed ones the chip reads columns, which C does not."""
    rng = np.random.default_rng(17)
    network = decoder(rng, 4)
    network = eie.calibrate(network, np.stack((rng.integers(0, 20, 6), np.arange(6)), axis=1).astype(np.float32))
    with pytest.raises(InputError, match=r"words is of the kind Embedding, which is not .*chip of float32 tables"):
        write_c(network, tmp_path / "c", "chip")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 22))
@pytest.mark.parametrize("numerics", ["int8", "chip"])
def test_many_awkward_networks_give_the_sessions_bits(numerics: str, seed: int, tmp_path: Path) -> None:
    """The same with others, and graphs among them, under the sanitizers."""
    program = case(random_network if seed % 5 else graph, seed, numerics, tmp_path / "c")
    assert run(build(program, tmp_path / "c", SANITIZED)) == 0


def outputs_of(program: CProgram, folder: Path, inputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return what main.c prints for the inputs."""
    sources = [folder / f"{program.name}_model.c", folder / "main.c"]
    subprocess.run(
        [*GCC, "-std=c99", "-Wall", "-Wextra", "-Werror", *sources, "-o", folder / "a.out", "-lm"], check=True
    )
    text = "\n".join(" ".join(f"{value:.9g}" for value in vector) for vector in inputs.tolist())
    done = subprocess.run([folder / "a.out"], input=text, capture_output=True, text=True, check=True)
    return np.array([line.split() for line in done.stdout.splitlines()], np.float32)


def test_a_layer_is_that_of_the_readable_references(tmp_path: Path) -> None:
    """One layer, through main.c: the outputs of int8.py and of the chip's arithmetic in NumPy."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(4, 30)).astype(np.float32)
    (layer,) = eie.calibrate(Network((random_layer(rng, "fc", 20, 30),)), x).layers
    network = Network((layer,), "one")
    found = outputs_of(write_c(network, tmp_path / "int8"), tmp_path / "int8", x)
    assert np.array_equal(found, [int8_layer(layer, vector).outputs for vector in x])
    found = outputs_of(write_c(network, tmp_path / "chip", "chip"), tmp_path / "chip", x)
    formats = layer.formats
    assert formats is not None
    fixed = np.rint(x.astype(np.float64) * 2.0**formats.activation_fraction).astype(np.int64)
    expected = [chip_layer(layer, vector.clip(-32768, 32767)).values for vector in fixed]
    assert np.array_equal(found, np.array(expected) * 2.0**-formats.output_fraction)


@pytest.mark.parametrize(
    ("make", "numerics", "inexact"),
    [
        (lambda: image_network(winograd=False), "chip", ("pool2", "tanh", "dense", "softmax")),
        (sequence_network, "chip", ("lstm", "gru")),
        (carrying_network, "chip", ("lstm", "gru")),
    ],
)
def test_what_a_session_does_in_numpy_is_near(
    make: Any, numerics: str, inexact: tuple[str, ...], tmp_path: Path
) -> None:
    """Steps without a native form are C, too, and are named: their last bits are not the session's."""
    network = make()
    x = np.random.default_rng(5).normal(size=(5, network.inputs)).astype(np.float32)
    network = eie.calibrate(network, x)
    program = write_c(network, tmp_path / "c", numerics)
    assert program.inexact == inexact
    assert f"from {', '.join(inexact)} on" in (tmp_path / "c" / f"{program.name}_model.h").read_text()
    # One step of a quantised value, 2**-12 or so of the largest, is what a last bit may become in the next layer.
    expected = eie.InferenceSession(network, numerics=numerics).run(x)
    assert outputs_of(program, tmp_path / "c", x) == pytest.approx(expected, abs=2e-3)


def test_weights_that_are_not_compressed_convolve(tmp_path: Path) -> None:
    """Depthwise, with float32 weights, and the logarithm of a softmax: equal but for the order of sums."""
    rng = np.random.default_rng(6)
    weights, bias = rng.normal(size=(4, 9)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    image = Image(4, 5, 6)
    depthwise = Convolution("dw", image, Window((3, 3), (2, 1), (1, 1)), Dense("dw", weights, bias, True, groups=4))
    network = Network((depthwise, Activation("log", 72, "log_softmax", 4)), "depthwise")
    x = rng.normal(size=(3, 120)).astype(np.float32)
    program = write_c(network, tmp_path / "c")
    assert program.inexact == ("dw", "log")
    expected = eie.InferenceSession(network, numerics="int8").run(x)
    assert outputs_of(program, tmp_path / "c", x) == pytest.approx(expected, rel=1e-5, abs=1e-5)  # float32, 9 terms


def test_integers_in_and_out(tmp_path: Path) -> None:
    """Where all is integers between the inputs and the outputs, a function takes and gives them."""
    rng = np.random.default_rng(7)
    layers = random_layer(rng, "a", 6, 9), random_layer(rng, "b", 3, 6)
    x = rng.normal(size=(1, 9)).astype(np.float32)
    network = eie.calibrate(Network(layers, "fixed"), x)
    write_c(network, tmp_path / "c", "chip")
    header = (tmp_path / "c" / "fixed_model.h").read_text()
    first, last = (int(value) for value in re.findall(r"_FRACTION_BITS (-?\d+)", header))
    values = np.rint(x[0] * 2.0**first).astype(int)
    (tmp_path / "c" / "try.c").write_text(
        '#include <stdio.h>\n#include "fixed_model.h"\nint main(void) {\n'
        f"  int16_t in[9] = {{{', '.join(map(str, values))}}}, out[3];\n"
        '  int status = fixed_run_fixed(in, out);\n  printf("%d %d %d", out[0], out[1], out[2]);\n  return status;\n}\n'
    )
    sources = [tmp_path / "c" / name for name in ("fixed_model.c", "try.c")]
    subprocess.run([*GCC, "-std=c99", *sources, "-o", tmp_path / "a.out"], check=True)
    done = subprocess.run([tmp_path / "a.out"], capture_output=True, text=True, check=True)
    expected = eie.InferenceSession(network, numerics="chip").run(x[0])
    assert np.array_equal(np.array(done.stdout.split(), float) * 2.0**-last, expected)


def test_sizes_are_those_of_the_object(tmp_path: Path) -> None:
    """Buffers are its zeroed data, constants its read-only data but for a few descriptions, code what was measured."""
    network = image_network(winograd=False)
    program = write_c(network, tmp_path / "c", compiler="gcc")
    source, target = tmp_path / "c" / f"{program.name}_model.c", tmp_path / "a.o"
    subprocess.run(["gcc", "-std=c99", "-Os", "-c", source, "-o", target], check=True)
    lines = subprocess.run(["size", "-A", target], capture_output=True, text=True, check=True).stdout.splitlines()
    sections = {line.split()[0]: int(line.split()[1]) for line in lines if re.match(r"\.\S+ +\d", line)}
    assert program.code is not None
    assert program.code.bytes == sum(size for name, size in sections.items() if name.startswith(".text"))
    assert program.code.command == "gcc -std=c99 -Os"
    assert program.buffer_bytes <= sections[".bss"] < program.buffer_bytes + 64  # alignment
    constants = sum(size for name, size in sections.items() if name.startswith((".rodata", ".data")))
    assert program.constant_bytes - 64 <= constants < program.constant_bytes + 1024  # layers, windows, literals
    assert 0 < program.stream_bytes < program.constant_bytes


def test_the_weights_are_as_small_as_in_the_encoding(tmp_path: Path) -> None:
    """A pruned layer's stream takes no more than the chip's entries, fillers, pointers and all."""
    rng = np.random.default_rng(8)
    codes = np.where(rng.random((300, 784)) < 0.08, rng.integers(1, 16, (300, 784)), 0).astype(np.uint8)
    matrix = eie.encode(codes, np.concatenate(([0], rng.normal(size=15))), n_pe=1)
    program = write_c(Network((Layer("fc", matrix),)), tmp_path / "c")
    assert program.stream_bytes <= matrix.entries.nbytes
    assert program.stream_bytes >= (codes > 0).sum()  # 4 bits of code, and 4 of gap where 8 % are left


@pytest.mark.parametrize(
    "name",
    [
        "*/ int x; /*",
        "a\nb",
        "int",
        "0",
        "\N{SNOWMAN}",
        "??/",
        "",
        "main",
        "x" * 300,
        "string",
        '"; #error',
        "_A",
        "EIE_run",
        "\\",
    ],
)
def test_no_name_gets_out_of_its_place(name: str, tmp_path: Path) -> None:
    """Whatever a network and its layers are called, the program compiles without a warning."""
    rng = np.random.default_rng(9)
    layer = random_layer(rng, name or "empty", 3, 4)
    network = Network((layer, Activation(f"{name} ", 3, "relu"), Activation(f"{name}2", 3, "tanh")), name)
    program = write_c(network, tmp_path / "c")
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,50}", program.name)
    source = tmp_path / "c" / f"{program.name}_model.c"
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-trigraphs", "-fsyntax-only", source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("flag", ["-ffast-math", "-funsafe-math-optimizations", "-freciprocal-math"])
def test_arithmetic_that_is_not_exact_is_refused(flag: str, tmp_path: Path) -> None:
    """The program does not compile with options that would change its outputs."""
    write_c(sequence_network(), tmp_path / "c")
    command = ["gcc", flag, "-fsyntax-only", tmp_path / "c" / "sequences_model.c"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "this program needs every rounding" in done.stderr


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="needs a C++ compiler on x86-64")
def test_wider_arithmetic_is_refused(tmp_path: Path) -> None:
    """The old floating point of x86 computes with 80 bits: refused, saying what to add."""
    write_c(sequence_network(), tmp_path / "c")
    command = ["gcc", "-std=c99", "-m32", "-mfpmath=387", "-ffreestanding", "-fsyntax-only"]
    done = subprocess.run([*command, tmp_path / "c" / "sequences_model.c"], capture_output=True, text=True, check=False)
    assert "floats must be computed with as such: on 32-bit x86, add -msse2 -mfpmath=sse" in done.stderr


def test_refusals_leave_nothing(tmp_path: Path) -> None:
    """What cannot be written is named, and no folder is there."""
    folder = tmp_path / "c"
    for network, numerics, message in (
        (image_network(), "int8", "conv2 is of the kind Winograd, which is not written to C; what is: linear, "),
        (Network((Activation("g", 3, "softplus"),)), "int8", "g is the function softplus, which is not written to C"),
        (
            Network((Pooling("p", Image(1, 5, 5), Window((2, 2), dilation=(2, 2))),)),
            "int8",
            "p is of the kind Pooling, which is not written to C; .*poolings without dilation",
        ),
        (sequence_network(), "chip", "layer lstm has no fixed-point formats"),
        (sequence_network(), "int16", "a C program has the numerics int8 or chip, not int16"),
    ):
        with pytest.raises(InputError, match=message):
            write_c(network, folder, numerics)
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="the compiler no-such-cc -O2 is not installed"):
        write_c(sequence_network(), folder, compiler="no-such-cc -O2")
    with pytest.raises(InputError, match="the compiler must be a command with its flags, not gcc '"):
        write_c(sequence_network(), folder, compiler="gcc '")
    with pytest.raises(ToolError, match=r"gcc does not compile the program: .*error"):
        write_c(sequence_network(), folder, compiler="gcc -no-such-flag")
    assert list(tmp_path.iterdir()) == []
    folder.mkdir()
    with pytest.raises(InputError, match="exists already: name a new folder"):
        write_c(sequence_network(), folder)
    assert list(folder.iterdir()) == []


def test_sums_beyond_32_bits_are_refused(tmp_path: Path) -> None:
    """Accumulators of 32 bits and more weights than their sum can be of: the row is named."""
    codes = np.ones((2, 70000), np.uint8)
    layer = Layer("wide", eie.encode(codes, np.array([0.0, 1.0]), n_pe=1), formats=Formats(15, 15))
    with pytest.raises(InputError, match=r"layer wide: the sum of row 0 may be .*sums in 32 bits"):
        write_c(Network((layer,)), tmp_path / "c", "chip")


OPTIONS = ["-O0", "-O2", "-O3 -march=native -ffp-contract=fast -funroll-loops", "-Os -std=gnu17"]
M4 = "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 -ffreestanding -nostdlib"
M4_START = [str(HERE / "cortex_m4.S"), "-T", str(HERE / "cortex_m4.ld")]
M4_BOARD = "qemu-system-arm -M mps2-an386 -nographic -semihosting-config enable=on,target=native -kernel"
ZIG = f"{sys.executable} -m ziglang cc"

# Of each: the compiler, what is linked besides, the emulator.
TARGETS = {
    **{f"gcc {options}": (f"gcc {options}", ["-lm"], "") for options in OPTIONS},
    # Without optimisation zig adds a sanitizer, whose library it would build first, for minutes.
    **{f"clang {options}": (f"{ZIG} {options} -fno-sanitize=undefined", ["-lm"], "") for options in OPTIONS},
    "cortex-m4 gcc -O2": (f"arm-none-eabi-gcc {M4} -O2", [*M4_START, "-lgcc"], M4_BOARD),
    "cortex-m4 gcc -Os contracted": (f"arm-none-eabi-gcc {M4} -Os -ffp-contract=fast", [*M4_START, "-lgcc"], M4_BOARD),
    "cortex-m4 clang": (f"{ZIG} -target thumb-freestanding-eabihf -mcpu=cortex_m4 -O2", M4_START, M4_BOARD),
    "riscv32 without floats": (
        f"{ZIG} -target riscv32-freestanding -mcpu=generic_rv32+m+c -mabi=ilp32 -Os -static",
        [str(HERE / "riscv.S")],
        "qemu-riscv32",
    ),
    "riscv64 contracted": (
        f"{ZIG} -target riscv64-freestanding -mcpu=generic_rv64+m+a+f+d+c -mabi=lp64d -mcmodel=medany -O2 -static "
        "-ffp-contract=fast",
        [str(HERE / "riscv.S")],
        "qemu-riscv64",
    ),
    "aarch64 contracted": ("aarch64-linux-gnu-gcc -O3 -static -ffp-contract=fast", ["-lm"], "qemu-aarch64"),
}
REASONS = {
    "arm-none-eabi-gcc": "no cross compiler: Debian's gcc-arm-none-eabi brings it",
    "aarch64-linux-gnu-gcc": "no cross compiler: Debian's g++-aarch64-linux-gnu brings it",
    "qemu-system-arm": "no emulator: Debian's qemu-system-arm brings it",
}


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_every_compiler_and_processor_gives_the_sessions_bits(target: str, tmp_path: Path) -> None:
    """Optimised, contracted, without hardware for floats, on ARM and RISC-V: the same program, the same bits."""
    compiler, more, emulator = TARGETS[target]
    for command in (compiler.split()[0], *emulator.split()[:1]):
        if shutil.which(command) is None:
            pytest.skip(REASONS.get(command, "no emulator: Debian's qemu-user brings it"))
    if compiler.startswith(ZIG):
        pytest.importorskip("ziglang", reason="ziglang is not installed")
    for numerics in ("int8", "chip"):
        folder = tmp_path / numerics
        program = case(graph, 3, numerics, folder)
        assert run(*emulator.split(), build(program, folder, compiler.split(), *more)) == 0


@pytest.mark.slow
def test_recurrent_layers_without_compression(tmp_path: Path) -> None:
    """A GRU with float32 weights and a bias input; every state, under the sanitizers."""
    rng = np.random.default_rng(11)
    weights, bias = rng.normal(size=(12, 8)).astype(np.float32), np.zeros(12, np.float32)
    network = Network((Recurrent("gru", "gru", 6, 4, Dense("gru", weights, bias)),), "states")
    program = write_with_cases(network, inputs_for(network, rng), tmp_path / "c", "int8")
    assert program is not None
    assert run(build(program, tmp_path / "c", SANITIZED)) == 0
