"""Random networks for the RTL's tests."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

import eie


def random_network(seed: int, sizes: list[int], n_pe: int, density: float = 0.4, index_bits: int = 4) -> eie.Network:
    """Layers in a row, some with bias and ReLU."""
    rng = np.random.default_rng(seed)
    layers = []
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        codes = np.where(rng.random((outputs, inputs)) < density, rng.integers(1, 16, (outputs, inputs)), 0)
        codes[:, rng.random(inputs) < 0.2] = 0
        book = np.concatenate(([0.0], rng.normal(size=15)))
        bias = rng.normal(size=outputs).astype(np.float32) if number % 2 == 0 else None
        layers.append(eie.Layer(f"fc{number}", eie.encode(codes, book, n_pe, index_bits), bias, relu=number % 2 == 0))
    return eie.Network(tuple(layers))
