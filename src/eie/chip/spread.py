"""What a number is over several input vectors: its mean, its spread, the least and the most, and where the most is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Spread"]


@dataclass(frozen=True)
class Spread:
    """`deviation` is the standard deviation of the vectors' numbers; `worst` is the first vector with `most`."""

    mean: float
    deviation: float
    least: float
    most: float
    worst: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise one number per vector; there must be at least one."""
        numbers = np.asarray(values, np.float64)
        return cls(
            float(numbers.mean()),
            float(numbers.std()),
            float(numbers.min()),
            float(numbers.max()),
            int(numbers.argmax()),
        )
