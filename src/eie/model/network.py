"""Layers and networks as plain data: compressed weights, bias, ReLU and number formats.

A layer computes f(W a + b); its weights W are an `InterleavedCSC`. A network is a sequence of steps; the outputs of
each are the inputs of the next. A step is a layer, or an operation that uses layers and floating point, such as a
convolution, a recurrent cell or pooling (`eie.steps`). The engine runs networks, the chip simulates them, and storage
saves them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.model.numerics import Formats
from eie.support.arrays import owned

__all__ = ["Layer", "Multiply", "Network", "Step"]

Batch = npt.NDArray[np.floating[Any]]


class Step(ABC):
    """One step of a network: it maps a vector of `inputs` numbers to a vector of `outputs` numbers.

    The caller of `run` passes the function that multiplies with the step's `layers`: on this CPU, in float64, or as
    the chip does, counting cycles. A convolution or a recurrent cell is therefore defined once for all of them.
    """

    name: str

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and unpickle a step through its constructor, which checks it; every kind of step is a dataclass."""
        return type(self), tuple(getattr(self, attribute.name) for attribute in fields(self))  # type: ignore[arg-type]

    @property
    @abstractmethod
    def inputs(self) -> int:
        """Length of the input vector."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Length of the output vector."""

    @property
    def working_values(self) -> int:
        """Numbers made while one vector passes through, those that go in and come out among them."""
        return self.inputs + self.outputs

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers whose matrices this step multiplies with, in the order of their first use."""
        return ()

    def with_layers(self, layers: Sequence[Layer]) -> Self:
        """Return the step with its layers replaced by `layers`, in the same order."""
        return self

    @abstractmethod
    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Return (batch, outputs) for (batch, inputs); `multiply(layer, x)` gives a layer's outputs, after its ReLU."""


Multiply = Callable[["Layer", Batch], Batch]


@dataclass(frozen=True, eq=False)
class Layer(Step):
    """One layer: `matrix` W; `bias` b, float32 (outputs,), or None; whether ReLU follows; the chip's Q formats.

    A bias may also be a column of W whose activation is 1.0, as in the authors' own data; it is then one more input.
    `formats` is None until calibration inputs have determined the Q formats.
    """

    name: str
    matrix: InterleavedCSC
    bias: npt.NDArray[np.float32] | None = None
    relu: bool = False
    formats: Formats | None = None

    def __post_init__(self) -> None:
        """Check the bias against the matrix, and copy it if other code could write to it."""
        if self.bias is None:
            return
        bias = np.asarray(self.bias)
        if bias.dtype != np.float32 or bias.shape != (self.outputs,):
            raise InputError(
                f"layer {self.name}: bias must be float32 of shape ({self.outputs},), not {bias.dtype} of {bias.shape}"
            )
        if not np.isfinite(bias).all():
            raise InputError(f"layer {self.name}: bias must be finite, but some of it is NaN or infinite")
        object.__setattr__(self, "bias", owned(bias))

    @property
    def outputs(self) -> int:
        """Rows of the matrix."""
        return self.matrix.outputs

    @property
    def inputs(self) -> int:
        """Columns of the matrix."""
        return self.matrix.inputs

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layer itself."""
        return (self,)

    def with_layers(self, layers: Sequence[Layer]) -> Layer:
        """Return the one layer given."""
        (layer,) = layers
        return layer

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Multiply once per vector."""
        return multiply(self, vectors)


@dataclass(frozen=True, eq=False)
class Network:
    """A sequence of `steps`; raises InputError if a step's outputs are not as many as the next step's inputs."""

    steps: tuple[Step, ...]
    name: str = "network"

    def __post_init__(self) -> None:
        """Check that there is a step, that names differ, and that each step's outputs fit the next step."""
        object.__setattr__(self, "steps", tuple(self.steps))
        if not self.steps:
            raise InputError(f"network {self.name} has no steps, expected at least one")
        for names in ([step.name for step in self.steps], [layer.name for layer in self.layers]):
            name, times = Counter(names).most_common(1)[0] if names else ("", 0)
            if times > 1:
                raise InputError(f"network {self.name} has {times} layers called {name}, expected one")
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            if before.outputs != after.inputs:
                raise InputError(
                    f"layer {before.name} has {before.outputs} outputs, but {after.name} after it has "
                    f"{after.inputs} inputs"
                )

    @classmethod
    def of(cls, what: Network | Layer | InterleavedCSC) -> Network:
        """Return `what` as a network: a layer as a network of one, a matrix as a layer without bias and ReLU."""
        if isinstance(what, InterleavedCSC):
            what = Layer("layer", what)
        return what if isinstance(what, Network) else cls((what,), what.name)

    def __iter__(self) -> Iterator[Step]:
        """Iterate over the steps in order."""
        return iter(self.steps)

    @property
    def inputs(self) -> int:
        """Inputs of the first step."""
        return self.steps[0].inputs

    @property
    def outputs(self) -> int:
        """Outputs of the last step."""
        return self.steps[-1].outputs

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every compressed layer in the order of use, including those inside convolutions and recurrent cells."""
        return tuple(layer for step in self.steps for layer in step.layers)

    @property
    def n_pe(self) -> int:
        """Processing elements of the first compressed layer; raises InputError if the network has none."""
        if not self.layers:
            raise InputError(f"network {self.name} has no compressed layer, expected at least one")
        return self.layers[0].matrix.n_pe

    def chain(self) -> tuple[Layer, ...]:
        """Return the layers of a network of linear layers; raise InputError, naming the first step that is none."""
        for step in self.steps:
            if not isinstance(step, Layer):
                raise InputError(
                    f"{step.name} of network {self.name} is a {type(step).__name__}, expected only linear layers here"
                )
        return self.layers

    def map_layers(self, change: Callable[[Layer], Layer]) -> Network:
        """Return the network with every compressed layer replaced by `change(layer)`."""
        return replace(self, steps=tuple(step.with_layers([change(layer) for layer in step.layers]) for step in self))

    def interleave(self, n_pe: int) -> Network:
        """Return the same network with every layer split over `n_pe` processing elements."""
        return self.map_layers(lambda layer: replace(layer, matrix=layer.matrix.interleave(n_pe)))
