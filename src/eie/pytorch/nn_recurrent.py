"""Compressed LSTM and GRU as PyTorch modules: a whole sequence, all layers and directions, in one native call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import nn

from eie.engine import InferenceSession
from eie.errors import InputError
from eie.model.network import NETWORK_INPUT, Layer, Network
from eie.pytorch.building import Builder, Value
from eie.pytorch.extra_state import bytes_of, network_of_bytes
from eie.pytorch.operators import require_no_gradient
from eie.pytorch.products import array
from eie.pytorch.recurrent import RecurrentLayer, RecurrentStack, Sequences, State, part_names, wire
from eie.steps import Dense, Recurrent

__all__ = ["GRU", "LSTM", "REPLACEABLE", "compressed_sequences", "layer_names", "parts_of_bytes"]

LENGTHS = 64  # of sequences, that a module has networks for at a time
REPLACEABLE = nn.LSTM | nn.GRU | RecurrentLayer | RecurrentStack


class _Recurrent(Sequences, nn.Module):
    """A module that runs compressed layers over sequences on the CPU, for inference.

    It is called as PyTorch's, with the same state in and out; outputs have the type of the inputs, and it computes in
    the session's numerics. `parts` are the matrices of `eie.steps.Recurrent` for each layer and direction of `module`,
    which gives the sizes. Weights are laid out once, and a network is kept for each of the last 64 lengths of input.
    There is no dropout, and no gradient: an input that asks for one is refused. Its `state_dict()` holds the layers as
    the bytes of a model file, uint8, under `_extra_state`.
    """

    def __init__(
        self,
        parts: Sequence[Layer | Dense],
        module: nn.LSTM | nn.GRU | Sequences,
        *,
        numerics: str = "int16",
        threads: int = 1,
        kernel: str | None = None,
    ) -> None:
        super().__init__()
        self._arguments: dict[str, Any] = {"numerics": numerics, "threads": threads, "kernel": kernel}
        self.input_size, self.hidden_size = module.input_size, module.hidden_size
        self.num_layers, self.bidirectional = module.num_layers, module.bidirectional
        self.batch_first = module.batch_first
        self._take(tuple(parts))

    def _take(self, parts: tuple[Layer | Dense, ...]) -> None:
        """Become these matrices; raise InputError where they are not of the module's sizes."""
        names = part_names(self)
        if len(parts) != len(names):
            raise InputError(f"{type(self).__name__} has {len(names)} layers and directions, not {len(parts)}")
        directions = 2 if self.bidirectional else 1
        for number, (part, end) in enumerate(zip(parts, names, strict=True)):
            features = self.input_size if number < directions else directions * self.hidden_size
            expected = (4 * self.hidden_size, features + self.hidden_size)
            if (part.outputs, part.inputs) != expected:
                raise InputError(
                    f"{end} of this {type(self).__name__} is {expected[0]} x {expected[1]}, but layer {part.name} is "
                    f"{part.outputs} x {part.inputs}"
                )
        self._layers = parts
        self._prepare()

    def _prepare(self) -> None:
        session = InferenceSession(self.network(1), **self._arguments)
        self._session = session
        self._session_for = lru_cache(LENGTHS)(lambda steps: session.like(self.network(steps)))

    def network(self, steps: int) -> Network:
        """Return what runs over sequences (steps, features), with a state in and out: h and c, (parts, hidden)."""
        hidden, lstm = self.hidden_size, self.kind == "lstm"
        sizes = [(1, steps, self.input_size), *[(self.parts, 1, hidden)] * (2 if lstm else 1)]
        ends = np.cumsum([0, *map(math.prod, sizes)])
        builder = Builder(int(ends[-1]))
        x, *states = (
            Value((NETWORK_INPUT,), size, np.arange(first, first + math.prod(size)))
            for size, first in zip(sizes, ends[:-1], strict=True)
        )

        def run(part: int, x: Value, state: list[Value]) -> tuple[Value, list[Value]]:
            layer = self._layers[part]
            step = Recurrent(layer.name, self.kind, steps, x.shape[2], layer, takes_state=True, gives_memory=lstm)
            every, *last = builder.recur(step, x, *state)
            return every, last

        every, last = wire(
            self,
            x,
            [[builder.move([one], lambda places, k=k: places[k]) for one in states] for k in range(self.parts)],
            run,
            reverse=lambda one: builder.move([one], lambda places: places.flip(1)),
            join=lambda both: builder.move(both, lambda *places: torch.cat(places, dim=2)),
        )
        return builder.network(
            [every, *(one for kind in zip(*last, strict=True) for one in kind)], self.kind, int(ends[-1] - ends[1])
        )

    def whole(self, x: torch.Tensor, states: Sequence[State | None]) -> tuple[torch.Tensor, list[State]]:
        """Return what `Sequences.whole` says."""
        batch, steps, _ = x.shape
        given = [[one] if isinstance(one, torch.Tensor) else list(one) for one in states if one is not None]
        before = [torch.cat(kind, dim=1) for kind in zip(*given, strict=True)]  # h, and c, of all parts
        refuse_what_is_no_call(x, *before)
        vectors = [one.detach().to("cpu", torch.float32).flatten(1) for one in (x, *before)]
        size, width = self._session.network.state, self.hidden_size * (2 if self.bidirectional else 1)
        outputs = np.empty((batch, steps * width + size), np.float32)
        if not before:
            vectors.append(torch.zeros(batch, size))
        if batch:
            self._session_for(steps).run(torch.cat(vectors, dim=1).numpy(), out=outputs)
        found = torch.from_numpy(outputs).to(x.device, x.dtype)
        kinds = size // (self.parts * self.hidden_size)
        h, *c = found[:, -size:].reshape(batch, kinds, self.parts, self.hidden_size).unbind(1)
        last = [(h[:, part], c[0][:, part]) if c else h[:, part] for part in range(self.parts)]
        return found[:, :-size].reshape(batch, steps, width), last

    def extra_repr(self) -> str:
        """Return a description of the module for the model's printed form."""
        weights = sum(plan.weights for plan in self._session.plan)
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, batch_first={self.batch_first}, "
            f"bidirectional={self.bidirectional}, weights={weights}, numerics={self._session.numerics}"
        )

    def get_extra_state(self) -> torch.Tensor:
        """Return the bytes of a model file of the layers, uint8."""
        return bytes_of(self.network(1))

    def set_extra_state(self, state: Any) -> None:
        """Become the layers that `get_extra_state` gave; raise InputError for other sizes, and for anything else."""
        self._take(parts_of_bytes(state, self.kind))

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the sessions, which `__setstate__` builds again."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_session", "_session_for")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state and build the sessions."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._prepare()


class LSTM(_Recurrent):
    """Compressed layers in place of `torch.nn.LSTM`: (input, (h, c)) to (outputs, (h, c))."""

    kind = "lstm"


class GRU(_Recurrent):
    """Compressed layers in place of `torch.nn.GRU`: (input, h) to (outputs, h)."""

    kind = "gru"


def refuse_what_is_no_call(*tensors: torch.Tensor) -> None:
    """Raise InputError where a gradient is asked for, or where the module is traced and would become a constant."""
    if torch._C._get_tracing_state() or torch.compiler.is_exporting():
        raise InputError(
            "a compressed LSTM or GRU runs in native code, which cannot be traced or exported: export the model before "
            "its layers are converted, or write its network with eie.save"
        )
    for tensor in tensors:
        require_no_gradient(tensor)


def layer_names(module: REPLACEABLE, name: str) -> list[str]:
    """Return what the layers of a recurrent module are called: as it is, where it has but one."""
    ends = part_names(module)
    return [name] if len(ends) == 1 else [f"{name}.{end}" for end in ends]


def compressed_sequences(parts: Sequence[Layer | Dense], module: REPLACEABLE, arguments: dict[str, Any]) -> LSTM | GRU:
    """Return the compressed module in place of `module`."""
    if getattr(module, "proj_size", 0):
        raise InputError(f"an LSTM with proj_size {module.proj_size} cannot be replaced, expected 0")
    lstm = isinstance(module, nn.LSTM) or getattr(module, "kind", "") == "lstm"
    return (LSTM if lstm else GRU)(parts, module, **arguments)


def uncompressed(layer: RecurrentLayer, name: str) -> Dense:
    """Return the layer's weights as they are."""
    bias = np.zeros(4 * layer.hidden_size, np.float32) if layer.bias is None else array(layer.bias)
    return Dense(name, array(layer.weight), bias)


def parts_of_bytes(state: Any, kind: str) -> tuple[Layer | Dense, ...]:
    """Return the matrices of a module whose extra state this is; raise InputError for anything else."""
    steps = [step for step in network_of_bytes(state) if isinstance(step, Recurrent)]
    if not steps or any(step.cell != kind for step in steps):
        raise InputError(f"the state of a compressed {kind.upper()} must be that of another, and is of something else")
    return tuple(step.product for step in steps)
