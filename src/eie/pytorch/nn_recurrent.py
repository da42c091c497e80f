"""Compressed LSTM, GRU and their cells as PyTorch modules: a whole sequence, all layers and directions, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from eie.engine import InferenceSession
from eie.errors import InputError
from eie.model.network import Layer
from eie.pytorch.compressed_module import CompressedModule
from eie.pytorch.extra_state import bytes_of
from eie.pytorch.operators import SEQUENCES, held_sequences
from eie.pytorch.products import array
from eie.pytorch.recurrent import (
    Cell,
    RecurrentCell,
    RecurrentLayer,
    RecurrentStack,
    Sequences,
    State,
    part_names,
    state_of,
    tensors_of,
)
from eie.pytorch.sequences import HeldSequences, SequenceSizes, parts_of_bytes
from eie.steps import Dense

__all__ = ["GRU", "LSTM", "REPLACEABLE", "GRUCell", "LSTMCell", "compressed_sequences", "layer_names", "uncompressed"]

REPLACEABLE = nn.LSTM | nn.GRU | nn.LSTMCell | nn.GRUCell | RecurrentCell | RecurrentStack


class _Recurrent(CompressedModule):
    """Compressed layers over sequences: `parts` are the matrices of `eie.steps.Recurrent` for each layer and direction.

    `module` gives the sizes. Weights are laid out once, and a network is kept for each of the last 64 lengths of input.
    """

    kind: Cell

    def __init__(self, parts: Sequence[Layer | Dense], module: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.input_size, self.hidden_size = module.input_size, module.hidden_size
        self.num_layers, self.bidirectional = getattr(module, "num_layers", 1), getattr(module, "bidirectional", False)
        held = HeldSequences(self._sizes, parts)
        with torch.inference_mode(False):  # for uses outside it as well
            file = bytes_of(held.network(1))
        self._hold(held, file)

    @property
    def _sizes(self) -> SequenceSizes:
        return SequenceSizes(self.kind, self.input_size, self.hidden_size, self.num_layers, self.bidirectional)

    def _read(self, state: Any) -> HeldSequences:
        return HeldSequences(self._sizes, parts_of_bytes(state, self.kind))

    def _hold(self, layers: HeldSequences, file: torch.Tensor) -> None:
        self._layer_file = file
        self._held = held_sequences(file, layers)
        self._held.session(self._settings)  # refuses what these numerics cannot have

    @property
    def _session(self) -> InferenceSession:
        return self._held.session(self._settings)

    def _session_for(self, steps: int) -> InferenceSession:
        return self._held.session_for(self._settings, steps)

    def _through(self, x: torch.Tensor, state: list[torch.Tensor] | None) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return every step's outputs for `x`, (batch, steps, features), and the last h and c.

        States are (parts, batch, hidden).
        """
        if torch.onnx.is_in_onnx_export():
            return self._expanded(x, state)
        given = None if state is None else torch.stack(state)
        every, last = SEQUENCES(x, given, self._layer_file, *self._sizes, *self._settings)
        return every, list(last.unbind(0))

    def _expanded(self, x: torch.Tensor, state: list[torch.Tensor] | None) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the same from PyTorch's own operator."""
        if state is None:
            kinds, parts, hidden = self._sizes.state
            state = [x.new_zeros(parts, x.shape[0], hidden)] * kinds
        weights, sizes = self._held.expanded(), (True, self.num_layers, 0.0, False, self.bidirectional, True)
        if self.kind == "lstm":
            every, *last = torch.lstm(x, state, weights, *sizes)
        else:
            every, *last = torch.gru(x, state[0], weights, *sizes)
        return every, last

    def extra_repr(self) -> str:
        """Return a description of the module for the model's printed form."""
        weights = sum(plan.weights for plan in self._session.plan)
        return f"{self._told()}, weights={weights}, numerics={self._session.numerics}"

    def _told(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"


class _OverSequences(Sequences, _Recurrent):
    """A module that is called as PyTorch's, with the same state in and out; there is no dropout."""

    def __init__(self, parts: Sequence[Layer | Dense], module: nn.LSTM | nn.GRU | Sequences, **arguments: Any) -> None:
        super().__init__(parts, module, **arguments)
        self.batch_first = module.batch_first

    def whole(self, x: torch.Tensor, state: list[torch.Tensor] | None) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return what `Sequences.whole` says."""
        return self._through(x, state)

    def _told(self) -> str:
        return (
            f"{super()._told()}, num_layers={self.num_layers}, batch_first={self.batch_first}, "
            f"bidirectional={self.bidirectional}"
        )


class LSTM(_OverSequences):
    """Compressed layers in place of `torch.nn.LSTM`: (input, (h, c)) to (outputs, (h, c))."""

    kind = "lstm"


class GRU(_OverSequences):
    """Compressed layers in place of `torch.nn.GRU`: (input, h) to (outputs, h)."""

    kind = "gru"


class _Cell(_Recurrent):
    """A module that is called as PyTorch's cells are, one step at a time."""

    def forward(self, input: torch.Tensor, hx: State | None = None) -> State:
        """Return the next state for an input, (batch, features) or (features,), and a state of such shapes."""
        given = None if hx is None else tensors_of(hx)
        single = input.dim() == 1
        if not torch._C._get_tracing_state():  # where sizes are no numbers
            self._check(input, given or [])
        x = input[None] if single else input
        if given is not None:
            given = [one[None, None] if single else one[None] for one in given]
        _, last = self._through(x[:, None], given)
        return state_of([one[0, 0] if single else one[0] for one in last])

    def _check(self, input: torch.Tensor, given: list[torch.Tensor]) -> None:
        """Raise InputError for an input and a state of other shapes than PyTorch's."""
        called = f"a cell of {self.input_size} features"
        if input.dim() not in (1, 2) or input.shape[-1] != self.input_size:
            raise InputError(
                f"{called} gets an input of shape {tuple(input.shape)}, expected (batch, {self.input_size}) or "
                f"({self.input_size},)"
            )
        expected = (*input.shape[:-1], self.hidden_size)
        if given and (len(given) != self._sizes.state[0] or any(one.shape != expected for one in given)):
            found = " and ".join(str(tuple(one.shape)) for one in given)
            what = "h and c, each" if self.kind == "lstm" else "h"
            raise InputError(f"{called} gets a state of {found}, expected {what} {tuple(expected)}")


class LSTMCell(_Cell):
    """A compressed layer in place of `torch.nn.LSTMCell`: (input, (h, c)) to (h, c)."""

    kind = "lstm"


class GRUCell(_Cell):
    """A compressed layer in place of `torch.nn.GRUCell`: (input, h) to h."""

    kind = "gru"


def is_cell(module: nn.Module) -> bool:
    """Return whether a module takes one step of a sequence at a time."""
    return not isinstance(module, nn.RNNBase | Sequences)


def layer_names(module: Any, name: str) -> list[str]:
    """Return what the layers of a recurrent module are called: as it is, where it has but one."""
    ends = [""] if is_cell(module) else part_names(module)
    return [name] if len(ends) == 1 else [f"{name}.{end}" for end in ends]


def compressed_sequences(
    parts: Sequence[Layer | Dense], module: Any, arguments: dict[str, Any]
) -> LSTM | GRU | LSTMCell | GRUCell:
    """Return the compressed module in place of `module`."""
    if getattr(module, "proj_size", 0):
        raise InputError(f"an LSTM with proj_size {module.proj_size} cannot be replaced, expected 0")
    lstm = isinstance(module, nn.LSTM | nn.LSTMCell) or getattr(module, "kind", "") == "lstm"
    if is_cell(module):
        return (LSTMCell if lstm else GRUCell)(parts, module, **arguments)
    return (LSTM if lstm else GRU)(parts, module, **arguments)


def uncompressed(layer: RecurrentLayer, name: str) -> Dense:
    """Return the layer's weights as they are."""
    bias = np.zeros(4 * layer.hidden_size, np.float32) if layer.bias is None else array(layer.bias)
    return Dense(name, array(layer.weight), bias)
