"""Compressed layers as operators of PyTorch, for what torch.compile, torch.export and torch.jit.trace make of a model.

An operator's tensor `layer`, or `layers`, holds the bytes of a model file, so that what is exported or traced has the
layers in it. It runs wherever `eie.nn` is imported. Shapes are known without running it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.autograd import forward_ad
from torch.utils.weak import WeakTensorKeyDictionary

from eie.engine import InferenceSession
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.pytorch.extra_state import network_of_bytes
from eie.pytorch.sequences import HeldSequences, SequenceSizes, parts_of_bytes
from eie.steps import Convolution, Image, Window

__all__ = [
    "CONV2D",
    "LINEAR",
    "SEQUENCES",
    "Held",
    "Settings",
    "held",
    "held_sequences",
    "layer_of",
    "require_no_gradient",
]

_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_SESSIONS = 8  # kept per layer: a convolution has one for each size of its images

_LIBRARY: Any = torch.library.Library("eie", "FRAGMENT")  # type: ignore[no-untyped-call]
_SETTINGS = "str numerics, int? threads, str? kernel"
_LIBRARY.define(f"linear(Tensor x, Tensor layer, int inputs, int outputs, {_SETTINGS}) -> Tensor")
_LIBRARY.define(
    "conv2d(Tensor x, Tensor layer, int inputs, int outputs, int[] kernel_size, int[] stride, int[] padding, "
    f"int[] dilation, {_SETTINGS}) -> Tensor"
)
_LIBRARY.define(
    "sequences(Tensor x, Tensor? state, Tensor layers, str cell, int input_size, int hidden_size, int num_layers, "
    f"bool bidirectional, {_SETTINGS}) -> (Tensor, Tensor)"
)
LINEAR, CONV2D = torch.ops.eie.linear.default, torch.ops.eie.conv2d.default
SEQUENCES = torch.ops.eie.sequences.default


class Settings(NamedTuple):
    """How a session runs: the arguments of `eie.engine.InferenceSession`."""

    numerics: str
    threads: int | None
    kernel: str | None


class Held:
    """A compressed layer and its sessions, made when they are first needed."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self._sessions: dict[object, InferenceSession] = {}

    def linear(self, settings: Settings) -> InferenceSession:
        """Return the session of the layer on vectors."""
        return self._session(settings, None, None)

    def conv2d(self, settings: Settings, window: Window, image: Image) -> InferenceSession:
        """Return the session of the layer as a convolution over images of one size."""
        return self._session(settings, window, image)

    def _session(self, settings: Settings, window: Window | None, image: Image | None) -> InferenceSession:
        key = settings, window, image
        found = self._sessions.get(key)
        if found is None:
            layer = self.layer
            step = layer if window is None or image is None else Convolution(layer.name, image, window, layer)
            found = InferenceSession(Network((step,)), **settings._asdict())
            for oldest in list(self._sessions)[: len(self._sessions) + 1 - _SESSIONS]:
                self._sessions.pop(oldest, None)
            self._sessions[key] = found
        return found


_HELD: Any = WeakTensorKeyDictionary()


def held(layer: torch.Tensor, decoded: Layer | None = None) -> Held:
    """Return what is held of the layer whose bytes these are, which `decoded` is where that is known already."""
    found: Held | None = _HELD.get(layer)
    if found is None:
        found = _HELD[layer] = Held(layer_of(layer) if decoded is None else decoded)
    return found


_HELD_SEQUENCES: Any = WeakTensorKeyDictionary()


def held_sequences(layers: torch.Tensor, decoded: HeldSequences | SequenceSizes) -> HeldSequences:
    """Return what is held of the layers whose bytes these are, which `decoded` is where that is known already."""
    found: HeldSequences | None = _HELD_SEQUENCES.get(layers)
    sizes = decoded.sizes if isinstance(decoded, HeldSequences) else decoded
    if found is None or found.sizes != sizes:
        if isinstance(decoded, SequenceSizes):
            decoded = HeldSequences(decoded, parts_of_bytes(layers, decoded.cell))
        found = _HELD_SEQUENCES[layers] = decoded
    return found


def layer_of(state: object) -> Layer:
    """Return the layer whose model file `state` holds; raise InputError where it holds none."""
    (layer,) = network_of_bytes(state).chain()
    return layer


def require_no_gradient(x: torch.Tensor) -> None:
    """Raise InputError where a gradient is asked for, backward or forward, which cannot flow."""
    unpacked: Any = forward_ad.unpack_dual
    forward = forward_ad._current_level >= 0 and unpacked(x).tangent is not None
    if forward or (x.requires_grad and torch.is_grad_enabled()):
        raise InputError(
            "no gradient flows through a compressed layer, but its input asks for one: run the model under "
            "torch.no_grad(), or train it before its layers are converted"
        )


def _run(session: InferenceSession, x: torch.Tensor, shape: list[int]) -> torch.Tensor:
    """Return the session's outputs for (batch, ...), in `shape`, in the type of `x` and on its device."""
    if 0 in shape:
        return x.new_empty(shape)
    numbers = x.detach().to("cpu", torch.float32).numpy()  # itself, not a copy, where it is right already
    outputs = torch.from_numpy(session.run(numbers.reshape(-1, session.network.inputs)).reshape(shape))
    return outputs if outputs.dtype == x.dtype and x.is_cpu else outputs.to(x.device, x.dtype)


def _linear(
    x: torch.Tensor,
    layer: torch.Tensor,
    inputs: int,
    outputs: int,
    numerics: str,
    threads: int | None,
    kernel: str | None,
) -> torch.Tensor:
    shape = _linear_sides(x, inputs, outputs)
    return _run(held(layer).linear(Settings(numerics, threads, kernel)), x, shape)


def _linear_shape(x: torch.Tensor, layer: torch.Tensor, inputs: int, outputs: int, *settings: object) -> torch.Tensor:
    return x.new_empty(_linear_sides(x, inputs, outputs))


def _linear_sides(x: torch.Tensor, inputs: int, outputs: int) -> list[int]:
    if x.dim() == 0 or x.shape[-1] != inputs:
        raise InputError(f"inputs must have shape (..., {inputs}), not {tuple(x.shape)}")
    _require_real(x)
    return [*x.shape[:-1], outputs]


def _conv2d(
    x: torch.Tensor,
    layer: torch.Tensor,
    inputs: int,
    outputs: int,
    kernel_size: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    numerics: str,
    threads: int | None,
    kernel: str | None,
) -> torch.Tensor:
    sides = [(one[0], one[1]) for one in (kernel_size, stride, padding, dilation)]
    shape = _conv2d_sides(x, inputs, outputs, *sides)
    session = held(layer).conv2d(Settings(numerics, threads, kernel), Window(*sides), Image(*x.shape[1:]))
    return _run(session, x, shape)


def _conv2d_shape(
    x: torch.Tensor,
    layer: torch.Tensor,
    inputs: int,
    outputs: int,
    kernel_size: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    *settings: object,
) -> torch.Tensor:
    return x.new_empty(_conv2d_sides(x, inputs, outputs, kernel_size, stride, padding, dilation))


def _conv2d_sides(x: torch.Tensor, inputs: int, outputs: int, *window: list[int] | tuple[int, int]) -> list[int]:
    """Return the sizes of the result, which may be symbols: `Window.places` without its checks."""
    if x.dim() != 4 or x.shape[1] != inputs:
        raise InputError(f"inputs must have shape (batch, {inputs}, height, width), not {tuple(x.shape)}")
    _require_real(x)
    places = [
        (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        for size, kernel, stride, padding, dilation in zip(x.shape[2:], *window, strict=True)
    ]
    return [x.shape[0], outputs, *places]


def _sequences(
    x: torch.Tensor,
    state: torch.Tensor | None,
    layers: torch.Tensor,
    cell: str,
    input_size: int,
    hidden_size: int,
    num_layers: int,
    bidirectional: bool,
    numerics: str,
    threads: int | None,
    kernel: str | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    sizes = SequenceSizes(_cell(cell), input_size, hidden_size, num_layers, bidirectional)
    every, last = _sequences_sides(x, state, sizes)
    if 0 in every:
        return x.new_empty(every), x.new_empty(last)
    numbers = [None if one is None else one.detach().to("cpu", torch.float32).numpy() for one in (x, state)]
    assert numbers[0] is not None
    found = held_sequences(layers, sizes).run(Settings(numerics, threads, kernel), numbers[0], numbers[1])
    first, second = (torch.from_numpy(one).to(x.device, x.dtype) for one in found)
    return first, second


def _sequences_shape(
    x: torch.Tensor,
    state: torch.Tensor | None,
    layers: torch.Tensor,
    cell: str,
    *sizes_and_settings: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    every, last = _sequences_sides(x, state, SequenceSizes(_cell(cell), *sizes_and_settings[:4]))
    return x.new_empty(every), x.new_empty(last)


def _cell(name: str) -> Any:
    if name not in ("lstm", "gru"):
        raise InputError(f"the cell must be lstm or gru, not {name}")
    return name


def _sequences_sides(x: torch.Tensor, state: torch.Tensor | None, sizes: SequenceSizes) -> tuple[list[int], list[int]]:
    """Return the sizes of every step's outputs and of the last state, which may be symbols."""
    if x.dim() != 3 or x.shape[2] != sizes.input_size or x.shape[1] == 0:
        raise InputError(
            f"inputs must have shape (batch, steps, {sizes.input_size}) with a step or more, not {tuple(x.shape)}"
        )
    _require_real(x)
    kinds, parts, hidden = sizes.state
    last = [kinds, parts, x.shape[0], hidden]
    if state is not None:
        if state.dim() != 4 or any(side != wanted for side, wanted in zip(state.shape, last, strict=True)):
            raise InputError(f"the state must have shape {tuple(last)}, not {tuple(state.shape)}")
        _require_real(state)
    return [x.shape[0], x.shape[1], sizes.outputs], last


def _require_real(x: torch.Tensor) -> None:
    if x.dtype not in _TYPES:
        raise InputError(f"inputs must be float16, bfloat16, float32 or float64, not {str(x.dtype)[6:]}")


def _without_gradient(operator: torch._ops.OpOverload) -> object:
    def run(*arguments: object) -> object:
        for one in arguments:
            if isinstance(one, torch.Tensor):
                require_no_gradient(one)
        with torch._C._AutoDispatchBelowAutograd():
            return operator(*arguments)

    return run


_OPERATORS: tuple[tuple[torch._ops.OpOverload, Any, Any], ...] = (
    (LINEAR, _linear, _linear_shape),
    (CONV2D, _conv2d, _conv2d_shape),
    (SEQUENCES, _sequences, _sequences_shape),
)
for _operator, _real, _shape in _OPERATORS:
    _name = _operator._schema.name
    _LIBRARY.impl(_name, _real, "CompositeExplicitAutograd")
    _LIBRARY.impl(_name, _without_gradient(_operator), "Autograd")
    torch.library.register_fake(_name, _shape, lib=_LIBRARY)
