"""The CPU this runs on, measured on a layer as the paper measured its own: dense and sparse, batch 1."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from scipy.sparse import csr_array

from eie.support.processor import cores, processor
from eie.workloads.layers import LayerData

__all__ = ["CpuTimes", "describe", "measure"]

SHORTEST_S = 0.3
FEWEST_ROUNDS = 5
MOST_ROUNDS = 200


@dataclass(frozen=True)
class CpuTimes:
    """Median times of one matrix-vector product, in microseconds, and how many interleaved rounds were run."""

    dense_us: float
    sparse_us: float
    rounds: int


def measure(layer: LayerData) -> CpuTimes:
    """Time W a in float32, dense by NumPy's BLAS and sparse by SciPy's CSR.

    One run: the two take turns, so that what else the machine does meets both; the medians are returned. Each product
    runs once untimed. Like the paper's own, neither makes use of activations that are zero.
    """
    dense = layer.codebook[layer.codes]
    sparse = csr_array(dense)
    activations = layer.activations
    for product in (dense, sparse):
        product @ activations
    times: tuple[list[float], list[float]] = ([], [])
    started = time.perf_counter()
    while len(times[0]) < FEWEST_ROUNDS or (len(times[0]) < MOST_ROUNDS and time.perf_counter() - started < SHORTEST_S):
        times[0].append(_seconds(lambda: dense @ activations))
        times[1].append(_seconds(lambda: sparse @ activations))
    return CpuTimes(float(np.median(times[0])) * 1e6, float(np.median(times[1])) * 1e6, len(times[0]))


def describe() -> str:
    """This machine in a few words: processor, cores usable, and the libraries measured."""
    count = cores()
    return (
        f"{processor()}, {count} core{'s' if count != 1 else ''}, NumPy {np.__version__} (all cores), "
        f"SciPy {scipy.__version__} CSR (one core)"
    )


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
