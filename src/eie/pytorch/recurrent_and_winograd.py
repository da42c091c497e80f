"""Layers in the form in which they are compressed: a 3 x 3 convolution in the Winograd domain, cells of one matrix."""

from __future__ import annotations

import copy
from collections.abc import Collection

import torch
from torch import nn

from eie.errors import InputError
from eie.pytorch.recurrent import RecurrentCell, lowered, part_names
from eie.pytorch.transposed import as_linear, is_transposed
from eie.steps.winograd import INPUT, OUTPUT, PLACES, transform_filters

__all__ = ["WinogradConv2d", "has_other_form", "lower_", "lowered_copy", "recipe_names"]


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


def recipe_names(module: nn.Module, name: str) -> list[str]:
    """Return the names under which a recipe may have entries for a module: its own, and those of its parts."""
    parts = []
    if isinstance(module, nn.LSTM | nn.GRU) and (module.num_layers > 1 or module.bidirectional):
        parts = part_names(module)
    return [name, *(f"{name}.{part}" for part in parts)]


def has_other_form(module: nn.Module) -> bool:
    """Return whether `lower_` replaces a module whatever it is asked for: a recurrent one, or one stored transposed."""
    return isinstance(module, nn.RNNBase | nn.RNNCellBase) or is_transposed(module)


def lowered_copy(model: nn.Module) -> nn.Module:
    """Return `model`, or where any of its modules has another form a copy in which they have it."""
    if any(has_other_form(module) for module in model.modules()):
        model = copy.deepcopy(model)
        lower_(model)
    return model


def lower_(model: nn.Module, winograd: Collection[str] = (), left: Collection[str] = ()) -> None:
    """Replace layers by the form in which they are compressed.

    These are recurrent ones, linear ones that are stored transposed, and the convolutions named in `winograd`.
    Those named in `left` stay as they are. The model's outputs stay the same. Raises InputError for a convolution that
    is not 3 x 3 of stride 1 with zeros around it, and for a recurrent layer with projections.
    """
    replaced: dict[nn.Module, nn.Module] = {}
    for name, module in list(model.named_modules(remove_duplicate=False)):
        new: nn.Module
        if name in left:
            continue
        if module in replaced:  # one module under several names stays one
            new = replaced[module]
        elif name in winograd:
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
        elif is_transposed(module):
            new = as_linear(module)
        else:
            continue
        if not name:
            raise InputError(f"the model is a {type(module).__name__} alone: put it into a module of its own")
        replaced[module] = new
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, new)
