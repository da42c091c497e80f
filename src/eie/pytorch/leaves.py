"""Layers that an exported model is traced down to: each call of one is a single operation that names its module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from eie.errors import InputError
from eie.pytorch.products import Target, is_lookup
from eie.pytorch.recurrent import RecurrentCell, RecurrentLayer, State
from eie.pytorch.recurrent_and_winograd import WinogradConv2d
from eie.pytorch.sharing import is_shared
from eie.steps import Image, Window

__all__ = ["PRODUCT", "RECURRENT", "pair", "traced_to_layers", "window_of"]


@torch.library.custom_op("eie::product", mutates_args=())
def _product(x: torch.Tensor, name: str, shape: list[int]) -> torch.Tensor:
    """Stand for the layer `name`, whose outputs for `x` have `shape`."""
    raise RuntimeError("eie::product is a mark in a traced graph and is not run")


@_product.register_fake
def _(x: torch.Tensor, name: str, shape: list[int]) -> torch.Tensor:
    return x.new_empty(shape, dtype=torch.float32)


@torch.library.custom_op("eie::recurrent", mutates_args=())
def _recurrent(x: torch.Tensor, state: list[torch.Tensor], name: str, hidden: int, states: int) -> list[torch.Tensor]:
    """Stand for the recurrent layer `name`: all h, then the last h and, of an LSTM, c: `states` tensors."""
    raise RuntimeError("eie::recurrent is a mark in a traced graph and is not run")


@_recurrent.register_fake
def _(x: torch.Tensor, state: list[torch.Tensor], name: str, hidden: int, states: int) -> list[torch.Tensor]:
    return [x.new_empty(*x.shape[:2], hidden), *(x.new_empty(len(x), hidden) for _ in range(states))]


PRODUCT, RECURRENT = torch.ops.eie.product.default, torch.ops.eie.recurrent.default


@contextmanager
def traced_to_layers(model: nn.Module) -> Iterator[None]:
    """Within it, `model`'s layers whose weights can be shared answer with the operations above."""
    answers: list[tuple[nn.Module, str, Callable[..., object]]] = []
    for name, module in model.named_modules():
        method = "scan" if isinstance(module, RecurrentLayer) else "forward"
        known = isinstance(module, Target) or (is_lookup(module) and is_shared(module))
        if known and method not in vars(module):
            answers.append((module, method, _forward(module, name)))
    try:
        for module, method, answer in answers:
            setattr(module, method, answer)
        yield
    finally:
        for module, method, _ in answers:
            vars(module).pop(method, None)


def _forward(module: nn.Module, name: str) -> Callable[..., object]:
    if isinstance(module, nn.Embedding):
        return lambda input: _call(input, name, [*input.shape, module.embedding_dim])
    if isinstance(module, nn.Linear):
        return lambda input: _call(input, name, [*input.shape[:-1], _check(module, name, input)])
    if isinstance(module, nn.Conv2d):
        return lambda input: _convolve(module, name, input)
    if isinstance(module, WinogradConv2d):
        return lambda x: _slide(x, name, module.out_channels, Window((3, 3), padding=module.padding))
    assert isinstance(module, RecurrentCell)
    return lambda x, state=None: _recur(module, name, x, state)


def _call(x: torch.Tensor, name: str, shape: list[int]) -> object:
    return torch.ops.eie.product(x, name, shape)


def _check(module: nn.Linear, name: str, x: torch.Tensor) -> int:
    if x.shape[-1:] != (module.in_features,):
        raise InputError(f"layer {name} takes {module.in_features} values, but gets inputs of shape {tuple(x.shape)}")
    return module.out_features


def _slide(x: torch.Tensor, name: str, channels: int, window: Window) -> object:
    if x.dim() not in (3, 4):
        raise InputError(f"convolution {name} gets inputs of shape {tuple(x.shape)}, expected images")
    down, across = window.places(Image(*x.shape[-3:]))
    return _call(x, name, [*x.shape[:-3], channels, down, across])


def window_of(conv: nn.Conv2d) -> tuple[Window, tuple[int, int, int, int] | None]:
    """Return a convolution's window, and what its images are padded with before, as torch.nn.functional.pad takes it.

    The latter is None where the window's own padding, zeros and the same on opposite sides, is all.
    """
    kernel, stride = pair(conv.kernel_size), pair(conv.stride)
    if isinstance(conv.padding, str):
        sides = [
            (total // 2, total - total // 2) for total in (pair(conv.dilation)[k] * (kernel[k] - 1) for k in (0, 1))
        ]
    else:
        sides = [(side, side) for side in pair(conv.padding)]
    (top, bottom), (left, right) = sides
    if conv.padding_mode == "zeros" and (top, left) == (bottom, right):
        return Window(kernel, stride, (top, left), pair(conv.dilation)), None
    return Window(kernel, stride, dilation=pair(conv.dilation)), (left, right, top, bottom)


def _convolve(conv: nn.Conv2d, name: str, x: torch.Tensor) -> object:
    window, padding = window_of(conv)
    if padding is not None:
        x = nn.functional.pad(x, padding, "constant" if conv.padding_mode == "zeros" else conv.padding_mode)
    if x.dim() in (3, 4) and x.shape[-3] != conv.in_channels:
        raise InputError(f"convolution {name} takes {conv.in_channels} channels, but gets inputs of {tuple(x.shape)}")
    return _slide(x, name, conv.out_channels, window)


def _recur(cell: RecurrentCell, name: str, x: torch.Tensor, state: State | None) -> object:
    whole = isinstance(cell, RecurrentLayer)
    if x.dim() != (3 if whole else 2):
        raise InputError(f"{name} gets inputs of shape {tuple(x.shape)}, expected (batch, features)")
    given = [] if state is None else [state] if isinstance(state, torch.Tensor) else list(state)
    parts = 2 if cell.kind == "lstm" else 1
    every, *last = torch.ops.eie.recurrent(x if whole else x[:, None], given, name, cell.hidden_size, parts)
    following = tuple(last) if len(last) > 1 else last[0]
    return (every, following) if whole else following


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """Return two numbers for one or two."""
    sides = [value] if isinstance(value, int) else list(value)
    return int(sides[0]), int(sides[-1])
