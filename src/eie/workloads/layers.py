"""The nine benchmark layers, generated: the published shapes and densities, weights drawn uniformly and seeded.

The weights of eight of them were never published. A generated layer has the size and density of the real one, but not
its structure: the rows of a real layer differ in density, so its load balance over the PEs is worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from eie.errors import InputError
from eie.literature import reported

__all__ = ["Benchmark", "LayerData", "benchmarks", "codebook", "draw", "exact_share", "generate"]

ROWS_DRAWN_AT_ONCE = 256
FIRST_SEED = 1000


@dataclass(frozen=True)
class Benchmark:
    """A row of Table III: shape, share of weights kept, share of non-zero activations (both 0 to 1)."""

    name: str
    inputs: int
    outputs: int
    weight_density: float
    activation_density: float
    model: str
    seed: int


@dataclass(frozen=True)
class LayerData:
    """A generated layer: codes uint8 (outputs, inputs), codebook float32 (16,), activations float32 (inputs,)."""

    name: str
    codes: NDArray[np.uint8]
    codebook: NDArray[np.float32]
    activations: NDArray[np.float32]


@cache
def benchmarks() -> Mapping[str, Benchmark]:
    """The nine layers of Table III by name, in the paper's order, each with its default seed."""
    return {
        name: Benchmark(
            name=name,
            inputs=row["inputs"],
            outputs=row["outputs"],
            weight_density=row["weight_percent"] / 100,
            activation_density=row["activation_percent"] / 100,
            model=row["model"],
            seed=FIRST_SEED + number,
        )
        for number, (name, row) in enumerate(reported("table3")["layers"].items())
    }


def generate(name: str, seed: int | None = None, skew: float = 0.0, *, exact: bool = False) -> LayerData:
    """Return the layer `name` of Table III with random weights and activations.

    Each weight is kept with the layer's density and given one of the codes 1 to 15; each activation is non-zero with
    the layer's density and uniform in steps of 1/256 up to 8. So the number of non-zero activations varies: VGG-7 has
    38.9 % of them, not 37.5. With `exact` it is the whole number nearest to the density; nothing else changes. A skew
    above 0 draws each row's density from a log-normal distribution of that sigma with the same mean, which makes the
    load of the PEs uneven. The same arguments return the same layer.

    Raises InputError for an unknown name or a negative skew.
    """
    if name not in benchmarks():
        raise InputError(f"no benchmark layer is named {name!r}; the nine are {', '.join(benchmarks())}")
    if skew < 0:
        raise InputError(f"the skew of {name} must be 0 or more, not {skew}")
    return draw(benchmarks()[name], seed, skew, exact=exact)


def draw(layer: Benchmark, seed: int | None = None, skew: float = 0.0, *, exact: bool = False) -> LayerData:
    """Return a random layer of any shape and density, as `generate` does."""
    random = np.random.default_rng(layer.seed if seed is None else seed)
    density = np.full(layer.outputs, layer.weight_density)
    if skew:
        density = layer.weight_density * np.exp(skew * random.standard_normal(layer.outputs))
        density = np.minimum(density * layer.weight_density / density.mean(), 0.95)
    codes = np.zeros((layer.outputs, layer.inputs), np.uint8)
    for first in range(0, layer.outputs, ROWS_DRAWN_AT_ONCE):
        block = codes[first : first + ROWS_DRAWN_AT_ONCE]
        kept = random.random(block.shape) < density[first : first + len(block), None]
        np.multiply(kept, random.integers(1, 16, block.shape, dtype=np.uint8), out=block)
    drawn = random.random(layer.inputs)
    active = exact_share(drawn, layer.activation_density) if exact else drawn < layer.activation_density
    activations = np.where(active, random.integers(1, 2048, layer.inputs) / 256, 0).astype(np.float32)
    return LayerData(layer.name, codes, codebook(), activations)


def exact_share(drawn: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Return which of each vector's numbers, (..., numbers), are the lowest that are `share` of them, 0 to 1."""
    lowest: NDArray[np.bool_] = drawn.argsort(axis=-1).argsort(axis=-1) < round(share * drawn.shape[-1])
    return lowest


def codebook() -> NDArray[np.float32]:
    """Code 0 for pruned weights, then -7/64 to 8/64 without 0: exact in every fixed-point format used here."""
    values = np.concatenate(([0], np.arange(-7, 0), np.arange(1, 9)))
    return (values / 64).astype(np.float32)
