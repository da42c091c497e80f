"""Operations on each value, in floating point: activation functions, and the scale and shift of each channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy  # imports its submodules on first use; most commands use none

from eie.errors import InputError
from eie.model.network import Batch, Multiply, Step
from eie.support.arrays import owned

__all__ = ["ACTIVATIONS", "Activation", "Affine"]

ACTIVATIONS: dict[str, Callable[[Batch], Batch]] = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: scipy.special.expit(x),
    "tanh": np.tanh,
    "softmax": lambda x: scipy.special.softmax(x, axis=1),
    "log_softmax": lambda x: scipy.special.log_softmax(x, axis=1),
}


@dataclass(frozen=True, eq=False)
class Activation(Step):
    """One of ACTIVATIONS applied to `size` values; the softmaxes run over all of them."""

    name: str
    size: int
    function: str

    def __post_init__(self) -> None:
        """Check the function's name and the size."""
        if self.function not in ACTIVATIONS:
            raise InputError(f"activation {self.name} must be {', '.join(ACTIVATIONS)}, not {self.function}")
        if self.size < 1:
            raise InputError(f"activation {self.name} must have 1 value or more, not {self.size}")

    @property
    def inputs(self) -> int:
        """Values that go in."""
        return self.size

    @property
    def outputs(self) -> int:
        """Values that come out."""
        return self.size

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Apply the function in the vectors' own precision."""
        return ACTIVATIONS[self.function](vectors)


@dataclass(frozen=True, eq=False)
class Affine(Step):
    """Batch normalisation: scale * x + shift, float32 (channels,), for vectors with `pixels` values per channel."""

    name: str
    pixels: int
    scale: npt.NDArray[np.float32] = field(repr=False)
    shift: npt.NDArray[np.float32] = field(repr=False)

    def __post_init__(self) -> None:
        """Check shapes and values, and copy what anyone else could write to."""
        if self.scale.ndim != 1 or self.scale.shape != self.shift.shape or self.scale.size * self.pixels < 1:
            raise InputError(
                f"{self.name}: scale and shift must be one value per channel, not {self.scale.shape} and "
                f"{self.shift.shape}"
            )
        object.__setattr__(self, "scale", owned(self.scale))
        object.__setattr__(self, "shift", owned(self.shift))
        if not (np.isfinite(self.scale).all() and np.isfinite(self.shift).all()):
            raise InputError(f"{self.name}: scale and shift must be finite, but some are NaN or infinite")

    @property
    def inputs(self) -> int:
        """Values that go in."""
        return self.scale.size * self.pixels

    @property
    def outputs(self) -> int:
        """Values that come out."""
        return self.inputs

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Scale and shift in the vectors' own precision."""
        images = vectors.reshape(len(vectors), self.scale.size, self.pixels)
        scaled = images * self.scale.astype(vectors.dtype)[:, None] + self.shift.astype(vectors.dtype)[:, None]
        return scaled.reshape(vectors.shape)
