"""PyTorch modules as networks: the forward pass is traced, and each call becomes a step.

A layer whose weights are shared (`eie.compress`) becomes a compressed layer; any other keeps its float32 weights.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.fx
from torch import nn
from torch.fx.passes.shape_prop import ShapeProp

from eie.encoding.csc import encode
from eie.errors import InputError
from eie.model.network import Layer, Network, Step
from eie.pytorch.recurrent_and_winograd import RecurrentCell, RecurrentLayer, WinogradConv2d, lowered
from eie.pytorch.sharing import is_shared
from eie.steps import (
    ACTIVATIONS,
    Activation,
    Affine,
    Convolution,
    Dense,
    Image,
    Pooling,
    Recurrent,
    Window,
    Winograd,
)
from eie.steps.winograd import PLACES
from eie.support.names import unique_name

__all__ = ["Target", "network_of", "products_of"]

Target = nn.Linear | nn.Conv2d | WinogradConv2d | RecurrentCell  # modules whose weights can be shared

_FUNCTIONS = {
    torch.relu: "relu",
    nn.functional.relu: "relu",
    torch.tanh: "tanh",
    nn.functional.tanh: "tanh",
    torch.sigmoid: "sigmoid",
    nn.functional.sigmoid: "sigmoid",
    torch.softmax: "softmax",
    nn.functional.softmax: "softmax",
    torch.log_softmax: "log_softmax",
    nn.functional.log_softmax: "log_softmax",
    nn.functional.dropout: "nothing",
    nn.functional.max_pool2d: "max",
    nn.functional.avg_pool2d: "average",
}
# The arguments of a pooling, by their place among its function's.
_POOLINGS = {
    "max": {"kernel_size": 1, "stride": 2, "padding": 3, "dilation": 4, "ceil_mode": 5, "return_indices": 6},
    "average": {
        "kernel_size": 1,
        "stride": 2,
        "padding": 3,
        "ceil_mode": 4,
        "count_include_pad": 5,
        "divisor_override": 6,
    },
}
_METHODS = {"relu", "tanh", "sigmoid", "softmax", "log_softmax"}
_MODULES: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Softmax: "softmax",
    nn.LogSoftmax: "log_softmax",
}
_NOTHING = (nn.Flatten, nn.Unflatten, nn.Dropout, nn.Dropout2d, nn.Identity)


def products_of(module: Target, name: str, n_pe: int = 64, index_bits: int = 4) -> tuple[Layer | Dense, ...]:
    """Return the module's matrix and bias: a compressed layer if its weights are shared, a dense one otherwise.

    The matrix of a convolution is (channels out, channels in x height x width). A convolution in the Winograd domain
    has sixteen matrices, called name.0 to name.15, without bias.
    """
    weights = _array(module.weight)
    bias = None if module.bias is None else _array(module.bias)
    sixteen = isinstance(module, WinogradConv2d)
    names = _product_names(module, name)
    bias = None if sixteen else bias

    def parts(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return array if sixteen else array.reshape(1, len(array), -1)

    shared = _shared(module)
    if shared is None:
        zeros = np.zeros(parts(weights).shape[1], np.float32)
        return tuple(
            Dense(part_name, part, zeros if bias is None else bias)
            for part_name, part in zip(names, parts(weights), strict=True)
        )
    codes, codebook = shared
    return tuple(
        Layer(part_name, encode(part, codebook, n_pe, index_bits), bias)
        for part_name, part in zip(names, parts(codes), strict=True)
    )


def _product_names(module: Target, name: str) -> list[str]:
    """Return the names of the module's matrices: its own, or one for each place of the Winograd domain."""
    return [f"{name}.{place}" for place in range(PLACES)] if isinstance(module, WinogradConv2d) else [name]


def _shared(module: nn.Module) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]] | None:
    """Return the codes and the codebook of shared weights, or None where they are not shared."""
    if not is_shared(module):
        return None
    parametrisations: Any = module.parametrizations
    centroids = _array(parametrisations["weight"].original)
    return parametrisations["weight"][-1].codes.numpy(), np.concatenate((np.zeros(1, np.float32), centroids))


def network_of(
    model: nn.Module,
    input_shape: tuple[int, ...],
    *,
    name: str = "network",
    layers: Mapping[str, Layer] | None = None,
    n_pe: int = 64,
    index_bits: int = 4,
) -> Network:
    """Return `model`, whose inputs have `input_shape` without the batch, as a network.

    `layers` are those already encoded, by name; any other that is shared is encoded for `n_pe` PEs and `index_bits`.

    Its forward pass must be a chain of linear layers, 2-D convolutions without groups, batch normalisation, max and
    average pooling, one-layer LSTMs and GRUs, ReLU, tanh, sigmoid, softmax, flattening and dropout. Raises InputError,
    naming the first call, for anything else: such a model is compressed in place (`eie.compress_`) and its layers
    are run by `eie.pytorch.nn.convert_`.
    """
    training = model.training
    model.eval()
    try:
        graph = torch.fx.GraphModule(model, _Tracer().trace(model))
        graph.graph.eliminate_dead_code()  # results that the model unpacks and leaves
        ShapeProp(graph).propagate(torch.zeros(1, *input_shape))
    except Exception as error:  # whatever the model's own code raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"the model does not run on one input of shape {input_shape}: {reason}") from error
    finally:
        model.train(training)
    tracer = _Chain(graph, layers or {}, n_pe, index_bits)
    for node in graph.graph.nodes:
        tracer.take(node)
    if not tracer.steps:
        raise InputError("the model has no layer to run, expected at least one")
    return Network(tuple(tracer.steps), name)


class _Tracer(torch.fx.Tracer):
    """Traces down to the layers that are steps of their own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, WinogradConv2d | RecurrentLayer) or super().is_leaf_module(m, module_qualified_name)


_EVERY = slice(None)
# The results of a recurrent layer that a model may use: all states, or the last one.
_ALL = (0,)
_LAST: dict[str, list[tuple[Any, ...]]] = {
    "lstm": [(0, (_EVERY, -1)), (0, (_EVERY, -1, _EVERY)), (1, 0, -1), (1, 0, 0)],
    "gru": [(0, (_EVERY, -1)), (0, (_EVERY, -1, _EVERY)), (1, -1), (1, 0)],
}


class _Chain:
    """The steps of a graph's nodes, in order."""

    def __init__(self, graph: torch.fx.GraphModule, encoded: Mapping[str, Layer], n_pe: int, index_bits: int) -> None:
        self.modules = dict(graph.named_modules())
        self.encoded = encoded
        self.n_pe, self.index_bits = n_pe, index_bits
        self.steps: list[Step] = []
        self.last: torch.fx.Node | None = None
        self.taken: tuple[Any, ...] | None = None  # the indices applied so far to a recurrent layer's results

    def take(self, node: torch.fx.Node) -> None:
        """Add the step of one node."""
        if node.op == "placeholder":
            if self.last is not None:
                raise InputError(f"the model has a second input, {node.name}, expected one")
            self.last = node
            return
        if "tensor_meta" not in node.meta:  # sizes for a view
            return
        tensors = [source for source in node.all_input_nodes if "tensor_meta" in source.meta]
        if tensors != [self.last]:
            given = ", ".join(source.name for source in tensors) or "no input"
            expected = self.last.name if self.last else "the input"
            raise InputError(f"the model is not a chain: {node.name} takes {given}, expected {expected} alone")
        self.last = node
        if self.taken is not None and node.target is operator.getitem:
            self._take_states(node.args[1])
            return
        if self.taken not in (None, _ALL):
            raise InputError(
                f"{node.name} takes a part of {self.steps[-1].name}'s results that is not supported, "
                "expected all states or the last one"
            )
        self.taken = None
        before = tuple(tensors[0].meta["tensor_meta"].shape)
        meta = node.meta["tensor_meta"]
        after = tuple(meta.shape) if node.op != "output" and hasattr(meta, "shape") else before
        if node.op == "call_module":
            self._module(node, str(node.target), self.modules[str(node.target)], before)
        elif node.op == "call_function" and node.target in _FUNCTIONS:
            self._function(node, _FUNCTIONS[node.target], before)
        elif node.op == "call_method" and node.target in _METHODS:
            self._function(node, str(node.target), before)
        elif not (node.op == "output" or (np.prod(before) == np.prod(after) and _moves(node))):
            raise _unknown(node.name, str(node.target))
        if before[:1] != after[:1]:
            raise InputError(f"{node.name} makes {after} of {before}, expected the same number of items in the batch")

    def _take_states(self, index: Any) -> None:
        """Follow `index` into the results of the recurrent layer before."""
        recurrent = self.steps[-1]
        assert isinstance(recurrent, Recurrent)
        assert self.taken is not None
        self.taken = (*self.taken, index)
        if self.taken in _LAST[recurrent.cell]:
            self.steps[-1] = replace(recurrent, last_only=True)
            self.taken = None

    def _module(self, node: torch.fx.Node, name: str, module: nn.Module, shape: tuple[int, ...]) -> None:
        if isinstance(module, nn.LSTM | nn.GRU):  # one that was not to be compressed
            module = lowered(module, name)
        kind = next((kind for module_type, kind in _MODULES.items() if isinstance(module, module_type)), None)
        if isinstance(module, nn.Linear):
            if len(shape) != 2:
                raise InputError(
                    f"layer {name} gets inputs of shape {shape[1:]}, expected one vector: flatten it first"
                )
            self.steps += self._products(module, name)
        elif isinstance(module, WinogradConv2d):
            places = tuple(product for product in self._products(module, name) if isinstance(product, Layer))
            bias = np.zeros(module.out_channels, np.float32) if module.bias is None else _array(module.bias)
            self.steps.append(Winograd(name, _image(shape), module.padding, places, bias))
        elif isinstance(module, RecurrentLayer):
            if len(shape) != 3:
                raise InputError(f"{name} gets inputs of shape {shape[1:]}, expected (steps, features)")
            (product,) = self._products(module, name)
            self.steps.append(Recurrent(name, module.kind, shape[1], shape[2], product))
            self.taken = ()
        elif isinstance(module, nn.Conv2d):
            if module.groups != 1 or set(module.dilation) != {1} or isinstance(module.padding, str):
                raise InputError(f"convolution {name} must have no groups, no dilation, and its padding in numbers")
            if module.padding_mode != "zeros" and any(module.padding):
                raise InputError(f"convolution {name} pads with {module.padding_mode}, expected zeros")
            window = Window(_pair(module.kernel_size), _pair(module.stride), _pair(module.padding))
            (product,) = self._products(module, name)
            self.steps.append(Convolution(name, _image(shape), window, product))
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            self.steps.append(_affine(module, name, shape))
        elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            name = self._unique(node, name)
            pool = "max" if isinstance(module, nn.MaxPool2d) else "average"
            self._pool(name, pool, shape, {key: getattr(module, key) for key in _POOLINGS[pool]})
        elif isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1)):
            self._pool(self._unique(node, name), "average", shape, {"kernel_size": shape[2:]})
        elif kind is not None:
            self._function(node, kind, shape, getattr(module, "dim", None))
        elif not isinstance(module, _NOTHING):
            raise _unknown(name, type(module).__name__)

    def _unique(self, node: torch.fx.Node, name: str) -> str:
        """Return a name for a step without weights, which a model may call again, that no step or other module has."""
        own = {str(node.target)} if node.op == "call_module" else set()
        taken = {step.name for step in self.steps} | (self.modules.keys() - own)
        return unique_name(name, taken)

    def _products(self, module: Target, name: str) -> tuple[Layer | Dense, ...]:
        names = _product_names(module, name)
        if all(known in self.encoded for known in names):
            return tuple(self.encoded[known] for known in names)
        return products_of(module, name, self.n_pe, self.index_bits)

    def _function(self, node: torch.fx.Node, kind: str, shape: tuple[int, ...], dim: int | None = None) -> None:
        size = int(np.prod(shape[1:]))
        given: dict[Any, Any] = {**dict(enumerate(node.args)), **node.kwargs}
        if kind in _POOLINGS:
            arguments = {key: given.get(key, given.get(place)) for key, place in _POOLINGS[kind].items()}
            chosen = {key: value for key, value in arguments.items() if value is not None}
            self._pool(self._unique(node, node.name), kind, shape, chosen)
        elif kind == "relu" and self.steps and (rectified := _rectified(self.steps[-1])) is not None:
            self.steps[-1] = rectified
        elif kind in ACTIVATIONS:
            if "softmax" in kind:
                dim = given.get("dim", given.get(1, dim)) if node.op != "call_module" else dim
                if len(shape) != 2:
                    raise InputError(
                        f"{node.name} gets inputs of shape {shape[1:]}, expected one vector: flatten it first"
                    )
                if dim not in (None, 1, -1):
                    raise InputError(f"{node.name} runs over dimension {dim}, expected 1, the values of a vector")
            self.steps.append(Activation(self._unique(node, node.name), size, kind))
        elif node.target is nn.functional.dropout and given.get("training", given.get(2, True)):
            raise InputError(
                f"{node.name} drops out in evaluation, too: give it training=self.training, or use nn.Dropout"
            )

    def _pool(self, name: str, kind: str, shape: tuple[int, ...], given: Mapping[str, Any]) -> None:
        """Add a pooling with the arguments of PyTorch's."""
        if given.get("ceil_mode") or given.get("dilation", 1) not in (1, (1, 1)):
            raise InputError(f"pooling {name} must round down and have no dilation")
        kernel, padding = _pair(given["kernel_size"]), _pair(given.get("padding", 0))
        if any(padding) and not given.get("count_include_pad", True):
            raise InputError(f"pooling {name} leaves its padding out of the average, expected count_include_pad=True")
        if given.get("divisor_override") not in (None, kernel[0] * kernel[1]):
            raise InputError(
                f"pooling {name} divides by {given['divisor_override']}, expected the {kernel[0] * kernel[1]} values "
                "of its window"
            )
        window = Window(kernel, _pair(given.get("stride") or kernel), padding)
        self.steps.append(Pooling(name, _image(shape), window, "max" if kind == "max" else "average"))


def _rectified(step: Step) -> Step | None:
    """Return `step` with a ReLU of its own, or None if a step of its kind has none."""
    if isinstance(step, Layer | Dense | Winograd) and not step.relu:
        return replace(step, relu=True)
    if isinstance(step, Convolution) and not step.product.relu:
        return replace(step, product=replace(step.product, relu=True))
    return None


def _affine(module: nn.BatchNorm1d | nn.BatchNorm2d, name: str, shape: tuple[int, ...]) -> Affine:
    if module.running_mean is None or module.running_var is None:
        raise InputError(f"batch normalisation {name} must have running statistics")
    ones = torch.ones(module.num_features)
    scale = (ones if module.weight is None else module.weight) / torch.sqrt(module.running_var + module.eps)
    shift = (0 * ones if module.bias is None else module.bias) - module.running_mean * scale
    return Affine(name, int(np.prod(shape[2:])), _array(scale), _array(shift))


def _moves(node: torch.fx.Node) -> bool:
    """Whether a call that gives as many values as it takes only reshapes them."""
    if node.target is operator.getitem:  # a list or a tensor as an index may reorder
        index = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
        return all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in index)
    return node.target in (
        "view",
        "reshape",
        "flatten",
        "contiguous",
        torch.flatten,
        torch.reshape,
    )


def _unknown(name: str, what: str) -> InputError:
    return InputError(
        f"{name} is a {what}, which a network cannot hold: compress the model in place with eie.compress_ and run its "
        "layers with eie.pytorch.nn.convert_"
    )


def _image(shape: tuple[int, ...]) -> Image:
    if len(shape) != 4:
        raise InputError(f"an image must have the shape (batch, channels, height, width), not {shape}")
    return Image(*shape[1:])


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _array(tensor: torch.Tensor) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().numpy(), np.float32)
