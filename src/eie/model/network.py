"""Layers and networks as plain data: compressed weights, bias, ReLU and number formats.

A layer computes f(W a + b); its weights W are an `InterleavedCSC`. A network is a list of steps; each reads the outputs
of steps before it, in a chain those of the one before. A step is a layer, or an operation that uses layers and floating
point, such as a convolution, a recurrent cell or pooling (`eie.steps`). The engine runs networks, the chip simulates
them, and storage saves them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.model.numerics import Formats
from eie.support.arrays import owned

__all__ = ["NETWORK_INPUT", "Batch", "Layer", "Multiply", "Network", "Reads", "Step", "flow"]

Batch = npt.NDArray[np.floating[Any]]
Reads = tuple[tuple[int, ...], ...]

NETWORK_INPUT = -1  # among the sources of a step


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
    def cache(self) -> int:
        """Numbers that it keeps of a sequence from one call to the next."""
        return 0

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

    def resume(self, vectors: Batch, multiply: Multiply, cache: Batch) -> Batch:
        """Do as `run` for vectors that follow others, of which `cache`, (batch, cache), has what was kept; it changes.

        Zeros are the cache of no others.
        """
        return self.run(vectors, multiply)


Multiply = Callable[["Layer", Batch], Batch]


@dataclass(frozen=True, eq=False)
class Layer(Step):
    """One layer: `matrix` W; `bias` b, float32 (outputs,), or None; whether ReLU follows; the chip's Q formats.

    A bias may also be a column of W whose activation is 1.0, as in the authors' own data; it is then one more input.
    `formats` is None until calibration inputs have determined the Q formats. With `groups`, outputs and inputs are so
    many equal parts, and W has weights only where a part of the outputs meets that of the inputs.
    """

    name: str
    matrix: InterleavedCSC
    bias: npt.NDArray[np.float32] | None = None
    relu: bool = False
    formats: Formats | None = None
    groups: int = 1

    def __post_init__(self) -> None:
        """Check the groups and the bias against the matrix, and copy the bias if other code could write to it."""
        if self.groups != 1:
            self._check_groups()
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

    def _check_groups(self) -> None:
        if self.groups < 1 or self.outputs % self.groups or self.inputs % self.groups:
            raise InputError(
                f"layer {self.name}: its {self.outputs} outputs and {self.inputs} inputs must be equal groups, not "
                f"{self.groups}"
            )
        starts, columns, _ = self.matrix.rows
        rows = np.repeat(np.arange(self.outputs), starts[1:] - starts[:-1])
        outside = rows // (self.outputs // self.groups) != columns // (self.inputs // self.groups)
        if outside.any():
            place = int(outside.argmax())
            raise InputError(
                f"layer {self.name}: row {rows[place]} has a weight in column {columns[place]}, outside its group of "
                f"{self.groups}"
            )

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
    """Steps in the order in which they run; the last one's outputs are the network's.

    `sources` has for each step the earlier steps whose outputs it reads, by number from 0, or NETWORK_INPUT: their
    vectors, one after the other, are the step's one input vector. None stands for a chain, each step reading the one
    before. The last `state` inputs and the last `state` outputs are a state: what one call gives, the next one takes.
    Raises InputError if what a step reads is not as long as its inputs, or a step is read by none.
    """

    steps: tuple[Step, ...]
    name: str = "network"
    sources: Reads | None = None
    state: int = 0

    def __post_init__(self) -> None:
        """Check that there is a step, that names differ, and that every step fits what it reads."""
        object.__setattr__(self, "steps", tuple(self.steps))
        if not self.steps:
            raise InputError(f"network {self.name} has no steps, expected at least one")
        for names in ([step.name for step in self.steps], [layer.name for layer in self.layers]):
            name, times = Counter(names).most_common(1)[0] if names else ("", 0)
            if times > 1:
                raise InputError(f"network {self.name} has {times} layers called {name}, expected one")
        if self.sources is not None:
            given = tuple(tuple(sources) for sources in self.sources)
            self._check_order(given)
            object.__setattr__(self, "sources", None if given == _chain(len(self.steps)) else given)
        self._check_sizes()
        if self.state != 0 and not 0 < self.state < min(self.inputs, self.outputs):
            raise InputError(
                f"network {self.name} has {self.inputs} inputs and {self.outputs} outputs, of which {self.state} "
                "cannot be a state: expected some of either beside it"
            )

    def _check_order(self, given: Reads) -> None:
        """Raise InputError where a step reads nothing, or one that has not run; or where no step reads one."""
        if len(given) != len(self.steps):
            raise InputError(
                f"network {self.name} has sources for {len(given)} steps, expected them for its {len(self.steps)}"
            )
        for number, (step, sources) in enumerate(zip(self.steps, given, strict=True)):
            if not sources:
                raise InputError(f"{step.name} has no source, expected at least one")
            for source in sources:
                if not NETWORK_INPUT <= source < number:
                    raise InputError(
                        f"{step.name} is step {number} and reads step {source}, expected {NETWORK_INPUT}, the "
                        f"network's input, or a step before it"
                    )
        unread = set(range(len(self.steps) - 1)).difference(*given)
        if unread:
            raise InputError(f"no step reads {self.steps[min(unread)].name}, expected only the last step to be unread")

    def _check_sizes(self) -> None:
        """Raise InputError where a step's inputs are not as many as what it reads has."""
        for step, sources in zip(self.steps, self.reads, strict=True):
            lengths = [self._length(source) for source in sources]
            if sum(lengths) == step.inputs:
                continue
            if len(sources) == 1 and sources[0] != NETWORK_INPUT:
                raise InputError(
                    f"layer {self.steps[sources[0]].name} has {lengths[0]} outputs, but {step.name} after it has "
                    f"{step.inputs} inputs"
                )
            raise InputError(f"{step.name} reads {' + '.join(map(str, lengths))} values, but has {step.inputs} inputs")

    def _length(self, source: int) -> int:
        return self.inputs if source == NETWORK_INPUT else self.steps[source].outputs

    @classmethod
    def of(cls, what: Network | Layer | InterleavedCSC) -> Network:
        """Return `what` as a network: a layer as a network of one, a matrix as a layer without bias and ReLU."""
        if isinstance(what, InterleavedCSC):
            what = Layer("layer", what)
        if not isinstance(what, Network | Step):
            hint = ": read a model file with eie.load" if isinstance(what, str | PathLike) else ""
            raise InputError(f"expected a network, a layer or a matrix, not a {type(what).__name__}{hint}")
        return what if isinstance(what, Network) else cls((what,), what.name)

    def __iter__(self) -> Iterator[Step]:
        """Iterate over the steps in order."""
        return iter(self.steps)

    @property
    def reads(self) -> Reads:
        """What each step reads, in a chain too."""
        return _chain(len(self.steps)) if self.sources is None else self.sources

    @property
    def inputs(self) -> int:
        """Values of the network's input, which is all that the first step reads; the state's are the last of them."""
        return self.steps[0].inputs // len(self.reads[0])

    @property
    def outputs(self) -> int:
        """Outputs of the last step."""
        return self.steps[-1].outputs

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every compressed layer in the order of use, including those inside convolutions and recurrent cells."""
        return tuple(layer for step in self.steps for layer in step.layers)

    @property
    def cache(self) -> int:
        """Numbers that all steps keep of a sequence from one call to the next, step after step."""
        return sum(step.cache for step in self.steps)

    def cache_of(self, number: int) -> slice:
        """Return where in the network's cache that of step `number` is."""
        first = sum(step.cache for step in self.steps[:number])
        return slice(first, first + self.steps[number].cache)

    @property
    def working_values(self) -> int:
        """The most numbers that there are at a time while one vector passes through."""
        most = kept = self.inputs
        for number, leaving in enumerate(_last_uses(self.reads)):
            most = max(most, kept + self.steps[number].working_values)
            kept += self.steps[number].outputs - sum(self._length(source) for source in leaving)
        return most

    @property
    def n_pe(self) -> int:
        """Processing elements of the first compressed layer; raises InputError if the network has none."""
        if not self.layers:
            raise InputError(f"network {self.name} has no compressed layer, expected at least one")
        return self.layers[0].matrix.n_pe

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Return (batch, outputs) for (batch, inputs); `multiply(layer, x)` gives a layer's outputs, after its ReLU."""
        return flow(self.reads, vectors, lambda number, x: self.steps[number].run(x, multiply))

    def resume(self, vectors: Batch, multiply: Multiply, cache: Batch) -> Batch:
        """Do as `run` for vectors that follow others, of which `cache`, (batch, cache), has what was kept; it grows."""
        return flow(
            self.reads,
            vectors,
            lambda number, x: self.steps[number].resume(x, multiply, cache[:, self.cache_of(number)]),
        )

    def layer_before(self, number: int) -> int | None:
        """Return which step is the linear layer whose outputs, and nothing else, linear layer `number` reads."""
        sources = self.reads[number]
        alone = len(sources) == 1 and sources[0] != NETWORK_INPUT and isinstance(self.steps[number], Layer)
        return sources[0] if alone and isinstance(self.steps[sources[0]], Layer) else None

    def chain(self) -> tuple[Layer, ...]:
        """Return the layers of a chain of linear layers; raise InputError, naming the first step that is none."""
        for step in self.steps:
            if not isinstance(step, Layer):
                raise InputError(
                    f"{step.name} of network {self.name} is a {type(step).__name__}, expected only linear layers here"
                )
        for number, (step, sources) in enumerate(zip(self.steps, self.reads, strict=True)):
            if sources != (number - 1,):
                raise InputError(
                    f"{step.name} of network {self.name} does not read the layer before it alone, expected a chain here"
                )
        return self.layers

    def map_layers(self, change: Callable[[Layer], Layer]) -> Network:
        """Return the network with every compressed layer replaced by `change(layer)`."""
        return replace(self, steps=tuple(step.with_layers([change(layer) for layer in step.layers]) for step in self))

    def interleave(self, n_pe: int) -> Network:
        """Return the same network with every layer split over `n_pe` processing elements."""
        return self.map_layers(lambda layer: replace(layer, matrix=layer.matrix.interleave(n_pe)))


def flow(reads: Reads, vectors: Batch, run: Callable[[int, Batch], Batch]) -> Batch:
    """Return the last result of `run(number, x)`, called in order with what `reads` says that each number reads.

    `vectors`, (batch, ...), are NETWORK_INPUT; several sources are concatenated. A result is let go after its last use.
    """
    kept: dict[int, Batch] = {NETWORK_INPUT: vectors}
    for number, leaving in enumerate(_last_uses(reads)):
        read = [kept[source] for source in reads[number]]
        for source in leaving:
            del kept[source]
        kept[number] = run(number, read[0] if len(read) == 1 else np.concatenate(read, axis=1))
    return kept[len(reads) - 1]


def _last_uses(reads: Reads) -> list[list[int]]:
    """Return for each number what it is the last to read."""
    leaving: list[list[int]] = [[] for _ in reads]
    for source, number in {source: number for number, sources in enumerate(reads) for source in sources}.items():
        leaving[number].append(source)
    return leaving


def _chain(steps: int) -> Reads:
    return tuple((number - 1,) for number in range(steps))
