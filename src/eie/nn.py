"""Compressed layers as PyTorch modules: the rest of a model, a convolutional front end say, stays in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eie.engine import InferenceSession
from eie.errors import InputError, MissingExtra
from eie.network import Layer, Network

try:
    import torch
except ImportError as error:
    raise MissingExtra("eie.nn", "torch", "torch") from error

__all__ = ["Linear", "convert_"]


class Linear(torch.nn.Module):
    """A compressed layer in place of `torch.nn.Linear`: f(W x + b) on tensors of shape (..., inputs).

    It computes on the CPU, in float32 outside and the session's numerics inside, and is for inference: no gradient
    flows through it. `numerics`, `threads` and `kernel` are those of `eie.engine.InferenceSession`.
    """

    def __init__(self, layer: Layer, *, numerics: str = "int16", threads: int = 1, kernel: str | None = None) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.inputs, layer.outputs
        self._arguments: dict[str, Any] = {"numerics": numerics, "threads": threads, "kernel": kernel}
        self._layer = layer
        self._session = InferenceSession(Network((layer,)), **self._arguments)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's outputs, shape (..., outputs) and float32, for `x` of shape (..., inputs)."""
        if x.dim() == 0 or x.shape[-1] != self.in_features:
            raise InputError(f"inputs must have shape (..., {self.in_features}), not {tuple(x.shape)}")
        rows = x.detach().to("cpu", torch.float32).reshape(-1, self.in_features).contiguous()
        outputs = torch.empty((len(rows), self.out_features))
        if len(rows):
            self._session.run(rows.numpy(), out=outputs.numpy())
        return outputs.reshape(*x.shape[:-1], self.out_features).to(x.device)

    def extra_repr(self) -> str:
        """Say what the layer is, for the model's printed form."""
        plan = self._session.plan[0]
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, weights={plan.weights}, "
            f"numerics={self._session.numerics}, kernel={plan.kernel}"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the session, which is made anew where the module is copied or loaded."""
        return {name: value for name, value in self.__dict__.items() if name != "_session"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state back and make the session."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._session = InferenceSession(Network((self._layer,)), **self._arguments)


def convert_(
    model: torch.nn.Module,
    compressed: Network | Mapping[str, Layer],
    *,
    numerics: str = "int16",
    threads: int = 1,
    kernel: str | None = None,
) -> torch.nn.Module:
    """Put compressed layers in the place of `model`'s own, and return it.

    `compressed` names the modules to replace, as `model.named_modules()` does: a mapping to layers, or a network whose
    layers have those names. Each must be a `torch.nn.Linear` of the layer's size. A layer with ReLU brings its own: the
    module's outputs are rectified, which a ReLU after it leaves as they are. Nothing is replaced unless all can be.
    """
    layers = (
        {layer.name: layer for layer in compressed.chain()} if isinstance(compressed, Network) else dict(compressed)
    )
    modules = dict(model.named_modules())
    for name, layer in layers.items():
        module = modules.get(name) if name else None  # the model itself has no place to put another in
        if not isinstance(module, torch.nn.Linear):
            found = "no module" if module is None else f"a {type(module).__name__}"
            raise InputError(f"the model has {found} called {name!r}, expected a torch.nn.Linear")
        if (module.out_features, module.in_features) != (layer.outputs, layer.inputs):
            raise InputError(
                f"module {name} is {module.out_features} x {module.in_features}, but the compressed layer is "
                f"{layer.outputs} x {layer.inputs}"
            )
    converted = {
        name: Linear(layer, numerics=numerics, threads=threads, kernel=kernel) for name, layer in layers.items()
    }
    for name, replacement in converted.items():
        parent, _, child = name.rpartition(".")
        setattr(modules[parent], child, replacement)
    return model
