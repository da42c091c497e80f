"""Layers in the form in which they are compressed: a 3 x 3 convolution in the Winograd domain, cells of one matrix."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Self

import torch
from torch import nn

from eie.errors import InputError
from eie.steps.recurrent import GATES
from eie.steps.winograd import INPUT, OUTPUT, PLACES, transform_filters

__all__ = ["RecurrentCell", "RecurrentLayer", "State", "WinogradConv2d", "lower_", "lowered"]


State = torch.Tensor | tuple[torch.Tensor, torch.Tensor]  # h of a GRU; (h, c) of an LSTM


class WinogradConv2d(nn.Module):
    """A 3 x 3 convolution of stride 1 whose `weight` is G g G^T, (16, out, in), and is pruned and trained in that form.

    Its forward pass is that of `eie.steps.Winograd`.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels
        self.padding = (int(conv.padding[0]), int(conv.padding[1]))
        self.weight = nn.Parameter(torch.from_numpy(transform_filters(conv.weight.detach().numpy())))
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (batch, out, height, width)."""
        batch, channels, height, width = x.shape
        top, left = self.padding
        out_height, out_width = height + 2 * top - 2, width + 2 * left - 2
        down, across = -(-out_height // 2), -(-out_width // 2)
        padded = nn.functional.pad(x, (left, 2 * across + 2 - width - left, top, 2 * down + 2 - height - top))
        patches = padded.unfold(2, 4, 2).unfold(3, 4, 2)  # (batch, channels, down, across, 4, 4)
        into, back = (torch.from_numpy(matrix).to(x.dtype) for matrix in (INPUT, OUTPUT))
        values = torch.einsum("ik,bcyxkl,jl->ijcbyx", into, patches, into).reshape(PLACES, channels, -1)
        products = torch.bmm(self.weight, values).reshape(4, 4, self.out_channels, batch, down, across)
        pixels = torch.einsum("ik,klobyx,jl->boyixj", back, products, back)
        whole = pixels.reshape(batch, self.out_channels, 2 * down, 2 * across)[:, :, :out_height, :out_width]
        return whole if self.bias is None else whole + self.bias[:, None, None]


class RecurrentCell(nn.Module):
    """An LSTM or GRU cell whose `weight`, (4 hidden, features + hidden), is `eie.steps.Recurrent`'s product.

    It is called as torch.nn.LSTMCell and torch.nn.GRUCell are.
    """

    def __init__(
        self,
        kind: Literal["lstm", "gru"],
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
    def of(cls, module: nn.LSTMCell | nn.GRUCell | nn.LSTM | nn.GRU) -> Self:
        """Return a cell, or layer, with the weights of PyTorch's."""
        kind: Literal["lstm", "gru"] = "lstm" if isinstance(module, nn.LSTMCell | nn.LSTM) else "gru"
        suffix = "_l0" if isinstance(module, nn.RNNBase) else ""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if module.bias else ("weight_ih", "weight_hh")
        return cls(kind, *(getattr(module, name + suffix).detach() for name in names))

    def forward(self, x: torch.Tensor, state: State | None = None) -> State:
        """Return the next state: h, (batch, hidden), of a GRU; (h, c) of an LSTM."""
        if state is None:
            zeros = x.new_zeros(len(x), self.hidden_size)
            state = (zeros, zeros) if self.kind == "lstm" else zeros
        h = state[0] if isinstance(state, tuple) else state
        sums = nn.functional.linear(torch.cat((x, h), dim=1), self.weight, self.bias)
        one, two, three, four = sums.chunk(GATES, dim=1)
        if isinstance(state, tuple):
            c = torch.sigmoid(two) * state[1] + torch.sigmoid(one) * torch.tanh(three)
            return torch.sigmoid(four) * torch.tanh(c), c
        update = torch.sigmoid(two)
        return (1 - update) * torch.tanh(three + torch.sigmoid(one) * four) + update * h


class RecurrentLayer(RecurrentCell):
    """The cell over a sequence (batch, steps, features): what torch.nn.LSTM or GRU of one layer computes."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, State]:  # type: ignore[override]
        """Return every step's h, (batch, steps, hidden), and the last state, each part (1, batch, hidden)."""
        state: State | None = None
        states = []
        for step in x.unbind(1):
            state = super().forward(step, state)
            states.append(state[0] if isinstance(state, tuple) else state)
        assert state is not None
        last = (state[0][None], state[1][None]) if isinstance(state, tuple) else state[None]
        return torch.stack(states, dim=1), last


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


def lowered(module: nn.LSTM | nn.GRU, name: str) -> RecurrentLayer:
    """Return the recurrent layer as one of one matrix; raise InputError, naming it, for one that has no such form."""
    if module.num_layers != 1 or module.bidirectional or not module.batch_first or module.proj_size != 0:
        raise InputError(f"layer {name} must have one layer, one direction and batch_first, and is {module}")
    return RecurrentLayer.of(module)


def lower_(model: nn.Module, winograd: Collection[str] = (), left: Collection[str] = ()) -> None:
    """Replace recurrent layers, and the convolutions named in `winograd`, by the form in which they are compressed.

    Those named in `left` stay as they are. The model's outputs stay the same. Raises InputError for a convolution that
    is not 3 x 3 of stride 1 with zeros around it, and for a recurrent layer that is bidirectional, of several layers,
    or not batch_first.
    """
    for name, module in list(model.named_modules()):
        new: nn.Module
        if name in left:
            continue
        if name in winograd:
            if (
                not isinstance(module, nn.Conv2d)
                or (tuple(module.kernel_size), tuple(module.stride), tuple(module.dilation), module.groups)
                != ((3, 3), (1, 1), (1, 1), 1)
                or isinstance(module.padding, str)
                or (module.padding_mode != "zeros" and any(module.padding))
            ):
                raise InputError(f"layer {name} must be a 3 x 3 convolution of stride 1 for winograd, and is {module}")
            new = WinogradConv2d(module)
        elif isinstance(module, nn.LSTM | nn.GRU):
            new = lowered(module, name)
        elif isinstance(module, nn.LSTMCell | nn.GRUCell):
            new = RecurrentCell.of(module)
        else:
            continue
        if not name:
            raise InputError(f"the model is a {type(module).__name__} alone: put it into a module of its own")
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, new)
