"""Operations on each value, in floating point: activation functions, and the scale and shift of each channel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy  # imports its submodules on first use; most commands use none

from eie.encoding.csc import MAX_SIDE
from eie.errors import InputError
from eie.model.network import Batch, Multiply, Step
from eie.support.arrays import owned

__all__ = ["ACTIVATIONS", "Activation", "Affine"]


# Of vectors, (..., values); the softmaxes run over the last axis.
ACTIVATIONS: dict[str, Callable[[Batch], Batch]] = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: scipy.special.expit(x),
    "tanh": np.tanh,
    "softmax": lambda x: scipy.special.softmax(x, axis=-1),
    "log_softmax": lambda x: scipy.special.log_softmax(x, axis=-1),
    "gelu": lambda x: x * (0.5 + 0.5 * scipy.special.erf(x * math.sqrt(0.5))),
    "gelu_tanh": lambda x: x * (0.5 + 0.5 * np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))),
    "silu": lambda x: x * scipy.special.expit(x),
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * (np.clip(x + 3, 0, 6) / 6),
    "relu6": lambda x: np.clip(x, 0, 6),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "softplus": lambda x: np.logaddexp(x, x.dtype.type(0)),
    "erf": lambda x: scipy.special.erf(x),
    "exp": np.exp,
    "log": np.log,
    "square": np.square,
    "sqrt": np.sqrt,
    "reciprocal": lambda x: 1 / x,
    "absolute": np.abs,
    "cos": np.cos,
    "sin": np.sin,
    "positive": lambda x: (x > 0).astype(x.dtype),  # 1 or 0
}
SOFTMAXES = ("softmax", "log_softmax")


@dataclass(frozen=True, eq=False)
class Activation(Step):
    """One of ACTIVATIONS applied to `size` values; the softmaxes run over each of `rows` equal parts of them."""

    name: str
    size: int
    function: str
    rows: int = 1

    def __post_init__(self) -> None:
        """Check the function's name and the sizes."""
        if self.function not in ACTIVATIONS:
            raise InputError(f"activation {self.name} must be {', '.join(ACTIVATIONS)}, not {self.function}")
        if self.size < 1:
            raise InputError(f"activation {self.name} must have 1 value or more, not {self.size}")
        if self.rows < 1 or self.size % self.rows or (self.rows > 1 and self.function not in SOFTMAXES):
            raise InputError(
                f"activation {self.name} must have 1 row, or, a softmax, as many as its {self.size} values divide "
                f"into, not {self.rows}"
            )

    @property
    def inputs(self) -> int:
        """Values that go in."""
        return self.size

    @property
    def outputs(self) -> int:
        """Values that come out."""
        return self.size

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Apply the function in the vectors' own precision; what leaves its domain becomes NaN or infinite."""
        rows = vectors.reshape(len(vectors), self.rows, -1) if self.rows > 1 else vectors
        with np.errstate(all="ignore"):
            return ACTIVATIONS[self.function](rows).reshape(vectors.shape)


@dataclass(frozen=True, eq=False)
class Affine(Step):
    """scale * x + shift, float32 (channels,), for each of `rows` parts that have `pixels` values per channel.

    Batch normalisation of an image has one row; what follows the normalisation of each row of a matrix one pixel.
    """

    name: str
    pixels: int
    scale: npt.NDArray[np.float32] = field(repr=False)
    shift: npt.NDArray[np.float32] = field(repr=False)
    rows: int = 1

    def __post_init__(self) -> None:
        """Check shapes and values, and copy what anyone else could write to."""
        if self.scale.ndim != 1 or self.scale.shape != self.shift.shape or self.scale.size * self.pixels < 1:
            raise InputError(
                f"{self.name}: scale and shift must be one value per channel, not {self.scale.shape} and "
                f"{self.shift.shape}"
            )
        if self.rows < 1 or self.inputs > MAX_SIDE:
            raise InputError(
                f"{self.name} must have 1 row or more and {MAX_SIDE} values at most, not {self.rows} of "
                f"{self.scale.size * self.pixels}"
            )
        object.__setattr__(self, "scale", owned(self.scale))
        object.__setattr__(self, "shift", owned(self.shift))
        if not (np.isfinite(self.scale).all() and np.isfinite(self.shift).all()):
            raise InputError(f"{self.name}: scale and shift must be finite, but some are NaN or infinite")

    @property
    def inputs(self) -> int:
        """Values that go in."""
        return self.rows * self.scale.size * self.pixels

    @property
    def outputs(self) -> int:
        """Values that come out."""
        return self.inputs

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Scale and shift in the vectors' own precision."""
        images = vectors.reshape(len(vectors), self.rows, self.scale.size, self.pixels)
        scaled = images * self.scale.astype(vectors.dtype)[:, None] + self.shift.astype(vectors.dtype)[:, None]
        return scaled.reshape(vectors.shape)
