"""The CPU this runs on, measured on a layer as the paper measured its own: dense and sparse, batch 1, one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from scipy.sparse import csr_array
from threadpoolctl import threadpool_info, threadpool_limits

from eie.support.processor import processor
from eie.support.stopwatch import Timing
from eie.workloads.layers import LayerData

__all__ = ["CpuTimes", "describe", "measure"]

SHORTEST_S = 0.3
FEWEST_ROUNDS = 5
MOST_ROUNDS = 200


@dataclass(frozen=True)
class CpuTimes:
    """The times of one matrix-vector product, dense and sparse, and how many interleaved rounds were run."""

    dense: Timing
    sparse: Timing
    rounds: int


def measure(layer: LayerData) -> CpuTimes:
    """Time W a in float32 on one thread, dense by NumPy's BLAS and sparse by SciPy's CSR.

    One run: the two take turns, so that what else the machine does meets both. Each product runs once untimed. Like the
    paper's own, neither makes use of activations that are zero.
    """
    dense = layer.codebook[layer.codes]
    sparse = csr_array(dense)
    activations = layer.activations
    products: tuple[Callable[[], object], ...] = (lambda: dense @ activations, lambda: sparse @ activations)
    wall: tuple[list[float], list[float]] = ([], [])
    cpu: tuple[list[float], list[float]] = ([], [])
    with threadpool_limits(limits=1, user_api="blas"):
        for product in products:
            product()
        end = time.perf_counter() + SHORTEST_S
        while len(wall[0]) < FEWEST_ROUNDS or (len(wall[0]) < MOST_ROUNDS and time.perf_counter() < end):
            for product, walls, cpus in zip(products, wall, cpu, strict=True):
                started, started_cpu = time.perf_counter(), time.thread_time()
                product()
                cpus.append(time.thread_time() - started_cpu)
                walls.append(time.perf_counter() - started)
    return CpuTimes(Timing.of(wall[0], cpu[0]), Timing.of(wall[1], cpu[1]), len(wall[0]))


def describe() -> str:
    """This machine in a few words: processor, and the libraries measured, on one thread each."""
    libraries = f"dense by {_blas()} (NumPy {np.__version__}), sparse by SciPy {scipy.__version__} CSR"
    return f"{processor()}, one thread; {libraries}"


def _blas() -> str:
    """The BLAS that NumPy is linked with: of those loaded the one in NumPy's own folder, else the first."""
    loaded = [one for one in threadpool_info() if one["user_api"] == "blas"]
    own = [one for one in loaded if "numpy" in str(one["filepath"])]
    found = (own or loaded)[:1]
    return f"{found[0]['internal_api']} {found[0]['version']}" if found else "an unknown BLAS"
