"""Compressed layers as PyTorch modules, for models whose other parts run in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from eie.engine import InferenceSession
from eie.errors import InputError
from eie.model.network import Layer, Network

__all__ = ["Conv2d", "Linear", "convert_"]


class _Compressed(torch.nn.Module):
    """A module that runs one compressed layer on the CPU, for inference: no gradient flows through it.

    Its inputs and outputs are float32; it computes in the session's numerics. `numerics`, `threads` and `kernel` are
    those of `eie.engine.InferenceSession`.
    """

    def __init__(self, layer: Layer, *, numerics: str = "int16", threads: int = 1, kernel: str | None = None) -> None:
        super().__init__()
        self._arguments: dict[str, Any] = {"numerics": numerics, "threads": threads, "kernel": kernel}
        self._layer = layer
        self._session = InferenceSession(Network((layer,)), **self._arguments)

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (batch, outputs) for (batch, inputs), on the device of `rows`."""
        inputs = rows.detach().to("cpu", torch.float32).contiguous()
        outputs = torch.empty((len(inputs), self._layer.outputs))
        if len(inputs):
            self._session.run(inputs.numpy(), out=outputs.numpy())
        return outputs.to(rows.device)

    def extra_repr(self) -> str:
        """Return a description of the layer for the model's printed form."""
        plan = self._session.plan[0]
        return (
            f"in_features={self._layer.inputs}, out_features={self._layer.outputs}, weights={plan.weights}, "
            f"numerics={self._session.numerics}, kernel={plan.kernel}"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the session, which `__setstate__` builds again."""
        return {name: value for name, value in self.__dict__.items() if name != "_session"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state and build the session."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._session = InferenceSession(Network((self._layer,)), **self._arguments)


class Linear(_Compressed):
    """A compressed layer in place of `torch.nn.Linear`: f(W x + b) on tensors of shape (..., inputs)."""

    def __init__(self, layer: Layer, **arguments: Any) -> None:
        super().__init__(layer, **arguments)
        self.in_features, self.out_features = layer.inputs, layer.outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's outputs, shape (..., outputs) and float32, for `x` of shape (..., inputs)."""
        if x.dim() == 0 or x.shape[-1] != self.in_features:
            raise InputError(f"inputs must have shape (..., {self.in_features}), not {tuple(x.shape)}")
        return self._multiply(x.reshape(-1, self.in_features)).reshape(*x.shape[:-1], self.out_features)


class Conv2d(_Compressed):
    """A compressed layer in place of the `torch.nn.Conv2d` `conv`, with its kernel size, stride and padding."""

    def __init__(self, layer: Layer, conv: torch.nn.Conv2d, **arguments: Any) -> None:
        super().__init__(layer, **arguments)
        self.kernel_size, self.stride = conv.kernel_size, conv.stride
        self.padding = tuple(int(side) for side in conv.padding)
        self.in_channels, self.out_channels = conv.in_channels, layer.outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (batch, channels out, down, across), float32, for `x` of shape (batch, channels in, height, width)."""
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise InputError(f"inputs must have shape (batch, {self.in_channels}, height, width), not {tuple(x.shape)}")
        windows = torch.nn.functional.unfold(x, self.kernel_size, padding=self.padding, stride=self.stride)
        rows = windows.transpose(1, 2)
        pixels = self._multiply(rows.reshape(-1, rows.shape[2])).reshape(len(x), rows.shape[1], self.out_channels)
        down = (x.shape[2] + 2 * self.padding[0] - self.kernel_size[0]) // self.stride[0] + 1
        return pixels.transpose(1, 2).reshape(len(x), self.out_channels, down, -1)


def convert_(
    model: torch.nn.Module,
    compressed: Network | Mapping[str, Layer],
    *,
    numerics: str = "int16",
    threads: int = 1,
    kernel: str | None = None,
) -> torch.nn.Module:
    """Replace modules of `model` by compressed layers, in place, and return the model.

    `compressed` names the modules to replace, as `model.named_modules()` does: a mapping to layers, as
    `eie.compress_(...).layers` is, or a network whose layers have those names. Each must be a `torch.nn.Linear`, or a
    `torch.nn.Conv2d` without groups and dilation, of the layer's size. If a layer has ReLU, the new module applies it;
    a ReLU that follows in the model then changes nothing. Either all modules are replaced or, after an error, none.
    """
    layers = {layer.name: layer for layer in compressed.layers} if isinstance(compressed, Network) else dict(compressed)
    modules = dict(model.named_modules())
    converted: dict[str, torch.nn.Module] = {}
    for name, layer in layers.items():
        module = modules.get(name) if name else None  # the model itself has no parent whose attribute could be replaced
        if not _can_be_replaced(module):
            found = "no module" if module is None else f"a {type(module).__name__}"
            raise InputError(f"the model has {found} called {name!r}, expected a torch.nn.Linear or Conv2d")
        assert isinstance(module, torch.nn.Linear | torch.nn.Conv2d)
        outputs, inputs = module.weight.shape[0], module.weight[0].numel()
        if (outputs, inputs) != (layer.outputs, layer.inputs):
            raise InputError(
                f"module {name} is {outputs} x {inputs}, but the compressed layer is {layer.outputs} x {layer.inputs}"
            )
        arguments: dict[str, Any] = {"numerics": numerics, "threads": threads, "kernel": kernel}
        if isinstance(module, torch.nn.Conv2d):
            converted[name] = Conv2d(layer, module, **arguments)
        else:
            converted[name] = Linear(layer, **arguments)
    for name, replacement in converted.items():
        parent, _, child = name.rpartition(".")
        setattr(modules[parent], child, replacement)
    return model


def _can_be_replaced(module: torch.nn.Module | None) -> bool:
    if isinstance(module, torch.nn.Conv2d):
        return module.groups == 1 and set(module.dilation) == {1} and not isinstance(module.padding, str)
    return isinstance(module, torch.nn.Linear)
