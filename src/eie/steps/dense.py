"""A linear layer that was not compressed: float32 weights."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from eie.errors import InputError
from eie.model.network import Batch, Multiply, Step
from eie.support.arrays import owned

__all__ = ["Dense"]


@dataclass(frozen=True, eq=False)
class Dense(Step):
    """f(W a + b) with float32 `weights` (outputs, inputs) and `bias` (outputs,); f is ReLU if `relu`, else nothing.

    With `groups`, outputs and inputs are so many equal parts, each part of the outputs of that of the inputs alone, and
    `weights` (outputs, inputs / groups).
    """

    name: str
    weights: npt.NDArray[np.float32] = field(repr=False)
    bias: npt.NDArray[np.float32] = field(repr=False)
    relu: bool = False
    groups: int = 1

    def __post_init__(self) -> None:
        """Check shapes, and that all values are finite; copy arrays that other code could write to."""
        if self.weights.ndim != 2 or 0 in self.weights.shape or self.bias.shape != self.weights.shape[:1]:
            raise InputError(
                f"layer {self.name}: weights must be (outputs, inputs) and bias (outputs,), not {self.weights.shape} "
                f"and {self.bias.shape}"
            )
        if self.groups < 1 or self.outputs % self.groups:
            raise InputError(f"layer {self.name}: its {self.outputs} outputs must be equal groups, not {self.groups}")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise InputError(f"layer {self.name}: weights and bias must be finite, but some are NaN or infinite")
        object.__setattr__(self, "weights", owned(self.weights))
        object.__setattr__(self, "bias", owned(self.bias))

    @property
    def outputs(self) -> int:
        """Rows of the weights."""
        return int(self.weights.shape[0])

    @property
    def inputs(self) -> int:
        """Columns of the weights, of all groups."""
        return int(self.weights.shape[1]) * self.groups

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Multiply in the vectors' own precision."""
        if self.groups == 1:
            sums = vectors @ self.weights.T.astype(vectors.dtype) + self.bias.astype(vectors.dtype)
            return np.maximum(sums, 0) if self.relu else sums
        weights = self.weights.reshape(self.groups, -1, self.weights.shape[1]).astype(vectors.dtype)
        parts = vectors.reshape(len(vectors), self.groups, -1).transpose(1, 0, 2) @ weights.transpose(0, 2, 1)
        sums = parts.transpose(1, 0, 2).reshape(len(vectors), self.outputs) + self.bias.astype(vectors.dtype)
        return np.maximum(sums, 0) if self.relu else sums
