"""Values put into another order: transposing, slicing, splitting, repeating, and filling up with zeros."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from eie.encoding.csc import MAX_SIDE
from eie.errors import InputError
from eie.model.network import Batch, Multiply, Step
from eie.support.arrays import owned

__all__ = ["ZERO", "Gather", "Strides", "strided"]

ZERO = -1  # in an index: no input, but 0

Index = npt.NDArray[np.signedinteger]


@dataclass(frozen=True, eq=False)
class Gather(Step):
    """Output k is number `index[k]` of the `size` inputs, or 0 where that is ZERO.

    `index` has the shape (outputs,) and is kept as int32.
    """

    name: str
    size: int
    index: Index = field(repr=False)

    def __post_init__(self) -> None:
        """Check the index, and copy it if other code could write to it."""
        if not 1 <= self.size <= MAX_SIDE:
            raise InputError(f"{self.name} must have 1 to {MAX_SIDE} inputs, not {self.size}")
        if self.index.dtype.kind != "i" or self.index.ndim != 1 or not 1 <= self.index.size <= MAX_SIDE:
            raise InputError(
                f"{self.name}: index must be 1 to {MAX_SIDE} integers in one dimension, not {self.index.dtype} of "
                f"{self.index.shape}"
            )
        least, most = int(self.index.min()), int(self.index.max())
        if least < ZERO or most >= self.size:
            raise InputError(
                f"{self.name}: index must be {ZERO} to {self.size - 1}, the last input, not {least} to {most}"
            )
        object.__setattr__(self, "index", owned(self.index.astype(np.int32, copy=False)))

    @property
    def inputs(self) -> int:
        """Values that go in."""
        return self.size

    @property
    def outputs(self) -> int:
        """Places of the index."""
        return self.index.size

    @cached_property
    def zeros(self) -> npt.NDArray[np.intp]:
        """The places that are 0."""
        return np.flatnonzero(self.index == ZERO)

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Copy."""
        gathered: Batch = vectors[:, self.index]
        if self.zeros.size:
            gathered[:, self.zeros] = 0
        return gathered


@dataclass(frozen=True)
class Strides:
    """An index in few numbers: place (i, j) of an array of `shape` is offset + i * strides[0] + j * strides[1]."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the sizes: no place is counted beyond what 64 bits hold."""
        if len(self.shape) != len(self.strides) or min(self.shape, default=1) < 1 or math.prod(self.shape) > MAX_SIDE:
            raise InputError(
                f"an index must have a stride for each side of its shape, and 1 to {MAX_SIDE} places, not "
                f"{list(self.shape)} and {list(self.strides)}"
            )
        if max(map(abs, (self.offset, *self.strides))) > MAX_SIDE:
            raise InputError(f"an index must have offset and strides within {MAX_SIDE}, not {self}")

    def places(self) -> npt.NDArray[np.int64]:
        """Return the index that this stands for, (product of the shape,)."""
        index = np.full(1, self.offset, np.int64)
        for size, stride in zip(self.shape, self.strides, strict=True):
            index = (index[:, None] + np.arange(size) * stride).reshape(-1)
        return index


def strided(index: Index) -> Strides | None:
    """Return `index` as Strides of as few dimensions as can be, or None where it is no such pattern."""
    shape: list[int] = []
    strides: list[int] = []
    rest = index.astype(np.int64)
    while rest.size > 1:
        steps = np.diff(rest)
        breaks = np.flatnonzero(steps != steps[0])
        run = int(breaks[0]) + 1 if breaks.size else rest.size
        rows = rest.reshape(-1, run) if rest.size % run == 0 else rest[:0].reshape(0, 1)
        if run < 2 or rows.size == 0 or (rows != rows[:, :1] + np.arange(run) * steps[0]).any():
            return None
        shape.insert(0, run)
        strides.insert(0, int(steps[0]))
        rest = rows[:, 0]
    return Strides(int(rest[0]), tuple(shape), tuple(strides))
