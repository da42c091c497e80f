"""Steps with several inputs: the sum or product of vectors, and the product of matrices that are both activations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from eie.encoding.csc import MAX_SIDE
from eie.errors import InputError
from eie.model.network import Batch, Multiply, Step

__all__ = ["Matmul", "Product", "Sum"]


@dataclass(frozen=True, eq=False)
class _Combination(Step):
    """`terms` vectors of `size` numbers each, one after the other, combined number by number."""

    name: str
    size: int
    terms: int = 2

    def __post_init__(self) -> None:
        """Check the sizes."""
        if self.size < 1 or self.terms < 2 or self.inputs > MAX_SIDE:
            raise InputError(
                f"{self.name} must combine 2 or more vectors of 1 or more numbers, {MAX_SIDE} in all, not {self.terms} "
                f"of {self.size}"
            )

    @property
    def inputs(self) -> int:
        """Values of all terms."""
        return self.size * self.terms

    @property
    def outputs(self) -> int:
        """Values of one term."""
        return self.size

    def terms_of(self, vectors: Batch) -> list[Batch]:
        """Return (batch, inputs) vectors as `terms` of (batch, size)."""
        return np.split(vectors, self.terms, axis=1)


class Sum(_Combination):
    """The sum of the terms, added from the first to the last: a residual connection."""

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Add in the vectors' own precision."""
        return reduce(np.add, self.terms_of(vectors))


class Product(_Combination):
    """The product of the terms, number by number, from the first to the last: a gate."""

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Multiply in the vectors' own precision."""
        return reduce(np.multiply, self.terms_of(vectors))


@dataclass(frozen=True, eq=False)
class Matmul(Step):
    """`count` products of two matrices: A (rows, inner) times B (inner, columns), each row by row.

    The input is all A, then all B; the output all products. Attention is two of them: queries times keys, and the
    weights that come of it times values.
    """

    name: str
    count: int
    rows: int
    inner: int
    columns: int

    def __post_init__(self) -> None:
        """Check the sizes."""
        sizes = (self.count, self.rows, self.inner, self.columns)
        if min(sizes) < 1 or max(self.inputs, self.outputs) > MAX_SIDE:
            raise InputError(
                f"{self.name} must multiply matrices with 1 to {MAX_SIDE} values in all, not {self.count} times "
                f"{self.rows} x {self.inner} with {self.inner} x {self.columns}"
            )

    @property
    def inputs(self) -> int:
        """Values of all A and all B."""
        return self.count * self.inner * (self.rows + self.columns)

    @property
    def outputs(self) -> int:
        """Values of all products."""
        return self.count * self.rows * self.columns

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Multiply in the vectors' own precision."""
        first, second = np.split(vectors, [self.count * self.rows * self.inner], axis=1)
        left = first.reshape(len(vectors), self.count, self.rows, self.inner)
        right = second.reshape(len(vectors), self.count, self.inner, self.columns)
        return (left @ right).reshape(len(vectors), self.outputs)
