"""Timing of repeated calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

__all__ = ["median_us"]


def median_us(call: Callable[[], object], calls: int) -> float:
    """Return the median time of one of `calls` calls in microseconds."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6
