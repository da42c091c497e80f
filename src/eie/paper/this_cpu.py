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
from eie.support.tables import shown
from eie.workloads.layers import LayerData

__all__ = ["CpuTimes", "Timing", "describe", "measure"]

SHORTEST_S = 0.3
FEWEST_ROUNDS = 5
MOST_ROUNDS = 200
# Where the thread waited for longer than this share, or its quartiles lie further apart, other work was in the way.
MOST_WAITING = 0.05
WIDEST_SPREAD = 1.25


@dataclass(frozen=True)
class Timing:
    """Median and quartiles of one product's times in microseconds; `waited` is the share of it that no core ran it."""

    median_us: float
    quartiles_us: tuple[float, float]
    waited: float

    @property
    def busy(self) -> bool:
        """Whether the machine did something else meanwhile, so that the median is not the machine's best."""
        low, high = self.quartiles_us
        return self.waited > MOST_WAITING or high > WIDEST_SPREAD * low

    @property
    def spread(self) -> str:
        """Quartiles in words, and whether the machine was busy."""
        low, high = self.quartiles_us
        return f"quartiles {shown(low)} to {shown(high)} µs{', machine busy' if self.busy else ''}"

    @classmethod
    def of(cls, wall_s: list[float], cpu_s: list[float]) -> Timing:
        """Summarise the times of several rounds, by the clock and of the thread on a core."""
        low, middle, high = (float(value) for value in np.percentile(np.asarray(wall_s) * 1e6, [25, 50, 75]))
        return cls(middle, (low, high), max(0.0, 1 - sum(cpu_s) / sum(wall_s)))


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
