"""Timing of repeated calls, and the rule by which a machine is busy with other work."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eie.support.tables import shown

__all__ = ["Timing", "median_us"]

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
    def of(cls, wall_s: Sequence[float], cpu_s: Sequence[float]) -> Timing:
        """Summarise the times of several rounds, by the clock and of the thread on a core."""
        low, middle, high = (float(value) for value in np.percentile(np.asarray(wall_s) * 1e6, [25, 50, 75]))
        return cls(middle, (low, high), max(0.0, 1 - sum(cpu_s) / sum(wall_s)))


def median_us(call: Callable[[], object], calls: int) -> float:
    """Return the median time of one of `calls` calls in microseconds."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6
