"""Random layers, awkward ones among them: empty rows and columns, one PE, sizes that do not divide, extreme codes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from hypothesis import settings
from hypothesis import strategies as st

import eie


def examples(count: int) -> settings:
    """Settings for a test that needs other than a hundred examples: `count`, and as many times more in `make fuzz`."""
    usual = settings.get_profile("test").max_examples
    return settings(max_examples=count * settings.default.max_examples // usual)


class Case(NamedTuple):
    """A small layer and one vector for it: codes, codebook, encoded matrix, integer activations."""

    codes: npt.NDArray[np.uint8]
    codebook: npt.NDArray[np.float32]
    matrix: eie.InterleavedCSC
    activations: npt.NDArray[np.int64]


@st.composite
def layers(
    draw: st.DrawFn,
    max_side: int = 40,
    max_pe: int = 64,
    code_bits: tuple[int, int] = (4, 4),
    index_bits: tuple[int, int] = (4, 4),
    signed: bool = True,
) -> Case:
    """Draw a layer: most of it from a seed, its shape and its awkwardness from hypothesis, so that it can shrink."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    outputs = draw(st.integers(1, max_side))
    inputs = draw(st.integers(1, max_side))
    bits = draw(st.integers(*code_bits))
    density = draw(st.sampled_from([0.0, 0.03, 0.3, 1.0]))
    codes = np.where(rng.random((outputs, inputs)) < density, rng.integers(1, 2**bits, (outputs, inputs)), 0)
    codes[:, rng.random(inputs) < draw(st.sampled_from([0.0, 0.5]))] = 0
    codes[rng.random(outputs) < draw(st.sampled_from([0.0, 0.5]))] = 0
    if draw(st.booleans()):  # one PE with most of the work
        codes[0] = rng.integers(1, 2**bits, inputs)
    codebook = np.concatenate(([0.0], rng.normal(size=2**bits - 1))).astype(np.float32)
    if draw(st.booleans()):  # codes at both ends of what the multiplier takes
        codebook[1:] = rng.choice(np.array([-1, 1, 0], np.float32), 2**bits - 1)
    n_pe = draw(st.one_of(st.integers(1, max_pe), st.sampled_from([1, 2, 4])))
    active = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    extreme = draw(st.booleans())
    values = rng.choice([-32768, 32767], inputs) if extreme else rng.integers(-2000, 2000, inputs)
    activations = np.where(rng.random(inputs) < active, values, 0).astype(np.int64)
    if not signed:
        activations = np.abs(activations).clip(max=32767)
    matrix = eie.encode(codes.astype(np.uint8), codebook, n_pe, draw(st.integers(*index_bits)))
    return Case(codes.astype(np.uint8), codebook, matrix, activations)
