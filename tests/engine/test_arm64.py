"""The kernels on ARM64, cross-built and emulated: equal to the references, and the same bits as here."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from eie import _native
from eie.encoding.csc import encode
from eie.engine import NUMERICS, chain
from eie.model.network import Layer
from engine.emulated import EmulatedNetwork, EmulatedPlan
from engine.layers import random_inputs, random_layer
from engine.programs import build
from engine.test_kernels import SHAPES, assert_equals_reference

CROSS, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
SANITIZED = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
LIBRARIES = "/usr/aarch64-linux-gnu"  # where Debian keeps those of its cross compiler

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which(CROSS) is None, reason="no cross compiler: Debian's g++-aarch64-linux-gnu brings it"
    ),
    pytest.mark.skipif(shutil.which(EMULATOR) is None, reason="no emulator: Debian's qemu-user brings it"),
]


def run_on(processor: str, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have sessions run their layer on an emulated processor."""
    command = [EMULATOR, "-L", LIBRARIES, "-cpu", processor, program]
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")  # the emulator cannot stop threads to look
    monkeypatch.setattr(chain, "_native", SimpleNamespace(make_network=lambda *given: EmulatedNetwork(command, *given)))
    monkeypatch.setattr(_native, "Plan", EmulatedPlan)


@pytest.fixture(scope="module")
def one_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that runs one layer on ARM64, under sanitizers."""
    return build(tmp_path_factory.mktemp("arm64"), CROSS, SANITIZED, "aarch64", "one_layer")


@pytest.mark.parametrize("numerics", NUMERICS)
def test_window_equals_reference(numerics: str, one_layer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NEON's window on layers of every awkward shape, inputs with and without negative ones, extreme weights."""
    # The older processor has no dot product: the others' kernels need none.
    run_on("neoverse-n1" if numerics == "int8" else "cortex-a72", one_layer, monkeypatch)
    rng = np.random.default_rng(40)
    for outputs, inputs, density, skew in SHAPES:
        layer = random_layer(rng, outputs, inputs, density=density, skew=skew, bias=True, relu=True)
        batch = random_inputs(rng, 3, inputs)
        assert_equals_reference(layer, np.abs(batch), numerics, "window-neon")
        assert_equals_reference(layer, batch, numerics, "window-neon", threads=2)
    for code_bits in (1, 2, 3):
        layer = random_layer(rng, 90, 170, density=0.3, code_bits=code_bits)
        assert_equals_reference(layer, random_inputs(rng, 2, 170), numerics, "window-neon")
    full = Layer("full", encode(np.ones((130, 1500), np.uint8), np.array([0, -1], np.float32)))
    assert_equals_reference(full, np.full((1, 1500), 3.0, np.float32), numerics, "window-neon")
    assert_equals_reference(full, np.full((1, 1500), -3.0, np.float32), numerics, "window-neon")


def test_int8_window_needs_the_dot_product(one_layer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a processor without it the kernel is refused, not run into an instruction that there is not."""
    run_on("cortex-a72", one_layer, monkeypatch)
    layer = random_layer(np.random.default_rng(41), 20, 30)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        assert_equals_reference(layer, np.ones((1, 30), np.float32), "int8", "window-neon")
    assert b"needs dotprod, but this processor, or EIE_INSTRUCTION_SET, allows neon" in caught.value.stderr


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="compares with x86-64")
def test_exact_numerics_give_the_same_bits_on_arm64(tmp_path: Path) -> None:
    """`int8`, `int16` and `chip`: every output of some hundred networks; NEON's window has the others' bits."""
    digests = {}
    for compiler, architecture, emulator in (("g++", "x86_64", []), (CROSS, "aarch64", [EMULATOR])):
        folder = tmp_path / architecture
        folder.mkdir()
        program = build(folder, compiler, ["-O2", "-static"], architecture)
        done = subprocess.run([*emulator, str(program)], capture_output=True, text=True, timeout=900, check=True)
        lines = [line.split() for line in done.stdout.splitlines() if not line[0].isdigit()]
        digests[architecture] = {(kernel, numerics, bits): digest for kernel, numerics, bits, digest in lines}
    arm, x86 = digests["aarch64"], digests["x86_64"]
    assert {kernel for kernel, _, _ in arm} == {"window-neon", "columns", "bitmask", "taps"}
    for (kernel, numerics, bits), digest in arm.items():
        here = "columns" if kernel == "window-neon" else kernel
        assert digest == x86[here, numerics, bits], (kernel, numerics, bits)
    # The window takes codes of 4 bits, the others 4 and 8; the chip has no bitmasks. All three have convolutions.
    assert len(arm) == 3 + 6 + 4 + 3
