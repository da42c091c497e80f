"""LSTM and GRU as they are compressed: one matrix for each layer and direction, called as PyTorch's modules are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, Self, TypeVar

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from eie.errors import InputError
from eie.steps.recurrent import GATES

__all__ = [
    "Cell",
    "RecurrentCell",
    "RecurrentLayer",
    "RecurrentStack",
    "Sequences",
    "State",
    "lowered",
    "part_names",
    "state_of",
    "tensors_of",
    "wire",
]


State = torch.Tensor | tuple[torch.Tensor, torch.Tensor]  # h of a GRU; (h, c) of an LSTM
Cell = Literal["lstm", "gru"]
T = TypeVar("T")
S = TypeVar("S")


class RecurrentCell(nn.Module):
    """An LSTM or GRU cell whose `weight`, (4 hidden, features + hidden), is `eie.steps.Recurrent`'s product.

    It is called as torch.nn.LSTMCell and torch.nn.GRUCell are. Of a GRU the blocks that are 0, those of the candidate's
    part from x for the state and of its part from h for x, are not used, so that no training changes them.
    """

    def __init__(
        self,
        kind: Cell,
        from_input: torch.Tensor,
        from_state: torch.Tensor,
        input_bias: torch.Tensor | None = None,
        state_bias: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.hidden_size, self.input_size = from_state.shape[1], from_input.shape[1]
        self.weight = nn.Parameter(_one_matrix(kind, from_input, from_state))
        self.bias: nn.Parameter | None = None
        if input_bias is not None and state_bias is not None:
            both = _one_matrix(kind, input_bias[:, None], state_bias[:, None])
            self.bias = nn.Parameter(both.sum(dim=1))

    @classmethod
    def of(cls, module: nn.LSTMCell | nn.GRUCell | nn.LSTM | nn.GRU, part: str = "l0") -> Self:
        """Return a cell, or one layer and direction of a module of several, with the weights of PyTorch's."""
        kind: Cell = "lstm" if isinstance(module, nn.LSTMCell | nn.LSTM) else "gru"
        suffix = f"_{part}" if isinstance(module, nn.RNNBase) else ""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if module.bias else ("weight_ih", "weight_hh")
        return cls(kind, *(getattr(module, name + suffix).detach() for name in names))

    def forward(self, x: torch.Tensor, state: State | None = None) -> State:
        """Return the next state: h, (batch, hidden), of a GRU; (h, c) of an LSTM."""
        if state is None:
            zeros = x.new_zeros(len(x), self.hidden_size)
            state = (zeros, zeros) if self.kind == "lstm" else zeros
        h = state[0] if isinstance(state, tuple) else state
        linear, both, weight, size = nn.functional.linear, torch.cat((x, h), dim=1), self.weight, self.hidden_size
        if isinstance(state, tuple):
            one, two, three, four = linear(both, weight, self.bias).chunk(GATES, dim=1)
            c = torch.sigmoid(two) * state[1] + torch.sigmoid(one) * torch.tanh(three)
            return torch.sigmoid(four) * torch.tanh(c), c
        bias = x.new_zeros(GATES * size) if self.bias is None else self.bias
        reset, update = torch.sigmoid(linear(both, weight[: 2 * size], bias[: 2 * size])).chunk(2, dim=1)
        of_x = linear(x, weight[2 * size : 3 * size, : self.input_size], bias[2 * size : 3 * size])
        of_h = linear(h, weight[3 * size :, self.input_size :], bias[3 * size :])
        return (1 - update) * torch.tanh(of_x + reset * of_h) + update * h


class Sequences(ABC):
    """A module called as torch.nn.LSTM and torch.nn.GRU are; `whole` runs it over sequences of one layout."""

    kind: Cell
    input_size: int
    hidden_size: int
    num_layers: int
    bidirectional: bool
    batch_first: bool

    @property
    def parts(self) -> int:
        """Layers times directions: how many matrices there are."""
        return self.num_layers * (2 if self.bidirectional else 1)

    @abstractmethod
    def whole(self, x: torch.Tensor, state: list[torch.Tensor] | None) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return every step's outputs for `x`, (batch, steps, features), and the last h and, of an LSTM, c.

        `state` is what was before, None for zeros; each of a state's tensors is (parts, batch, hidden).
        """

    def forward(self, input: torch.Tensor, hx: State | None = None) -> tuple[torch.Tensor, State]:
        """Return every step's outputs and the last state, for sequences and a first state in PyTorch's shapes."""
        if isinstance(input, PackedSequence):
            raise InputError(
                f"{self._called()} takes padded sequences here, not a PackedSequence: pad_packed_sequence gives them"
            )
        given = None if hx is None else tensors_of(hx)
        if not torch._C._get_tracing_state():  # where sizes are no numbers
            self._check(input, given or [])
        single, first = input.dim() == 2, self.batch_first
        x = input[None] if single else input if first else input.transpose(0, 1)
        if single and given is not None:
            given = [one[:, None] for one in given]
        every, last = self.whole(x, given)
        if single:
            return every[0], state_of([end[:, 0] for end in last])
        return every if first else every.transpose(0, 1), state_of(last)

    def _check(self, input: torch.Tensor, given: list[torch.Tensor]) -> None:
        """Raise InputError for inputs and a state of other shapes than PyTorch's."""
        shape = self.parts, self.hidden_size
        single, first = input.dim() == 2, self.batch_first
        fits = input.dim() in (2, 3) and input.shape[-1] == self.input_size
        if not fits or input.shape[0 if single or not first else 1] == 0:
            raise InputError(
                f"{self._called()} of {self.input_size} features gets inputs of shape {tuple(input.shape)}, expected "
                f"(steps, {self.input_size}) or {'(batch, steps, ' if first else '(steps, batch, '}"
                f"{self.input_size}), with a step or more"
            )
        batch = input.shape[0 if first else 1]
        expected = shape if single else (shape[0], batch, shape[1])
        if given and (len(given) != (2 if self.kind == "lstm" else 1) or any(one.shape != expected for one in given)):
            found = " and ".join(str(tuple(one.shape)) for one in given)
            what = "h and c, each" if self.kind == "lstm" else "h"
            raise InputError(f"{self._called()} gets a state of {found}, expected {what} {tuple(expected)}")

    def _called(self) -> str:
        return "an LSTM" if self.kind == "lstm" else "a GRU"


class RecurrentLayer(Sequences, RecurrentCell):  # type: ignore[misc]
    """The cell over a sequence: what torch.nn.LSTM or GRU of one layer and direction computes."""

    num_layers, bidirectional, batch_first = 1, False, True

    def scan(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """Return every step's h, (batch, steps, hidden), and the last state, each part (batch, hidden)."""
        states = []
        for step in x.unbind(1):
            state = RecurrentCell.forward(self, step, state)
            states.append(state[0] if isinstance(state, tuple) else state)
        assert state is not None
        return torch.stack(states, dim=1), state

    def whole(self, x: torch.Tensor, state: list[torch.Tensor] | None) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return what `Sequences.whole` says."""
        every, last = self.scan(x, None if state is None else state_of([one[0] for one in state]))
        return every, [one[None] for one in tensors_of(last)]


class RecurrentStack(Sequences, nn.Module):
    """What torch.nn.LSTM or GRU of several layers or directions computes; its RecurrentLayers are l0, l0_reverse..."""

    def __init__(self, module: nn.LSTM | nn.GRU) -> None:
        super().__init__()
        self.kind = "lstm" if isinstance(module, nn.LSTM) else "gru"
        self.input_size, self.hidden_size, self.num_layers = module.input_size, module.hidden_size, module.num_layers
        self.bidirectional, self.batch_first, self.dropout = module.bidirectional, module.batch_first, module.dropout
        for part in part_names(module):
            self.add_module(part, RecurrentLayer.of(module, part))

    def whole(self, x: torch.Tensor, state: list[torch.Tensor] | None) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return what `Sequences.whole` says."""
        layers: list[Any] = list(self.children())

        def run(part: int, x: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
            every, last = layers[part](x, state)
            return every, last

        states = [None if state is None else state_of([one[part, None] for one in state]) for part in range(self.parts)]
        every, last = wire(
            self,
            x,
            states,
            run,
            reverse=lambda one: one.flip(1),
            join=lambda both: torch.cat(both, dim=2),
            between=lambda one: nn.functional.dropout(one, self.dropout, self.training),
        )
        return every, [torch.cat(ends) for ends in zip(*map(tensors_of, last), strict=True)]


class Wired(Protocol):
    """What has layers and directions."""

    @property
    def parts(self) -> int:
        """Layers times directions."""

    @property
    def num_layers(self) -> int:
        """Layers."""

    @property
    def bidirectional(self) -> bool:
        """Whether each layer has two directions."""


def wire(
    module: Wired,
    x: T,
    states: Sequence[S],
    run: Callable[[int, T, S], tuple[T, Any]],
    *,
    reverse: Callable[[T], T],
    join: Callable[[list[T]], T],
    between: Callable[[T], T] = lambda one: one,
) -> tuple[T, list[Any]]:
    """Return the last layer's outputs and every part's last state, where `run(part, x, state)` runs one.

    Each layer reads the one before; of its two directions the second runs over the sequence in reverse, and so turns
    its outputs, which are joined with the first's number by number. `x` are tensors, or whatever the functions take.
    """
    last = []
    directions = 2 if module.bidirectional else 1
    for first in range(0, module.parts, directions):
        given = between(x) if first else x
        found, end = run(first, given, states[first])
        last.append(end)
        x = found
        if module.bidirectional:
            back, end = run(first + 1, reverse(given), states[first + 1])
            last.append(end)
            x = join([found, reverse(back)])
    return x, last


def part_names(module: Wired | nn.LSTM | nn.GRU) -> list[str]:
    """Return the names of the module's layers and directions, those of PyTorch's weights: l0, l0_reverse, l1..."""
    directions = ("", "_reverse") if module.bidirectional else ("",)
    return [f"l{layer}{direction}" for layer in range(module.num_layers) for direction in directions]


def lowered(module: nn.LSTM | nn.GRU, name: str) -> RecurrentLayer | RecurrentStack:
    """Return PyTorch's module in the form in which it is compressed; raise InputError where it has none."""
    if module.proj_size != 0:
        raise InputError(
            f"layer {name} has proj_size {module.proj_size}, expected 0: its state would be a product of its own, "
            "which a linear layer behind it can be"
        )
    if module.num_layers > 1 or module.bidirectional:
        return RecurrentStack(module)
    layer = RecurrentLayer.of(module)
    layer.batch_first = module.batch_first
    return layer


def tensors_of(state: State) -> list[torch.Tensor]:
    """Return h and, of an LSTM, c."""
    return [state] if isinstance(state, torch.Tensor) else list(state)


def state_of(tensors: list[torch.Tensor]) -> State:
    """Return h, or h and c, as PyTorch's modules have them."""
    return tensors[0] if len(tensors) == 1 else (tensors[0], tensors[1])


def _one_matrix(kind: str, from_input: torch.Tensor, from_state: torch.Tensor) -> torch.Tensor:
    """Return PyTorch's two matrices as one: an LSTM's side by side, a GRU's candidate in two parts."""
    if kind == "lstm":
        return torch.cat((from_input, from_state), dim=1)
    hidden = len(from_input) // 3
    zeros = [torch.zeros(hidden, tensor.shape[1]) for tensor in (from_state, from_input)]
    return torch.cat(
        (
            torch.cat((from_input[: 2 * hidden], from_state[: 2 * hidden]), dim=1),
            torch.cat((from_input[2 * hidden :], zeros[0]), dim=1),
            torch.cat((zeros[1], from_state[2 * hidden :]), dim=1),
        )
    )
