"""The CPU this runs on, measured on a layer as the paper measured its own: dense and sparse, batch 1."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy
from scipy.sparse import csr_array

from eie.paper.benchmarks import LayerData

__all__ = ["CpuTimes", "cores", "describe", "measure", "processor"]

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


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's name, as the system gives it."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
