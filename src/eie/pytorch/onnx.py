"""Reading ONNX files as PyTorch modules: a chain of nodes becomes a sequence of layers that can be compressed."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from eie.errors import InputError
from eie.pytorch.names import module_name
from eie.pytorch.onnx_reference import require_same
from eie.support.extras import needed_for
from eie.support.output_files import existing_file

with needed_for("reading ONNX"):
    import onnx
    import onnx.numpy_helper

__all__ = ["read_onnx"]

_PLAIN: dict[str, type[nn.Module]] = {
    "Relu": nn.ReLU,
    "Tanh": nn.Tanh,
    "Sigmoid": nn.Sigmoid,
    "Identity": nn.Identity,
    "Dropout": nn.Identity,
    "Flatten": nn.Flatten,
}


def read_onnx(path: str | Path) -> nn.Sequential:
    """Return the network of an ONNX file as a sequence of modules, named after their weights.

    Supported nodes are Gemm, MatMul and Add, Conv, BatchNormalization, MaxPool, AveragePool, GlobalAveragePool, Relu,
    Tanh, Sigmoid, Softmax, LogSoftmax, Flatten, Reshape to vectors, Dropout and Identity. Raises InputError, naming
    the node, for any other, for nodes that do not form a chain, and for modules that do not compute what ONNX's own
    reference does.
    """
    path = existing_file(path, "model")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and ONNX's errors have no common class
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"model {path} is not a whole ONNX file: {reason}") from error
    try:
        reader = _Reader(model.graph)
        modules = reader.modules()
        require_same(model, modules, reader.values)
        return modules
    except InputError as error:
        raise InputError(f"model {path}: {error}") from error
    except Exception as error:  # a text that is not UTF-8 comes as bytes, which nothing here expects
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"model {path} has values that no ONNX file may have: {reason}") from error


class _Reader:
    """One graph, node by node."""

    def __init__(self, graph: Any) -> None:
        self.nodes = list(graph.node)
        self.constants = {one.name: _array(one, f"initialiser {one.name}") for one in graph.initializer}
        inputs = [one.name for one in graph.input if one.name not in self.constants]
        if len(inputs) != 1:
            raise InputError(f"the graph has {len(inputs)} inputs, expected one")
        self.last = inputs[0]
        self.outputs = [one.name for one in graph.output]
        self.layers: OrderedDict[str, nn.Module] = OrderedDict()
        self.values: dict[str, str] = {}  # by module: the value of the graph that it gives

    def modules(self) -> nn.Sequential:
        for node in self.nodes:
            if node.op_type == "Constant":
                if len(node.attribute) != 1 or node.attribute[0].name != "value":
                    raise InputError(f"node {self._name(node)} is a Constant, expected a tensor as its one attribute")
                self.constants[node.output[0]] = _array(node.attribute[0].t, f"node {self._name(node)}")
                continue
            data = [name for name in node.input if name and name not in self.constants]
            if data != [self.last]:
                raise InputError(
                    f"node {self._name(node)} takes {', '.join(data) or 'no input'}, expected {self.last} alone: the "
                    "nodes must be in a row"
                )
            try:
                self._take(node)
            except InputError:
                raise
            except Exception as error:  # whatever PyTorch makes of values that ONNX's checker lets pass
                reason = " ".join(str(error).split()) or type(error).__name__
                raise InputError(
                    f"node {self._name(node)} is a {node.op_type} that cannot be read: {reason}"
                ) from error
            self.last = node.output[0]
            self.values[next(reversed(self.layers))] = self.last
        if self.outputs != [self.last]:
            raise InputError(f"the graph gives {', '.join(self.outputs) or 'nothing'}, expected {self.last} alone")
        if not self.layers:
            raise InputError("the graph has no nodes, expected at least one layer")
        return nn.Sequential(self.layers)

    def _take(self, node: Any) -> None:
        facts = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        arrays = [self.constants[name] for name in node.input if name in self.constants]
        kind = node.op_type
        name = self._name(node)
        if kind in _PLAIN:
            if kind == "Flatten" and facts.get("axis", 1) != 1:
                raise InputError(f"node {name} flattens from axis {facts['axis']}, expected 1")
            self._add(name, _PLAIN[kind]())
        elif kind == "Reshape":
            if len(arrays) != 1 or arrays[0].ndim != 1 or len(arrays[0]) != 2:
                raise InputError(f"node {name} must reshape to two numbers that are in the file: (batch, -1)")
            if arrays[0][0] < -1 or (arrays[0][0] > 1 and arrays[0][1] != -1):
                raise InputError(f"node {name} reshapes to {arrays[0].tolist()}, expected vectors: (batch, -1)")
            self._add(name, nn.Flatten())
        elif kind in ("Softmax", "LogSoftmax"):
            if facts.get("axis", -1) not in (-1, 1):
                raise InputError(f"node {name} runs over axis {facts['axis']}, expected 1, the values of a vector")
            self._add(name, nn.Softmax(1) if kind == "Softmax" else nn.LogSoftmax(1))
        elif kind == "Gemm":
            if facts.get("alpha", 1.0) != 1 or facts.get("beta", 1.0) != 1 or facts.get("transA", 0):
                raise InputError(f"node {name} must have alpha and beta of 1 and no transA")
            weights, *biases = _floats(name, arrays, 1, 2)
            if weights.ndim != 2 or node.input[0] != self.last:
                raise InputError(f"node {name} must multiply its input with a matrix, not {weights.shape}")
            self._linear(name, weights if facts.get("transB", 0) else weights.T, biases[0] if biases else None)
        elif kind == "MatMul" and len(arrays) == 1 and arrays[0].ndim == 2 and node.input[1] in self.constants:
            self._linear(name, _floats(name, arrays, 1, 1)[0].T, None)
        elif kind == "Add" and len(arrays) == 1 and self._takes_bias(arrays[0]):
            before, last = self.layers.popitem()
            assert isinstance(last, nn.Linear)
            self._linear(before, last.weight.detach().numpy(), _floats(name, arrays, 1, 1)[0].reshape(-1))
        elif kind == "Conv":
            self._add(name, _convolution(name, _floats(name, arrays, 1, 2), facts))
        elif kind == "BatchNormalization":
            self._add(name, _batch_norm(name, _floats(name, arrays, 4, 4), facts))
        elif kind in ("MaxPool", "AveragePool"):
            self._add(name, _pooling(name, kind, facts))
        elif kind == "GlobalAveragePool":
            self._add(name, nn.AdaptiveAvgPool2d(1))
        else:
            raise InputError(f"node {name} is a {kind}, which cannot be read")

    def _takes_bias(self, array: np.ndarray[Any, Any]) -> bool:
        last = next(reversed(self.layers.values()), None)
        return isinstance(last, nn.Linear) and last.bias is None and array.size == last.out_features

    def _linear(self, name: str, weights: np.ndarray[Any, Any], bias: np.ndarray[Any, Any] | None) -> None:
        if 0 in weights.shape:
            raise InputError(f"node {name} has weights of {weights.shape[0]} x {weights.shape[1]}, expected some")
        if bias is not None:
            if bias.size not in (1, len(weights)) or bias.shape[-1:] != (bias.size,) * (bias.ndim > 0):
                raise InputError(f"node {name} has a bias of shape {bias.shape}, expected ({len(weights)},)")
            bias = np.broadcast_to(bias.reshape(-1), (len(weights),))
        linear = nn.Linear(weights.shape[1], weights.shape[0], bias is not None)
        linear.weight.data = torch.from_numpy(np.array(weights, np.float32))
        if bias is not None:
            linear.bias.data = torch.from_numpy(np.array(bias, np.float32))
        self._add(name, linear)

    def _add(self, name: str, module: nn.Module) -> None:
        self.layers[module_name(name, self.layers)] = module

    def _name(self, node: Any) -> str:
        """Return a module's name: that of its weights without ".weight", or the node's own, or its kind."""
        weights = next((name for name in node.input if name in self.constants and name.endswith(".weight")), "")
        return module_name(weights.removesuffix(".weight") or node.name or node.op_type.lower(), ())


def _array(tensor: Any, what: str) -> np.ndarray[Any, Any]:
    """Return a tensor's values; raise InputError where they are not as many as its shape says."""
    try:
        return onnx.numpy_helper.to_array(tensor)
    except Exception as error:  # values of another size or type than are said
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{what} has values that cannot be read: {reason}") from error


def _floats(name: str, arrays: list[Any], least: int, most: int) -> list[Any]:
    """Return a node's constants, which must be real numbers and `least` to `most` of them."""
    if not least <= len(arrays) <= most:
        raise InputError(f"node {name} has {len(arrays)} constants in the file, expected {least} to {most}")
    for array in arrays:
        if array.dtype.kind != "f":
            raise InputError(f"node {name} has constants of {array.dtype}, expected real numbers")
    return arrays


def _pair(name: str, facts: dict[str, Any], what: str, default: tuple[int, ...] = ()) -> tuple[int, int]:
    """Return two sizes of a window, each 1 to 1024."""
    values = tuple(facts.get(what, default))
    if len(values) != 2 or not all(isinstance(value, int) and 1 <= value <= 1024 for value in values):
        raise InputError(f"node {name} has {what} {values}, expected two, each 1 to 1024")
    return values


def _pads(name: str, facts: dict[str, Any]) -> tuple[int, int]:
    if facts.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise InputError(f"node {name} must have its padding in numbers, not auto_pad")
    pads = facts.get("pads", [0, 0, 0, 0])
    if len(pads) != 4 or not all(0 <= value <= 1024 for value in pads):
        raise InputError(f"node {name} has pads {pads}, expected four, each 0 to 1024")
    top, left, bottom, right = pads
    if (top, left) != (bottom, right):
        raise InputError(f"node {name} pads {top}, {left}, {bottom} and {right}, expected the same on opposite sides")
    return top, left


def _convolution(name: str, arrays: list[Any], facts: dict[str, Any]) -> nn.Conv2d:
    weights = arrays[0]
    if weights.ndim != 4 or set(facts.get("dilations", [1])) != {1}:
        raise InputError(f"node {name} must be a convolution in two dimensions without dilation")
    groups = facts.get("group", 1)
    if (
        groups < 1
        or len(weights) % groups
        or 0 in weights.shape
        or (len(arrays) > 1 and arrays[1].shape != weights.shape[:1])
    ):
        raise InputError(
            f"node {name} has weights of {weights.shape} in {groups} groups and "
            f"{f'a bias of {arrays[1].shape}' if len(arrays) > 1 else 'no bias'}, which do not fit each other"
        )
    module = nn.Conv2d(
        weights.shape[1] * groups,
        weights.shape[0],
        weights.shape[2:],
        _pair(name, facts, "strides", (1, 1)),
        _pads(name, facts),
        groups=groups,
        bias=len(arrays) > 1,
    )
    module.weight.data = torch.from_numpy(np.array(weights, np.float32))
    if module.bias is not None:
        module.bias.data = torch.from_numpy(np.array(arrays[1], np.float32))
    return module


def _batch_norm(name: str, arrays: list[Any], facts: dict[str, Any]) -> nn.BatchNorm2d:
    if any(array.ndim != 1 or array.shape != arrays[0].shape for array in arrays) or len(arrays[0]) == 0:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise InputError(f"node {name} has scale, shift, mean and variance of {shapes}, expected one value per channel")
    module = nn.BatchNorm2d(len(arrays[0]), eps=facts.get("epsilon", 1e-5))
    tensors = (module.weight.data, module.bias.data, module.running_mean, module.running_var)
    for tensor, array in zip(tensors, arrays, strict=True):
        assert tensor is not None
        tensor.copy_(torch.from_numpy(np.array(array, np.float32)))
    return module


def _pooling(name: str, kind: str, facts: dict[str, Any]) -> nn.Module:
    if facts.get("ceil_mode", 0) or set(facts.get("dilations", [1])) != {1}:
        raise InputError(f"node {name} must round down and have no dilation")
    kernel, padding = _pair(name, facts, "kernel_shape"), _pads(name, facts)
    stride = _pair(name, facts, "strides", (1, 1))
    if kind == "MaxPool":
        return nn.MaxPool2d(kernel, stride, padding)
    if any(padding) and not facts.get("count_include_pad", 0):
        raise InputError(f"node {name} must count its padding in the average")
    return nn.AvgPool2d(kernel, stride, padding)
