"""Random layers and networks for the engine's tests."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from eie import InputError
from eie.encoding.csc import encode
from eie.engine import NUMERICS, InferenceSession
from eie.model.network import Layer, Network
from eie.model.reference import float_layer


def random_layer(
    rng: np.random.Generator,
    outputs: int,
    inputs: int,
    *,
    name: str = "layer",
    density: float = 0.1,
    code_bits: int = 4,
    bias: bool = False,
    relu: bool = False,
    skew: float = 0.0,
) -> Layer:
    """Return a layer with about `density` of its weights kept; `skew` spreads the rows' densities log-normally."""
    codebook = np.concatenate(([0.0], rng.normal(size=2**code_bits - 1) / np.sqrt(inputs * density + 1)))
    row_density = np.minimum(density * np.exp(skew * rng.standard_normal(outputs)), 1.0)
    kept = rng.random((outputs, inputs)) < row_density[:, None]
    codes = np.where(kept, rng.integers(1, 2**code_bits, (outputs, inputs)), 0)
    biases = rng.normal(size=outputs).astype(np.float32) if bias else None
    return Layer(name, encode(codes, codebook.astype(np.float32), n_pe=min(64, outputs)), biases, relu)


def random_inputs(rng: np.random.Generator, count: int, inputs: int, active: float = 0.5) -> npt.NDArray[np.float32]:
    """Return (count, inputs) activations, about `active` of them not zero, some negative."""
    values = rng.normal(size=(count, inputs)) * (rng.random((count, inputs)) < active)
    return values.astype(np.float32)


def random_network(rng: np.random.Generator, sizes: tuple[int, ...]) -> Network:
    """Return a network of layers with bias, ReLU after all but the last, from `sizes[0]` inputs on."""
    pairs = list(pairwise(sizes))
    return Network(
        tuple(
            random_layer(rng, outputs, inputs, name=f"layer{i}", density=0.2, bias=True, relu=i + 1 < len(pairs))
            for i, (inputs, outputs) in enumerate(pairs)
        )
    )


def layer_of(codes: npt.NDArray[np.integer], codebook: npt.NDArray[np.floating]) -> Layer:
    """Return a layer without bias or ReLU."""
    return Layer("layer", encode(codes, codebook.astype(np.float32), n_pe=min(4, len(codes))))


def relative_error(layer: Layer, inputs: npt.NDArray[np.float32], numerics: str) -> float:
    """Return a session's largest difference from real numbers, relative to the largest output."""
    exact = float_layer(layer, inputs.astype(np.float64))
    outputs = InferenceSession(Network((layer,)), numerics=numerics).run(inputs)
    return float(np.abs(outputs - exact).max() / np.abs(exact).max())


def numerics_of(kernel: str) -> tuple[str, ...]:
    """Return the numerics that a kernel has: bitmasks are int8's and int16's, some kernels one's alone."""
    if kernel.startswith("bitmask"):
        return ("int8", "int16")
    if kernel.startswith("window-bytes"):
        return ("int16",)
    return ("int8",) if kernel.startswith(("wide-window", "window-vnni", "dense")) else NUMERICS


def session_or_skip(network: Network, numerics: str, kernel: str, threads: int = 1) -> InferenceSession:
    """Return a session with the kernel forced; skip the test where this processor does not have what it needs."""
    try:
        return InferenceSession(network, numerics=numerics, kernel=kernel, threads=threads)
    except InputError as error:
        if "allows" in str(error):
            pytest.skip(str(error))
        raise
