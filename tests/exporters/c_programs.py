"""C programs built from networks with the cases that they are held to, for this machine or an emulated one."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import eie
from eie.engine.session import AccumulatorOverflow
from eie.errors import InputError
from eie.exporters.c import CProgram, write_c
from eie.model.network import Network
from eie.steps import (
    Activation,
    Affine,
    Attention,
    Convolution,
    Dense,
    Embedding,
    Gather,
    Image,
    Matmul,
    Normalisation,
    Pooling,
    Product,
    Recurrent,
    Reduction,
    Rows,
    Sum,
    Window,
)

__all__ = [
    "WARNINGS",
    "build",
    "graph",
    "inputs_for",
    "random_network",
    "run",
    "tokens",
    "words_for",
    "write_with_cases",
]

WARNINGS = [
    "-std=c99",
    *(
        f"-W{name}"
        for name in (
            *("all", "extra", "pedantic", "conversion", "sign-conversion", "shadow", "undef", "double-promotion"),
            *("strict-prototypes", "missing-prototypes", "cast-qual", "error"),
        )
    ),
]

# Returns how many cases are wrong, 100 at most.
_CHECK = """\
#include <stdint.h>

#include "{name}_model.h"
#include "cases.h"

static float input[{upper}_INPUTS], output[{upper}_OUTPUTS];

int main(void)
{{
    int wrong = 0, n, k;
    for (n = 0; n < CASES; n++) {{
        union {{
            float value;
            uint32_t bits;
        }} number;
        int same;
        {before}
        for (k = 0; k < {upper}_INPUTS; k++) {{
            number.bits = inputs[n][k];
            input[k] = number.value;
        }}
        same = {name}_run(input, output) == statuses[n];
        for (k = 0; k < {upper}_OUTPUTS && statuses[n] % 2 == 0; k++) {{
            number.value = output[k];
            if (number.bits != expected[n][k]) same = 0;
        }}
        wrong += !same;
    }}
    return wrong > 100 ? 100 : wrong;
}}
"""


def write_with_cases(network: Network, inputs: np.ndarray[Any, Any], folder: Path, numerics: str) -> CProgram | None:
    """Write the program, and check.c, whose main returns for how many inputs it differs from a session.

    Nothing is written where most inputs have the same outputs, which would show nothing.
    """
    vectors = inputs.astype(np.float32)
    finite = np.isfinite(vectors).all(axis=1)
    expected = np.zeros((len(vectors), network.outputs), np.float32)
    statuses = np.where(finite, 0, 1)
    session = eie.InferenceSession(network, numerics=numerics)
    for k in np.flatnonzero(finite):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                expected[k] = session.run(vectors[k])
            except InputError as error:
                assert "looks up whole numbers" in str(error)
                statuses[k] = 3
                continue
        statuses[k] = 2 if any(issubclass(one.category, AccumulatorOverflow) for one in caught) else 0
    made = statuses % 2 == 0
    if len(np.unique(expected[made], axis=0)) < made.sum() / 2:
        return None
    program = write_c(network, folder, numerics)
    assert program.inexact == ()
    tables = (
        f"#define CASES {len(vectors)}",
        f"static const int statuses[CASES] = {{{', '.join(map(str, statuses))}}};",
        *(
            f"static const uint32_t {name}[CASES][{array.shape[1]}] = {_bits(array)};"
            for name, array in (("inputs", vectors), ("expected", expected))
        ),
    )
    (folder / "cases.h").write_text("\n".join(tables) + "\n")
    before = f"{program.name}_restart();" if network.cache else ""
    (folder / "check.c").write_text(_CHECK.format(name=program.name, upper=program.name.upper(), before=before))
    return program


def _bits(vectors: np.ndarray[Any, Any]) -> str:
    """Return floats as a table of their bits."""
    rows = (", ".join(f"{value}u" for value in vector) for vector in vectors.view(np.uint32).tolist())
    return "{" + ", ".join(f"{{{row}}}" for row in rows) + "}"


def build(program: CProgram, folder: Path, compiler: Sequence[str], *more: str | Path) -> Path:
    """Compile and link the program with check.c, and with `more` sources and libraries."""
    out = folder / "check"
    sources = [folder / f"{program.name}_model.c", folder / "check.c"]
    command = [*compiler, *WARNINGS, *sources, "-o", out, *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return out


def run(*command: str | Path) -> int:
    """Return a program's exit code; what it says is in the error."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in range(101), done.stderr
    return done.returncode


def inputs_for(network: Network, rng: np.random.Generator, count: int = 6) -> np.ndarray[Any, Any]:
    """Ordinary inputs, half of them without negative ones, many zero; and zeros, next to nothing, large, not finite."""
    inputs = rng.normal(size=(count, network.inputs)) * (rng.random((count, network.inputs)) < 0.6)
    inputs[::2] = np.abs(inputs[::2])
    one = rng.normal(size=network.inputs)
    odd = [np.zeros(network.inputs), one * 1e-42, one * 1e-30, -np.abs(one) * 1e6, np.full(network.inputs, 0.5)]
    for wrong in (np.nan, np.inf, -np.inf):
        one = one.copy()
        one[rng.integers(network.inputs)] = wrong
        odd.append(one)
    return np.concatenate((inputs, odd)).astype(np.float32)


def random_layer(rng: np.random.Generator, name: str, outputs: int, inputs: int, *, awkward: bool = False) -> eie.Layer:
    """A layer with or without a bias, codes of 2 bits or more.

    An awkward one may have empty rows and columns, long gaps, no weight at all, codes of 1 bit, ReLU.
    """
    bits, density = int(rng.integers(2, 9)), 0.5
    if awkward:
        bits, density = int(rng.integers(1, 9)), rng.choice([0.0, 0.05, 0.3, 1.0], p=[0.05, 0.25, 0.4, 0.3])
    codes = rng.integers(1, 2**bits, (outputs, inputs)) * (rng.random((outputs, inputs)) < density)
    if awkward:
        codes[rng.random(outputs) < rng.choice([0, 0.3])] = 0
        codes[:, rng.random(inputs) < rng.choice([0, 0.3])] = 0
    book = np.concatenate(([0.0], rng.normal(size=2**bits - 1) / np.sqrt(inputs)))
    bias = rng.normal(size=outputs).astype(np.float32) if rng.random() < 0.6 else None
    relu = awkward and bool(rng.random() < 0.5)
    return eie.Layer(name, eie.encode(codes.astype(np.uint8), book, n_pe=4), bias, relu)


def random_network(rng: np.random.Generator, numerics: str) -> Network:
    """An image through a convolution of any window, a pooling and two linear layers, all of awkward sizes."""

    def two(least: int, end: int) -> tuple[int, int]:
        return int(rng.integers(least, end)), int(rng.integers(least, end))

    image, kernel = Image(int(rng.integers(1, 9)), *two(1, 9)), two(1, 4)
    filters = random_layer(rng, "conv", int(rng.integers(1, 6)), image.channels * kernel[0] * kernel[1], awkward=True)
    conv = Convolution("conv", image, Window(kernel, two(1, 4), two(4, 7), two(1, 4)), filters)
    kind: Any = "max" if numerics == "chip" else str(rng.choice(["max", "average"]))
    size = min(two(1, 4)[0], conv.image_out.height), min(two(1, 4)[1], conv.image_out.width)
    pool = Pooling("pool", conv.image_out, Window(size, two(1, 4), (size[0] // 2, size[1] // 2)), kind)
    hidden = int(rng.integers(1, 20))
    fc1 = random_layer(rng, "fc1", hidden, pool.outputs, awkward=True)
    return Network((conv, pool, fc1, random_layer(rng, "fc2", int(rng.integers(1, 8)), hidden, awkward=True)), "random")


def graph(rng: np.random.Generator, numerics: str) -> Network:
    """Every step that C has bit for bit in these numerics, in a graph with residual sums and concatenations."""
    layer, normal = random_layer, rng.normal
    image = Image(3, 6, 5)
    side = Window((3, 3), (1, 1), (1, 1))
    steps: list[tuple[Any, tuple[int, ...]]] = [
        (Gather("flip", 90, np.arange(90)[::-1].copy()), (-1,)),
        (Convolution("conv1", image, side, layer(rng, "conv1", 4, 27)), (0,)),
        (Affine("norm", 30, *normal(size=(2, 4)).astype(np.float32)), (1,)),
        (Activation("relu", 120, "relu"), (2,)),
        (Convolution("conv2", Image(4, 6, 5), side, layer(rng, "conv2", 4, 36)), (3,)),
        (Sum("residual", 120), (4, 3)),
        (Sum("three", 120, 3), (5, 1, 4)),
        (Product("gate", 120), (6, 4)),
        (Pooling("pool", Image(4, 6, 5), Window((2, 2), (2, 2)), "max"), (7,)),
        (Gather("some", 24, rng.integers(-1, 24, 30)), (8,)),
        (Rows("rows", 5, layer(rng, "rows", 3, 6)), (9,)),
        (layer(rng, "branch", 9, 24), (8,)),
        (layer(rng, "both", 12, 24), (11, 10)),
        (Activation("after", 12, "relu"), (12,)),
        (Convolution("whole", Image(3, 2, 2), Window((2, 2)), layer(rng, "whole", 12, 12)), (13,)),
        (Product("halves", 6, 2), (14,)),
    ]
    if numerics == "int8":
        count = len(steps)
        functions = (
            "sigmoid",
            "tanh",
            "silu",
            "relu6",
            "hardsigmoid",
            "hardswish",
            "gelu",
            "gelu_tanh",
            "erf",
            "square",
        )
        steps += [
            (Recurrent("lstm", "lstm", 4, 3, layer(rng, "lstm", 20, 9)), (14,)),
            (
                Dense("dense", normal(size=(20, 20)).astype(np.float32), normal(size=20).astype(np.float32), True),
                (count,),
            ),
            (
                Rows("dense.rows", 4, Dense("dr", normal(size=(3, 5)).astype(np.float32), np.zeros(3, np.float32))),
                (count + 1,),
            ),
        ]
        gru = Recurrent("gru", "gru", 4, 3, layer(rng, "gru", 24, 9), last_only=True)
        steps.append((gru, (count + 2,)))
        steps.append(
            (
                Recurrent("old", "lstm", 1, 2, Dense("od", *_dense(rng, 8, 4)), takes_state=True, gives_memory=True),
                (count + 3,),
            )
        )
        for function in functions:
            steps.append((Activation(function, 4, function), (len(steps) - 1,)))
        steps.append((Pooling("mean", Image(5, 2, 1), Window((2, 1)), "average"), (len(steps) - 1, count - 1)))
        steps.append((Activation("softmax", 125, "softmax", 5), (len(steps) - 1, 5)))
    else:
        steps.pop()  # a network all of whose last steps are integers
    used = {source for _, reads in steps for source in reads}
    unread = [k for k in range(len(steps) - 1) if k not in used]
    steps.append(
        (layer(rng, "last", 5, sum(steps[k][0].outputs for k in (*unread, len(steps) - 1))), (*unread, len(steps) - 1))
    )
    return Network(tuple(step for step, _ in steps), "graph", tuple(reads for _, reads in steps))


def _dense(rng: np.random.Generator, outputs: int, inputs: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return rng.normal(size=(outputs, inputs)).astype(np.float32), rng.normal(size=outputs).astype(np.float32)


WORDS, TOKENS, HEADS, WIDTH = 37, 4, 2, 17  # a table of three marks, a width that is no whole vector


def tokens(rng: np.random.Generator, *, tied: bool = True) -> Network:
    """Words through tables, compressed and not, attention of both kinds, normalisations, every function, to scores."""
    size = HEADS * WIDTH
    codes = (rng.integers(1, 16, (WORDS, size)) * (rng.random((WORDS, size)) < 0.3)).astype(np.uint8)
    codes[[3, 16, 17]] = 0
    book = np.concatenate(([0.0], rng.normal(size=15)))
    head = eie.Layer("head", eie.encode(codes, book, n_pe=4))
    other = codes if tied else codes[::-1]
    words = eie.Layer("words", eie.encode(np.ascontiguousarray(other.T), book, n_pe=3))
    bias = rng.normal(size=size).astype(np.float32)
    places = Dense("places", rng.normal(size=(size, 5)).astype(np.float32), bias)
    part = np.arange(TOKENS * size).reshape(TOKENS, HEADS, WIDTH)
    whole = TOKENS * size
    steps: list[tuple[Any, tuple[int, ...]]] = [
        (Gather("places", 2 * TOKENS, np.arange(TOKENS) + TOKENS), (-1,)),
        (Gather("tokens", 2 * TOKENS, np.arange(TOKENS)), (-1,)),
        (Embedding("words", TOKENS, words), (1,)),
        (Embedding("where", TOKENS, places), (0,)),
        (Sum("both", whole), (2, 3)),
        (Normalisation("norm", TOKENS, size, 1e-5), (4,)),
        (Affine("norm.affine", 1, *rng.normal(size=(2, size)).astype(np.float32), rows=TOKENS), (5,)),
        (Rows("query", TOKENS, random_layer(rng, "query", size, size)), (6,)),
        (Gather("query.heads", whole, part.transpose(1, 0, 2).ravel()), (7,)),
        (Gather("keys", whole, part.transpose(1, 2, 0).ravel()), (6,)),
        (Matmul("scores", HEADS, TOKENS, WIDTH, TOKENS), (8, 9)),
        (Activation("weights", HEADS * TOKENS**2, "softmax", HEADS * TOKENS), (10,)),
        (Matmul("mixed", HEADS, TOKENS, TOKENS, WIDTH), (11, 8)),
        (Attention("causal", TOKENS, HEADS, WIDTH, TOKENS + 2, 0.25), (7, 6, 12)),
        (Sum("residual", whole), (13, 4)),
        (Normalisation("root", TOKENS, size, 1e-6, False), (14,)),
        (Gather("all", whole, np.tile(np.arange(whole), 3)[: 3 * whole]), (15,)),
        (Attention("again", TOKENS, HEADS, WIDTH, TOKENS, 0.5), (16,)),
    ]
    for function in ("gelu", "gelu_tanh", "erf", "absolute", "exp", "sqrt", "square", "positive"):
        source = len(steps) - 1 if function in ("sqrt", "square") else 17
        steps.append((Activation(function, whole, function), (source,)))
    functions = tuple(range(18, len(steps)))
    steps += [
        (Sum("functions", whole, len(functions)), functions),
        (Activation("over", whole, "reciprocal"), (22,)),
        (Sum("more", whole), (len(steps), len(steps) + 1)),
    ]
    last = len(steps) - 1
    steps += [
        (Gather("columns", whole, np.arange(whole).reshape(TOKENS, size).T.ravel()), (last,)),
        *((Reduction(kind, size, TOKENS, kind), (last + 1,)) for kind in ("mean", "sum", "max")),
        (Sum("reduced", size, 3), (last + 2, last + 3, last + 4)),
        (head, (last + 5,)),
    ]
    return Network(tuple(step for step, _ in steps), "tokens", tuple(reads for _, reads in steps))


def words_for(rng: np.random.Generator, count: int = 8) -> np.ndarray[Any, Any]:
    """Words and places, the first and last of each among them; and what is none: below, beyond, half, not finite."""
    inputs = np.concatenate((rng.integers(0, WORDS, (count, TOKENS)), rng.integers(0, 5, (count, TOKENS))), axis=1)
    inputs[0], inputs[1] = 0, [WORDS - 1] * TOKENS + [4] * TOKENS
    inputs[2, :TOKENS] = (15, 16, 31, 32)
    found = inputs.astype(np.float32)
    wrong = np.repeat(found[-1:], 7, axis=0)
    for row, (place, value) in enumerate(((0, -1), (1, WORDS), (2, 0.5), (3, 1e9), (4, 5), (5, np.nan), (0, np.inf))):
        wrong[row, place] = value
    return np.concatenate((found, wrong))
