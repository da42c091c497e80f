"""Steps that do the same with every row of a matrix: with every token of a text, every head's scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eie.encoding.csc import MAX_SIDE
from eie.errors import InputError
from eie.model.network import Batch, Layer, Multiply, Step
from eie.steps.dense import Dense

__all__ = ["REDUCTIONS", "Embedding", "Normalisation", "Reduction", "Rows"]

REDUCTIONS: dict[str, Callable[[Batch], Batch]] = {
    "mean": lambda rows: rows.mean(axis=-1),
    "sum": lambda rows: rows.sum(axis=-1),
    "max": lambda rows: rows.max(axis=-1),
}


@dataclass(frozen=True, eq=False)
class Rows(Step):
    """`product` applied to each of `rows` vectors that follow each other: a linear layer over positions."""

    name: str
    rows: int
    product: Layer | Dense

    def __post_init__(self) -> None:
        """Check the sizes."""
        _check_rows(self.name, self.rows, max(self.product.inputs, self.product.outputs))

    @property
    def inputs(self) -> int:
        """Values of all rows."""
        return self.rows * self.product.inputs

    @property
    def outputs(self) -> int:
        """Values of all products."""
        return self.rows * self.product.outputs

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The product if it is compressed, else nothing."""
        return self.product.layers

    def with_layers(self, layers: Sequence[Layer]) -> Rows:
        """Return the step with another product."""
        return replace(self, product=self.product.with_layers(layers))

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Multiply once per row."""
        rows = vectors.reshape(len(vectors) * self.rows, self.product.inputs)
        return self.product.run(rows, multiply).reshape(len(vectors), self.outputs)


@dataclass(frozen=True, eq=False)
class Embedding(Step):
    """For each of `places` whole numbers k the column k of `product`'s matrix, (width, entries), without ReLU.

    A lookup is a product with a vector that is 1 at k and 0 elsewhere: of the matrix the chip reads one column.
    """

    name: str
    places: int
    product: Layer | Dense

    def __post_init__(self) -> None:
        """Check the sizes."""
        _check_rows(self.name, self.places, self.product.outputs)
        if self.product.relu:
            raise InputError(f"{self.name}: its product must have no ReLU")

    @property
    def inputs(self) -> int:
        """Numbers to look up."""
        return self.places

    @property
    def outputs(self) -> int:
        """Values of all columns found."""
        return self.places * self.product.outputs

    @property
    def working_values(self) -> int:
        """The vectors with a single 1, and what comes of them."""
        wide = 0 if isinstance(self.product, Dense) else self.places * self.product.inputs
        return self.inputs + wide + 2 * self.outputs

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The product if it is compressed, else nothing."""
        return self.product.layers

    def with_layers(self, layers: Sequence[Layer]) -> Embedding:
        """Return the step with another product."""
        return replace(self, product=self.product.with_layers(layers))

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Look up; raise InputError for a number that is not whole, below 0 or past the last column."""
        numbers = vectors.reshape(-1)
        wrong = (numbers != np.rint(numbers)) | (numbers < 0) | (numbers >= self.product.inputs)
        if wrong.any():
            raise InputError(
                f"{self.name} looks up whole numbers from 0 to {self.product.inputs - 1}, not {numbers[wrong][0]:g}"
            )
        places = numbers.astype(np.intp)
        if isinstance(self.product, Dense):
            found = (self.product.weights[:, places].T + self.product.bias).astype(vectors.dtype)
        else:
            ones = np.zeros((places.size, self.product.inputs), vectors.dtype)
            ones[np.arange(places.size), places] = 1
            found = multiply(self.product, ones)
        return found.reshape(len(vectors), self.outputs)


@dataclass(frozen=True, eq=False)
class Normalisation(Step):
    """Each of `rows` vectors of `size` numbers over its standard deviation, from which `epsilon` keeps 0 away.

    Their mean is taken away first if `centred`; without, this is the root mean square's normalisation. What scales and
    shifts the result is an `Affine`.
    """

    name: str
    rows: int
    size: int
    epsilon: float
    centred: bool = True

    def __post_init__(self) -> None:
        """Check the sizes."""
        _check_rows(self.name, self.rows, self.size)
        if not 0 < self.epsilon < 1e30:
            raise InputError(f"{self.name}: epsilon must be above 0, not {self.epsilon}")

    @property
    def inputs(self) -> int:
        """Values of all rows."""
        return self.rows * self.size

    @property
    def outputs(self) -> int:
        """Values of all rows."""
        return self.inputs

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Normalise in the vectors' own precision."""
        rows = vectors.reshape(len(vectors), self.rows, self.size)
        if self.centred:
            rows = rows - rows.mean(axis=2, keepdims=True)
        variance = np.mean(rows * rows, axis=2, keepdims=True)
        normalised: Batch = rows / np.sqrt(variance + vectors.dtype.type(self.epsilon))
        return normalised.reshape(vectors.shape)


@dataclass(frozen=True, eq=False)
class Reduction(Step):
    """One of REDUCTIONS over each of `rows` vectors of `size` numbers."""

    name: str
    rows: int
    size: int
    function: str = "mean"

    def __post_init__(self) -> None:
        """Check the sizes and the function's name."""
        _check_rows(self.name, self.rows, self.size)
        if self.function not in REDUCTIONS:
            raise InputError(f"reduction {self.name} must be {', '.join(REDUCTIONS)}, not {self.function}")

    @property
    def inputs(self) -> int:
        """Values of all rows."""
        return self.rows * self.size

    @property
    def outputs(self) -> int:
        """One value of each row."""
        return self.rows

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Reduce in the vectors' own precision."""
        return REDUCTIONS[self.function](vectors.reshape(len(vectors), self.rows, self.size))


def _check_rows(name: str, rows: int, size: int) -> None:
    if rows < 1 or size < 1 or rows * size > MAX_SIDE:
        raise InputError(f"{name} must have rows with 1 to {MAX_SIDE} values in all, not {rows} of {size}")
