"""Networks built from a traced model: its tensors are places of the steps' vectors, moved only when needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from eie.errors import InputError
from eie.model.network import NETWORK_INPUT, Layer, Network, Step
from eie.steps import Activation, Affine, Convolution, Dense, Gather, Recurrent, Rows, Winograd
from eie.steps.gather import ZERO
from eie.support.names import unique_name

__all__ = ["Builder", "Value"]

Index = npt.NDArray[np.int64]
Shape = tuple[int, ...]
LOWEST = float(np.finfo(np.float32).min)  # what stands for minus infinity: its exponential is 0 as well


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of one input: number k of it, in C order, is number `index[k]` of the `sources`, one after the other.

    A place of `index` that is ZERO is 0; None is the order that there is.
    """

    sources: tuple[int, ...]
    shape: Shape
    index: Index | None = None

    @property
    def size(self) -> int:
        """Numbers in the tensor."""
        return math.prod(self.shape)

    def places(self) -> Index:
        """Return the index in the tensor's shape."""
        index = np.arange(self.size) if self.index is None else self.index
        return index.reshape(self.shape)


class Builder:
    """The steps made so far, of a network of `inputs` values."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.steps: list[Step] = []
        self.reads: list[tuple[int, ...]] = []
        self._names: set[str] = set()
        self._gathers: dict[tuple[tuple[int, ...], bytes], int] = {}

    def unique(self, wanted: str) -> str:
        """Return a name that no step has yet, and keep it."""
        name = unique_name(wanted, self._names)
        self._names.add(name)
        return name

    def add(self, step: Step, *values: Value) -> Value:
        """Add a step that reads `values`, and return its outputs as a vector."""
        sources = tuple(source for value in values for source in self.vector(value, step.name))
        self.steps.append(step)
        self.reads.append(sources)
        return Value((len(self.steps) - 1,), (step.outputs,))

    def recur(self, step: Recurrent, x: Value, *state: Value) -> list[Value]:
        """Add a recurrent step; return every state, (1, steps, hidden), the last, and the memory where it gives one."""
        found = self.add(step, x, *state)
        end = step.steps * step.hidden
        every = Value(found.sources, (1, step.steps, step.hidden), np.arange(end) if step.gives_memory else None)
        last = [every, self.move([every], lambda places: places[:, -1])]
        if step.gives_memory:
            last.append(Value(found.sources, (1, step.hidden), np.arange(end, end + step.hidden)))
        return last

    def vector(self, value: Value, name: str) -> tuple[int, ...]:
        """Return steps whose outputs, one after the other, are `value`; where there are none, a gather for it."""
        if value.index is None:
            return value.sources
        key = (value.sources, value.index.tobytes())
        if key not in self._gathers:
            self.steps.append(Gather(self.unique(f"{name}.order"), self._total(value.sources), value.index))
            self.reads.append(value.sources)
            self._gathers[key] = len(self.steps) - 1
        return (self._gathers[key],)

    def move(self, values: Sequence[Value], change: Callable[..., Any]) -> Any:
        """Return what `change`, a function of tensors that moves, repeats, leaves out or fills up with 0, gives.

        It is called with the values' places, counted from 1, as float64 tensors: 0 is what it fills up with.
        """
        sources: tuple[int, ...] = ()
        tensors = []
        for value in values:
            places = value.places()
            places = np.where(places == ZERO, 0, places + 1 + self._total(sources))
            sources += value.sources
            tensors.append(torch.from_numpy(places.astype(np.float64)))

        def valued(tensor: torch.Tensor) -> Value:
            index = tensor.contiguous().numpy().astype(np.int64) - 1
            return self._simplest(sources, tuple(tensor.shape), index.reshape(-1))

        moved = change(*tensors)
        return [valued(part) for part in moved] if isinstance(moved, list | tuple) else valued(moved)

    def broadcast(self, value: Value, shape: Shape) -> Value:
        """Return `value` repeated to `shape`, as PyTorch does."""
        if value.shape == shape:
            return value
        if value.size == math.prod(shape):
            return replace(value, shape=shape)
        moved: Value = self.move([value], lambda places: places.expand(shape))
        return moved

    def pointwise(self, value: Value, make: Callable[[int], Step], *, keeps_zero: bool = False) -> Value:
        """Return a function of each number of `value`; `make(size)` makes its step for so many.

        It is applied before the numbers are put into order, where that is no more work.
        """
        total = self._total(value.sources)
        zeros = value.index is not None and not keeps_zero and bool((value.index == ZERO).any())
        if zeros or total > value.size:
            return replace(self.add(make(value.size), value), shape=value.shape)
        before = Value(value.sources, (total,))
        return replace(self.add(make(total), before), shape=value.shape, index=value.index)

    def affine(self, value: Value, name: str, scale: Any = 1.0, shift: Any = 0.0) -> Value:
        """Return scale * value + shift, each a number or a constant tensor that is repeated to fit, and repeats it."""
        scales, shifts = (torch.as_tensor(part, dtype=torch.float64) for part in (scale, shift))
        shape = np.broadcast_shapes(value.shape, scales.shape, shifts.shape)
        value = self.broadcast(value, shape)
        if not torch.isfinite(scales).all() or (torch.isnan(shifts) | torch.isposinf(shifts)).any():
            raise InputError(f"{name} has a constant that is NaN or infinite")
        if (scales == 1).all() and (shifts == 0).all():
            return value
        sides = np.broadcast_shapes(scales.shape, shifts.shape)
        scales, shifts = scales.expand(sides), shifts.expand(sides)
        rows, channels, pixels = _sides(scales, shifts, shape)
        size = math.prod(channels)
        by, to = (_compact(part, shape, channels, rows) for part in (scales, shifts))
        name = self.unique(name)
        if size == 1:
            return self.pointwise(value, lambda numbers: Affine(name, numbers, by, to), keeps_zero=not bool(to.any()))
        return replace(self.add(Affine(name, math.prod(pixels), by, to, math.prod(rows)), value), shape=shape)

    def constant(self, tensor: torch.Tensor, name: str) -> Value:
        """Return a constant as a value, for steps that take no other."""
        zeros = Value((NETWORK_INPUT,), tuple(tensor.shape), np.full(tensor.numel(), ZERO, np.int64))
        return self.affine(zeros, name, shift=tensor)

    def network(self, outputs: Sequence[Value], name: str, state: int = 0) -> Network:
        """Return the network whose outputs are `outputs`, one after the other; what leads to none is left out.

        `state` of the inputs and outputs, the last, are a state.
        """
        sources = tuple(source for value in outputs for source in self.vector(value, "output"))
        if len(sources) > 1 or sources == (NETWORK_INPUT,):
            total = self._total(sources)
            self.steps.append(Gather(self.unique("output"), total, np.arange(total)))
            self.reads.append(sources)
            sources = (len(self.steps) - 1,)
        self.steps, self.reads = self.steps[: sources[0] + 1], self.reads[: sources[0] + 1]
        self._drop_unread()
        self._take_last_states()
        self._fuse_relus()
        return Network(tuple(self.steps), name, tuple(self.reads), state)

    def _total(self, sources: tuple[int, ...]) -> int:
        return sum(self.inputs if source == NETWORK_INPUT else self.steps[source].outputs for source in sources)

    def _simplest(self, sources: tuple[int, ...], shape: Shape, index: Index) -> Value:
        """Return the value without sources that it does not use, and without an index that is the order there is."""
        used: list[int] = []
        shifted = np.full(index.size, ZERO, np.int64)
        start = begin = 0
        for source in sources:
            length = self._total((source,))
            inside = (index >= start) & (index < start + length)
            if inside.any() or (source == sources[-1] and not used):
                shifted[inside] = index[inside] - start + begin
                used.append(source)
                begin += length
            start += length
        whole = shifted.size == begin and np.array_equal(shifted, np.arange(begin))
        return Value(tuple(used), shape, None if whole else shifted)

    def _keep(self, wanted: Sequence[bool], instead: dict[int, int]) -> None:
        """Keep the steps that are wanted; `instead` names what is read in place of others."""
        places = {NETWORK_INPUT: NETWORK_INPUT}
        kept = [number for number in range(len(self.steps)) if wanted[number]]
        places |= {number: place for place, number in enumerate(kept)}

        def place_of(source: int) -> int:
            while source in instead:
                source = instead[source]
            return places[source]

        self.reads = [tuple(place_of(source) for source in self.reads[number]) for number in kept]
        self.steps = [self.steps[number] for number in kept]

    def _drop_unread(self) -> None:
        wanted = [False] * (len(self.steps) - 1) + [True]
        for number in reversed(range(len(self.steps))):
            if wanted[number]:
                for source in self.reads[number]:
                    wanted[source] = wanted[source] or source != NETWORK_INPUT
        # A source of NETWORK_INPUT would be the last in Python's count, which is wanted anyway.
        self._keep(wanted, {})

    def _readers(self) -> list[list[int]]:
        readers: list[list[int]] = [[] for _ in self.steps]
        for number, sources in enumerate(self.reads):
            for source in sources:
                if source != NETWORK_INPUT:
                    readers[source].append(number)
        return readers

    def _take_last_states(self) -> None:
        """Let recurrent layers of which only the last state is read give no other."""
        instead: dict[int, int] = {}
        for number, readers in enumerate(self._readers()):
            step = self.steps[number]
            if not isinstance(step, Recurrent) or step.last_only or not readers:
                continue
            first = (step.steps - 1) * step.hidden
            gathers = [self.steps[reader] for reader in readers]
            if any(self.reads[reader] != (number,) for reader in readers):
                continue
            indices = [gather.index for gather in gathers if isinstance(gather, Gather)]
            if len(indices) < len(gathers) or any(((index < first) & (index != ZERO)).any() for index in indices):
                continue
            self.steps[number] = last = replace(step, last_only=True)
            for reader, index in zip(readers, indices, strict=True):
                moved = np.where(index == ZERO, ZERO, index.astype(np.int64) - first)
                if np.array_equal(moved, np.arange(last.outputs)):
                    instead[reader] = number
                else:
                    self.steps[reader] = Gather(self.steps[reader].name, last.outputs, moved)
        self._keep([number not in instead for number in range(len(self.steps))], instead)

    def _fuse_relus(self) -> None:
        """Make each ReLU that alone reads a layer the layer's own."""
        readers = self._readers()
        instead: dict[int, int] = {}
        for number, step in enumerate(self.steps):
            sources = self.reads[number]
            if not (isinstance(step, Activation) and step.function == "relu" and len(sources) == 1):
                continue
            (source,) = sources
            if source == NETWORK_INPUT or source in instead or len(readers[source]) != 1:
                continue
            rectified = _rectified(self.steps[source])
            if rectified is not None:
                self.steps[source] = rectified
                instead[number] = source
        self._keep([number not in instead for number in range(len(self.steps))], instead)


def _rectified(step: Step) -> Step | None:
    """Return `step` with a ReLU of its own, or None if a step of its kind has none."""
    if isinstance(step, Layer | Dense | Winograd) and not step.relu:
        return replace(step, relu=True)
    if isinstance(step, Convolution | Rows) and not step.product.relu:
        return replace(step, product=replace(step.product, relu=True))
    return None


def _sides(scales: torch.Tensor, shifts: torch.Tensor, shape: Shape) -> tuple[Shape, Shape, Shape]:
    """Return the sides of `shape` before, within and behind those along which the constants change."""
    whole = (1,) * (len(shape) - scales.dim()) + tuple(scales.shape)
    changing = []
    for axis in range(len(shape)):
        if whole[axis] == 1:
            continue
        parts = [part.reshape(whole) for part in (scales, shifts)]
        if any((part != part.narrow(axis, 0, 1)).any() for part in parts):
            changing.append(axis)
    first, end = (changing[0], changing[-1] + 1) if changing else (0, 0)
    return shape[:first], shape[first:end], shape[end:]


def _compact(part: torch.Tensor, shape: Shape, channels: Shape, rows: Shape) -> npt.NDArray[np.float32]:
    whole = part.reshape((1,) * (len(shape) - part.dim()) + tuple(part.shape))
    for axis in (*range(len(rows)), *range(len(rows) + len(channels), len(shape))):
        whole = whole.narrow(axis, 0, 1)
    sides = (1,) * len(rows) + channels + (1,) * (len(shape) - len(rows) - len(channels))
    flat: npt.NDArray[np.float32] = np.maximum(whole.expand(sides).reshape(-1).numpy(), LOWEST).astype(np.float32)
    return flat
