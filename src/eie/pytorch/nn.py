"""Compressed layers as PyTorch modules, for models whose other parts run in PyTorch."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.autograd import forward_ad

from eie.encoding.clustering import share
from eie.encoding.csc import encode
from eie.errors import InputError
from eie.exporters.state_dict import weights_of
from eie.model.network import Layer, Network
from eie.pytorch.attention import call_layers_, require_callable_layers
from eie.pytorch.checkpoints import Weights, open_weights
from eie.pytorch.compressed_module import CompressedModule
from eie.pytorch.extra_state import bytes_of
from eie.pytorch.leaves import window_of
from eie.pytorch.nn_recurrent import (
    GRU,
    LSTM,
    REPLACEABLE,
    GRUCell,
    LSTMCell,
    compressed_sequences,
    layer_names,
    uncompressed,
)
from eie.pytorch.operators import CONV2D, LINEAR, held, layer_of
from eie.pytorch.products import array, in_groups
from eie.pytorch.pruning import magnitude_mask
from eie.pytorch.recipe import Recipe
from eie.pytorch.recurrent import Cell, RecurrentLayer, lowered, part_names
from eie.pytorch.recurrent_and_winograd import recipe_names
from eie.pytorch.sequences import parts_of_bytes
from eie.pytorch.transposed import is_transposed
from eie.steps import Dense, Image
from eie.storage.sizes import size_optimal

__all__ = ["GRU", "LSTM", "Conv2d", "GRUCell", "LSTMCell", "Linear", "convert_", "load_"]


class _Compressed(CompressedModule):
    """A module that runs one compressed layer."""

    def __init__(self, layer: Layer, **arguments: Any) -> None:
        super().__init__(**arguments)
        with torch.inference_mode(False):  # for uses outside it as well
            file = bytes_of(layer)
        self._hold(layer, file)

    def _hold(self, layers: Layer, file: torch.Tensor) -> None:
        self._layer_file = file
        self._held = held(file, layers)
        self._prepare()

    def _read(self, state: Any) -> Layer:
        layer = layer_of(state)
        if "_held" in vars(self) and (layer.outputs, layer.inputs) != (self._layer.outputs, self._layer.inputs):
            raise InputError(
                f"a compressed layer of {layer.outputs} x {layer.inputs} cannot become one of {self._layer.outputs} x "
                f"{self._layer.inputs}"
            )
        return layer

    @abstractmethod
    def _prepare(self) -> None:
        """Make the sessions that are known to be needed; raise InputError where the layer cannot run so."""

    @property
    def _layer(self) -> Layer:
        layer: Layer = self._held.layer
        return layer

    def _expanded(self, *shape: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the weights, (outputs, *shape), and the bias as PyTorch has them."""
        layer = self._layer
        bias = None if layer.bias is None else torch.from_numpy(np.array(layer.bias))
        return torch.from_numpy(weights_of(layer)).reshape(layer.outputs, *shape), bias

    def _rectified(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) if self._layer.relu else x


def _numbers(x: torch.Tensor) -> npt.NDArray[np.float32] | None:
    """Return a float32 tensor's numbers, as they lie in memory, or None where an operator of PyTorch has to run."""
    if (
        torch.compiler.is_compiling()
        or type(x) is not torch.Tensor
        or x.dtype is not torch.float32
        or torch._C._get_tracing_state()
        or torch._C._len_torch_dispatch_stack()
        or forward_ad._current_level >= 0
    ):
        return None
    try:
        return x.numpy()
    except (RuntimeError, TypeError):  # it asks for a gradient, is on another device, or stands for a tensor
        return None


class Linear(_Compressed):
    """A compressed layer in place of `torch.nn.Linear`: f(W x + b) on tensors of shape (..., inputs)."""

    def __init__(self, layer: Layer, **arguments: Any) -> None:
        super().__init__(layer, **arguments)
        self.in_features, self.out_features = layer.inputs, layer.outputs

    def _prepare(self) -> None:
        self._run = self._held.linear(self._settings).run

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's outputs, shape (..., outputs) and of the type of `x`, shape (..., inputs)."""
        vectors = _numbers(x)
        if vectors is not None:
            shape, inputs = vectors.shape, self.in_features
            if shape == (inputs,):
                return torch.from_numpy(self._run(vectors))
            if shape[-1:] == (inputs,) and vectors.size:  # one vector is what the session takes quickest
                outputs = self._run(vectors.reshape(inputs if vectors.size == inputs else (-1, inputs)))
                return torch.from_numpy(outputs.reshape(*shape[:-1], self.out_features))
        if torch.onnx.is_in_onnx_export():
            return self._rectified(torch.nn.functional.linear(x, *self._expanded(self.in_features)))
        result: torch.Tensor = LINEAR(x, self._layer_file, self.in_features, self.out_features, *self._settings)
        return result

    def extra_repr(self) -> str:
        """Return a description of the layer for the model's printed form."""
        plan = self._held.linear(self._settings).plan[0]
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, weights={plan.weights}, "
            f"numerics={self._settings.numerics}, kernel={plan.kernel}"
        )


class Conv2d(_Compressed):
    """A compressed layer in place of the `torch.nn.Conv2d` `conv`, with all that it has besides weights."""

    def __init__(self, layer: Layer, conv: torch.nn.Conv2d, **arguments: Any) -> None:
        self._window, self._padded = window_of(conv)
        super().__init__(layer, **arguments)
        self.kernel_size, self.stride = conv.kernel_size, conv.stride
        self.padding, self.padding_mode = conv.padding, conv.padding_mode
        self.dilation, self.groups = conv.dilation, conv.groups
        self.in_channels, self.out_channels = conv.in_channels, layer.outputs

    def _prepare(self) -> None:
        channels = self._layer.inputs // math.prod(self._window.kernel)
        self._held.conv2d(self._settings, self._window, Image(channels, *self._window.extent))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (batch, channels out, down, across), of the type of `x`, (batch, channels in, height, width).

        Both may be without the batch.
        """
        if x.dim() == 3:
            result: torch.Tensor = self(x[None])[0]
            return result
        if self._padded is not None:
            mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
            x = torch.nn.functional.pad(x, self._padded, mode)
        window = self._window
        if torch.onnx.is_in_onnx_export():
            weights, bias = self._expanded(self.in_channels // self.groups, *window.kernel)
            sides = window.stride, window.padding, window.dilation
            return self._rectified(torch.nn.functional.conv2d(x, weights, bias, *sides, self.groups))
        images = _numbers(x)
        if images is not None and images.ndim == 4 and images.shape[1] == self.in_channels and images.size:
            image = Image(*images.shape[1:])
            session = self._held.conv2d(self._settings, window, image)
            outputs = session.run(images.reshape(-1, image.size))
            return torch.from_numpy(outputs.reshape(len(images), self.out_channels, *window.places(image)))
        sizes = window.kernel, window.stride, window.padding, window.dilation
        result = CONV2D(x, self._layer_file, self.in_channels, self.out_channels, *map(list, sizes), *self._settings)
        return result

    def extra_repr(self) -> str:
        """Return a description of the layer for the model's printed form."""
        facts = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        return f"{facts}, weights={self._layer.matrix.nnz}, numerics={self._settings.numerics}"


_RECURRENT = torch.nn.LSTM | torch.nn.GRU | torch.nn.LSTMCell | torch.nn.GRUCell
_EXPECTED = "a torch.nn.Linear, Conv2d, LSTM, GRU, LSTMCell or GRUCell"


def convert_(
    model: torch.nn.Module,
    compressed: Network | Mapping[str, Layer],
    *,
    numerics: str = "int16",
    threads: int | None = 1,
    kernel: str | None = None,
) -> torch.nn.Module:
    """Replace modules of `model` by compressed layers, in place, and return the model.

    `compressed` names the modules to replace, as `model.named_modules()` does: a mapping to layers, as
    `eie.compress_(...).layers` is, or a network whose layers have those names. Each must be a `torch.nn.Linear`, a
    `torch.nn.Conv2d` or the `Conv1D` of transformers, of the layer's size and groups; or an LSTM, a GRU or a cell of
    either, PyTorch's or as `eie.compress_` leaves it, whose layers and directions are named `lstm.l0`,
    `lstm.l0_reverse`, `lstm.l1` and so on, or by its own name where there is but one; those that are not given keep
    their float32 weights. All other modules, `torch.nn.RNN` among them, cannot be replaced and stay as they are. If a
    layer has ReLU, the new module applies it; a ReLU that follows in the model then changes nothing. Either all modules
    are replaced or, after an error, none.

    A `torch.nn.MultiheadAttention` with a compressed `out_proj` calls it, and a `torch.nn.TransformerEncoder` with a
    compressed layer inside leaves out its fast path, which reads the weights of layers instead of calling them.
    """
    layers = {layer.name: layer for layer in compressed.layers} if isinstance(compressed, Network) else dict(compressed)
    modules = dict(model.named_modules())
    converted: dict[str, torch.nn.Module] = {}
    arguments: dict[str, Any] = {"numerics": numerics, "threads": threads, "kernel": kernel}
    for name, module in modules.items():
        if isinstance(module, REPLACEABLE) and name:
            given = {part: layers.pop(part) for part in layer_names(module, name) if part in layers}
            if given:
                converted[name] = compressed_sequences(_parts(module, name, given), module, arguments)
    for name, layer in layers.items():
        module = modules.get(name) if name else None  # the model itself has no parent whose attribute could be replaced
        if not _can_be_replaced(module):
            found = "no module" if module is None else f"a {type(module).__name__}"
            raise InputError(f"the model has {found} called {name!r}, expected {_EXPECTED}")
        assert module is not None
        outputs, inputs = _sizes(module)
        if (outputs, inputs) != (layer.outputs, layer.inputs):
            raise InputError(
                f"module {name} is {outputs} x {inputs}, but the compressed layer is {layer.outputs} x {layer.inputs}"
            )
        require_callable_layers(model, name)
        converted[name] = _compressed(layer, module, arguments)
    for name, replacement in converted.items():
        _replace(model, name, replacement)
    return model


def _parts(module: Any, name: str, given: Mapping[str, Layer]) -> list[Layer | Dense]:
    """Return a recurrent module's matrices: those given, and its own weights for others."""
    names = layer_names(module, name)
    if len(given) == len(names):
        return [given[part] for part in names]
    own = lowered(module, name) if isinstance(module, torch.nn.LSTM | torch.nn.GRU) else module
    children: Any = own.children()
    return [given.get(part) or uncompressed(child, part) for part, child in zip(names, children, strict=True)]


def _compressed(layer: Layer, module: torch.nn.Module, arguments: dict[str, Any]) -> torch.nn.Module:
    if isinstance(module, torch.nn.Conv2d):
        return Conv2d(replace(layer, groups=module.groups), module, **arguments)
    return Linear(layer, **arguments)


def _replace(model: torch.nn.Module, name: str, replacement: torch.nn.Module) -> None:
    call_layers_(model, name)
    replaced = model.get_submodule(name)
    for other, module in list(model.named_modules(remove_duplicate=False)):
        if module is replaced:  # under each of its names
            parent, _, child = other.rpartition(".")
            setattr(model.get_submodule(parent), child, replacement)


def _sizes(module: Any) -> tuple[int, int]:
    """Return the outputs and inputs of a module's whole matrix, of all its groups."""
    if is_transposed(module):
        inputs, outputs = module.weight.shape
        return outputs, inputs
    return len(module.weight), module.weight[0].numel() * getattr(module, "groups", 1)


def load_(
    model: torch.nn.Module,
    checkpoint: str | Path,
    recipe: Recipe | None = None,
    *,
    numerics: str = "int16",
    threads: int | None = 1,
    kernel: str | None = None,
) -> torch.nn.Module:
    """Load a checkpoint into `model`, its layers compressed one after the other, and return the model.

    `checkpoint` is one that somebody pruned, by any means that leave zeros or masks (`eie.pytorch.checkpoints`), in one
    file, several files with an index, or a folder: every layer that `convert_` takes
    becomes a compressed one, shared and encoded as `recipe` says; weights that are zero stay so, and others are pruned
    only where it gives a density. Weights that several modules have stay as they are, and tied. Or it is the
    `state_dict()` of a model with compressed layers: those layers, and no others, are compressed then. `model` may be
    on the device "meta": no more than one layer's float32 weights are in memory beside the compressed model.

    Raises InputError for a checkpoint that has not all of the model's tensors, or others, or of another shape; the
    model is not to be used then.
    """
    recipe = Recipe() if recipe is None else recipe
    if recipe.prune is not None and recipe.prune.scope == "global":
        raise InputError("the recipe prunes all layers together, expected scope = 'layer' where they are read in turn")
    weights = open_weights(checkpoint)
    arguments: dict[str, Any] = {"numerics": numerics, "threads": threads, "kernel": kernel}
    tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    names_of: dict[int, list[str]] = {}
    for name, tensor in tensors:
        names_of.setdefault(id(tensor), []).append(name)
    used: set[str] = set()
    compressed_already = any(name.endswith("_extra_state") for name in weights)
    modules = dict(model.named_modules())
    recipe.require_layers(
        known
        for name, module in modules.items()
        if _can_be_replaced(module) or isinstance(module, _RECURRENT)
        for known in recipe_names(module, name)
    )
    for name, module in modules.items():
        state, weight = f"{name}._extra_state".lstrip("."), f"{name}.weight"
        if isinstance(module, _RECURRENT) and name and recipe.of(name).compress:
            own = [f"{name}.{tensor}" for tensor in module._parameters]
            if state in weights:
                parts = parts_of_bytes(weights[state], _cell(module))
                used.add(state)
            elif compressed_already or any(len(names_of[id(tensor)]) > 1 for tensor in module.parameters()):
                continue
            elif getattr(module, "proj_size", 0) == 0 and all(tensor in weights for tensor in own):
                parts = tuple(_shared_parts(name, module, weights, recipe))
                used |= set(own)
            else:
                continue
            _replace(model, name, compressed_sequences(parts, module, arguments))
            continue
        if not _can_be_replaced(module) or not name or not recipe.of(name).compress:
            continue
        if state in weights:
            layer = layer_of(weights[state])
            used.add(state)
        elif not compressed_already and weight in weights and len(names_of[id(module.weight)]) == 1:
            layer = _shared_layer(name, module, weights, recipe)
            used |= {weight, f"{name}.bias"}
        else:
            continue
        sizes = _sizes(module)
        if sizes != (layer.outputs, layer.inputs):
            raise InputError(
                f"weights {weights.source}: {name} is {layer.outputs} x {layer.inputs}, expected {sizes[0]} x "
                f"{sizes[1]} as the model has it"
            )
        require_callable_layers(model, name)
        _replace(model, name, _compressed(layer, module, arguments))
    _load_rest(model, weights, names_of, used)
    return model.eval()


def _read(name: str, module: Any, weights: Weights) -> torch.Tensor:
    """Return the tensor `name` of the weights, of the shape that it has in the module."""
    tensor = weights[name].float()
    expected = getattr(module, name.rpartition(".")[2]).shape
    if tensor.shape != expected:
        raise InputError(
            f"weights {weights.source}: {name} has the shape {tuple(tensor.shape)}, expected {tuple(expected)}"
        )
    return tensor


def _shared_parts(name: str, module: Any, weights: Weights, recipe: Recipe) -> Iterator[Layer | Dense]:
    """Read the weights of an LSTM, a GRU or a cell part by part, and return each shared and encoded."""
    ends = [f"_{end}" for end in part_names(module)] if isinstance(module, torch.nn.LSTM | torch.nn.GRU) else [""]
    for part, end in zip(layer_names(module, name), ends, strict=True):
        kinds = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if module.bias else ()))
        read = [_read(f"{name}.{kind}{end}", module, weights) for kind in kinds]
        cell = RecurrentLayer(_cell(module), *read)
        if recipe.of(part).compress:
            bias = None if cell.bias is None else array(cell.bias)
            yield _shared(part, cell.weight.detach(), bias, recipe)
        else:
            yield uncompressed(cell, part)


def _cell(module: torch.nn.Module) -> Cell:
    return "lstm" if isinstance(module, torch.nn.LSTM | torch.nn.LSTMCell) else "gru"


def _shared_layer(name: str, module: Any, weights: Weights, recipe: Recipe) -> Layer:
    """Read one layer's weights, and return them shared and encoded."""
    tensor = _read(f"{name}.weight", module, weights)
    tensor = tensor.t().contiguous() if is_transposed(module) else tensor
    bias = weights[f"{name}.bias"].float().numpy().copy() if f"{name}.bias" in weights else None
    if (bias is None) != (module.bias is None):
        has, model_has = ("no", "one") if bias is None else ("a", "none")
        raise InputError(f"weights {weights.source} have {has} bias for {name}, and the model has {model_has}")
    return _shared(name, tensor, bias, recipe, getattr(module, "groups", 1))


def _shared(
    name: str, tensor: torch.Tensor, bias: npt.NDArray[np.float32] | None, recipe: Recipe, groups: int = 1
) -> Layer:
    """Return weights, pruned as the recipe says, shared and encoded."""
    density = recipe.density_of(name)
    if density is not None:
        tensor = tensor * magnitude_mask(tensor, density)
    if not torch.isfinite(tensor).all():
        raise InputError(f"the weights of {name} must be finite, but some are NaN or infinite")
    rows = tensor.reshape(len(tensor), -1).numpy()
    codes, codebook = share(rows, recipe.bits_of(name), recipe.share.clustering, seed=recipe.seed)
    matrix = encode(in_groups(codes, groups), codebook, recipe.encode.n_pe, recipe.encode.first_index_bits)
    layer = Layer(name, matrix, bias, groups=groups)
    return size_optimal(layer) if recipe.encode.index_bits == "best" else layer


def _load_rest(model: torch.nn.Module, weights: Weights, names_of: dict[int, list[str]], used: set[str]) -> None:
    """Load every tensor that no compressed layer has taken, in place of the model's own."""
    loaded: dict[int, torch.Tensor] = {}
    here = {id(module): name for name, module in model.named_modules()}
    for module in model.modules():
        own_tensors: list[dict[str, Any]] = [module._parameters, module._buffers]
        for kind in own_tensors:
            for own, tensor in kind.items():
                if tensor is None:
                    continue
                name = f"{here[id(module)]}.{own}".lstrip(".")
                aliases = names_of.get(id(tensor), [name])
                found = next((alias for alias in (name, *aliases) if alias in weights), None)
                used |= set(aliases)
                if found is None:
                    if own in module._non_persistent_buffers_set and not tensor.is_meta:
                        continue
                    raise InputError(f"weights {weights.source} have no {name}, which the model has")
                if id(tensor) not in loaded:
                    read = weights[found]
                    if read.shape != tensor.shape:
                        raise InputError(
                            f"weights {weights.source}: {found} has the shape {tuple(read.shape)}, expected "
                            f"{tuple(tensor.shape)}"
                        )
                    copy = read.to(tensor.dtype, copy=True)
                    is_parameter = isinstance(tensor, torch.nn.Parameter)
                    loaded[id(tensor)] = torch.nn.Parameter(copy, tensor.requires_grad) if is_parameter else copy
                kind[own] = loaded[id(tensor)]
    others = sorted(set(weights) - used)
    if others:
        raise InputError(f"weights {weights.source} have {others[0]}, which the model has not")


def _can_be_replaced(module: torch.nn.Module | None) -> bool:
    """Return whether the module computes as PyTorch's own does: one with a way of its own would lose it."""
    if not isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
        return is_transposed(module)
    own = (torch.nn.Linear.forward, torch.nn.Conv2d.forward)
    return type(module).forward in own and "forward" not in vars(module)
