"""What all modules of compressed layers have in common: layers as the bytes of a model file, and what they refuse."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NoReturn

import torch

from eie.errors import InputError
from eie.pytorch.operators import Settings

__all__ = ["CompressedModule"]


class CompressedModule(torch.nn.Module):
    """A module that runs compressed layers on the CPU, for inference.

    Its inputs are float16, bfloat16, float32 or float64, on any device, and its outputs the same; it computes in the
    session's numerics. `numerics`, `threads` and `kernel` are those of `eie.engine.InferenceSession`. No gradient flows
    through it: an input that asks for one is refused. Its `state_dict()` holds the layers as the bytes of a model file,
    uint8, under `_extra_state`.

    torch.compile, torch.export and torch.jit.trace keep it as an operator of PyTorch with those bytes, which runs where
    `eie.nn` is imported; torch.onnx.export writes its weights expanded, as `eie export` does.
    """

    _layer_file: torch.Tensor  # an attribute and no buffer, it stays as it is and where it is

    def __init__(self, *, numerics: str = "int16", threads: int | None = 1, kernel: str | None = None) -> None:
        super().__init__()
        self._settings = Settings(numerics, threads, kernel)

    @abstractmethod
    def _read(self, state: Any) -> Any:
        """Return the layers of the bytes `state`; raise InputError where they are none that this module can become."""

    @abstractmethod
    def _hold(self, layers: Any, file: torch.Tensor) -> None:
        """Become `layers`, whose bytes are `file`."""

    def __getattr__(self, name: str) -> Any:
        """Raise AttributeError; for weights and biases it says why there are none."""
        if name.startswith(("weight", "bias")):
            raise AttributeError(
                f"a compressed layer has no {name} as a tensor: call the module instead of reading its {name}"
            )
        return super().__getattr__(name)

    def get_extra_state(self) -> torch.Tensor:
        """Return the bytes of a model file of the layers, uint8."""
        return self._layer_file.clone()

    def set_extra_state(self, state: Any) -> None:
        """Become the layers that `get_extra_state` gave; raise InputError for other sizes, and for anything else."""
        layers = self._read(state)
        self._hold(layers, state.cpu().clone())

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the sessions, which `__setstate__` builds again."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_held", "_run")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state and build the sessions."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._hold(self._read(self._layer_file), self._layer_file)

    def __prepare_scriptable__(self) -> NoReturn:
        """Refuse torch.jit.script, which calls this."""
        raise InputError("torch.jit.script cannot take a compressed layer: use torch.export or torch.jit.trace")
