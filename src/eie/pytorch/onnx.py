"""Reading ONNX files as PyTorch modules: their layers can be compressed, and the modules traced as any other."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from eie.errors import InputError
from eie.pytorch.names import module_name
from eie.pytorch.onnx_reference import gathered, reference, require_same
from eie.support.extras import needed_for
from eie.support.output_files import existing_file

with needed_for("reading ONNX"):
    import onnx
    import onnx.numpy_helper

__all__ = ["read_onnx"]

LARGEST = 2**24  # numbers that a constant of the graph may make

# Nodes whose inputs are known are computed by ONNX's own reference, where they are among these.
_COMPUTED = frozenset(
    {"Add", "And", "Cast", "Concat", "ConstantOfShape", "CumSum", "Div", "Equal", "Expand", "Flatten", "Floor",
     "Gather", "GatherElements", "Greater", "Identity", "Less", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or",
     "Pow", "Range", "ReduceProd", "ReduceSum", "Reshape", "Shape", "Slice", "Sqrt", "Squeeze", "Sub", "Tile",
     "Transpose", "Trilu", "Unsqueeze", "Where"}
)  # fmt: skip
_UNARY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "Relu": F.relu, "Tanh": torch.tanh, "Sigmoid": torch.sigmoid, "Erf": torch.erf, "Exp": torch.exp, "Log": torch.log,
    "Sqrt": torch.sqrt, "Reciprocal": torch.reciprocal, "Neg": torch.neg, "Abs": torch.abs, "Not": torch.logical_not,
    "Selu": F.selu, "Softplus": F.softplus, "HardSwish": F.hardswish, "Mish": F.mish,
    "IsNaN": torch.isnan, "Identity": lambda x: x, "Dropout": lambda x: x,
    "GlobalAveragePool": lambda x: x.mean(tuple(range(2, x.dim())), keepdim=True),
}  # fmt: skip
_BINARY: dict[str, Callable[[Any, Any], torch.Tensor]] = {
    "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div, "Pow": torch.pow, "Equal": torch.eq,
    "Less": torch.lt, "Greater": torch.gt, "LessOrEqual": torch.le, "GreaterOrEqual": torch.ge,
    "And": torch.logical_and, "Or": torch.logical_or, "MatMul": torch.matmul,
}  # fmt: skip
_REDUCED: dict[str, Callable[..., torch.Tensor]] = {
    "ReduceMean": torch.mean, "ReduceSum": torch.sum, "ReduceMax": torch.amax
}  # fmt: skip
_PADDED = {b"constant": "constant", b"reflect": "reflect", b"edge": "replicate", b"wrap": "circular"}

Arrays = Sequence[Any]
Facts = dict[str, Any]
Run = Callable[..., Any]  # a node's inputs, tensors or arrays or None, to its output or list of outputs
Node = tuple[str, Any, list[str], list[str]]


@dataclass(frozen=True)
class OnLayer:
    """What runs a node with the model's layer `key`, whatever that is by then: it may have been replaced."""

    key: str
    run: Run = lambda layer, *given: layer(*map(_tensor, given))


class OnnxModel(nn.Module):
    """The graph of an ONNX file: its layers are modules, named after their weights, and all else functions.

    `nodes` are each a name, a function or OnLayer, the names of what it takes, and those of what it gives.
    """

    def __init__(self, layers: dict[str, nn.Module], constants: dict[str, Any], inputs: list[str]) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.nodes: list[Node] = []
        self.constants, self.input_names, self.outputs = constants, inputs, [""]

    def forward(self, *inputs: torch.Tensor) -> Any:
        """Return the graph's output, or all of several."""
        found = self.values(*inputs)
        results = tuple(found[name] for name in self.outputs)
        return results if len(results) > 1 else results[0]

    def values(self, *inputs: torch.Tensor) -> dict[str, Any]:
        """Return every value of the graph; raise InputError, naming the node, for one that cannot take what it gets."""
        found: dict[str, Any] = {"": None} | self.constants | dict(zip(self.input_names, inputs, strict=True))
        for name, run, takes, gives in self.nodes:
            try:
                call = partial(run.run, self.get_submodule(run.key)) if isinstance(run, OnLayer) else run
                given = call(*(found[one] for one in takes))
            except InputError:
                raise
            except Exception as error:  # sizes that do not fit each other
                reason = " ".join(str(error).split()) or type(error).__name__
                raise InputError(f"node {name} does not take what comes before it: {reason}") from error
            found |= zip(gives, given if isinstance(given, list | tuple) else [given], strict=False)
        return found


def read_onnx(path: str | Path) -> nn.Module:
    """Return the network of an ONNX file as a module, whose layers are named after their weights.

    Gemm, MatMul with a constant, Conv, LSTM, GRU and Gather from a constant become layers that can be compressed;
    most of what PyTorch's exporters write becomes functions between them. Raises InputError, naming the node, for any
    other, and for one that does not compute what ONNX's own reference does.
    """
    path = existing_file(path, "model")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and ONNX's errors have no common class
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"model {path} is not a whole ONNX file: {reason}") from error
    try:
        module = _Reader(model).model()
        require_same(model, module)
        return module
    except InputError as error:
        raise InputError(f"model {path}: {error}") from error
    except Exception as error:  # a text that is not UTF-8 comes as bytes, which nothing here expects
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"model {path} has values that no ONNX file may have: {reason}") from error


class _Reader:
    """One graph, node by node."""

    def __init__(self, model: Any) -> None:
        graph = model.graph
        self.nodes = list(graph.node)
        self.opset = next((int(one.version) for one in model.opset_import if one.domain in ("", "ai.onnx")), 17)
        self.constants = {one.name: _array(one, f"initialiser {one.name}") for one in graph.initializer}
        given = [one for one in graph.input if one.name not in self.constants]
        if not given:
            raise InputError("the graph has no input, expected at least one")
        self.inputs = [one.name for one in given]
        sides = given[0].type.tensor_type.shape.dim
        self.batch = int(sides[0].dim_value) if sides else 0  # 0 where it is open
        self.outputs = [one.name for one in graph.output]
        self.uses = Counter(name for node in self.nodes for name in node.input) + Counter(self.outputs)
        self.layers: OrderedDict[str, nn.Module] = OrderedDict()
        self.made_by: dict[str, str] = {}  # the module that gives an output
        self.program: list[Node] = []

    def model(self) -> OnnxModel:
        known = {*self.inputs, *self.constants, ""}
        for node in self.nodes:
            name = self._name(node)
            missing = [one for one in node.input if one not in known]
            if missing:
                raise InputError(f"node {name} takes {missing[0]}, which no node before it gives")
            if node.op_type == "Constant":
                if len(node.attribute) != 1 or node.attribute[0].name != "value":
                    raise InputError(f"node {name} is a Constant, expected a tensor as its one attribute")
                self.constants[node.output[0]] = _array(node.attribute[0].t, f"node {name}")
                known.add(node.output[0])
                continue
            try:
                self._take(node, name)
            except InputError:
                raise
            except Exception as error:  # whatever PyTorch makes of values that ONNX's checker lets pass
                reason = " ".join(str(error).split()) or type(error).__name__
                raise InputError(f"node {name} is a {node.op_type} that cannot be read: {reason}") from error
            known.update(node.output)
        for name in self.outputs:
            if name not in known or name in self.constants:
                raise InputError(f"the graph gives {name}, expected what a node makes of its input")
        if not self.program:
            raise InputError("the graph has no nodes, expected at least one layer")
        model = OnnxModel(self.layers, self._tensors(), self.inputs)
        model.nodes, model.outputs = self.program, self.outputs
        return model

    def _tensors(self) -> dict[str, Any]:
        """Return the constants that nodes still take, as arrays."""
        taken = {name for _, _, takes, _ in self.program for name in takes} | set(self.outputs)
        return {name: array for name, array in self.constants.items() if name in taken}

    def _take(self, node: Any, name: str) -> None:
        facts = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        known = [one for one in node.input if one in self.constants]
        if node.op_type in _COMPUTED and node.input and len(known) == sum(map(bool, node.input)):
            arrays = {one: self.constants[one] for one in known}
            self.constants |= zip(node.output, _computed(node, name, self.opset, arrays), strict=False)
            return
        run, takes = self._run(node, name, facts)
        if node.op_type in _COMPUTED and not isinstance(run, OnLayer):
            run = _of_shapes(node, name, self.opset, takes, run)
        self.program.append((name, run, takes, list(node.output)))

    def _run(self, node: Any, name: str, facts: Facts) -> tuple[Run | OnLayer, list[str]]:
        """Return what runs a node, and the names of what it takes."""
        kind, takes = node.op_type, list(node.input)
        constants = [self.constants.get(one) for one in takes]
        arrays = [array for array in constants if array is not None]
        if kind in _UNARY:
            return _UNARY[kind], takes[:1]
        if kind == "Gemm":
            return self._gemm(node, name, facts, arrays)
        if kind == "MatMul" and constants[1] is not None and constants[1].ndim == 2:
            return self._linear(node, name, _floats(name, arrays, 1, 1)[0].T, None), takes[:1]
        if kind == "Add" and len(arrays) == 1 and self._takes_bias(node, arrays[0]):
            (data,) = (one for one in takes if one not in self.constants)
            module = self.layers[self.made_by[data]]
            assert isinstance(module, nn.Linear)
            bias = _floats(name, arrays, 1, 1)[0].reshape(-1)
            module.bias = nn.Parameter(
                torch.from_numpy(np.array(np.broadcast_to(bias, (module.out_features,)), np.float32))
            )
            with_bias = f"{data} with its bias"  # no value of the graph, which has the product before
            place = next(k for k, (_, _, _, gives) in enumerate(self.program) if gives == [data])
            self.program[place] = (*self.program[place][:3], [with_bias])
            return _UNARY["Identity"], [with_bias]
        if kind in _BINARY:
            function = _BINARY[kind]
            return lambda a, b: function(*_both(a, b)), takes
        if kind == "Conv":
            return self._module(node, name, _convolution(name, _floats(name, arrays, 1, 2), facts)), takes[:1]
        if kind == "BatchNormalization":
            return self._module(node, name, _batch_norm(name, _floats(name, arrays, 4, 4), facts)), takes[:1]
        if kind in ("MaxPool", "AveragePool"):
            return _pooling(name, kind, facts), takes[:1]
        if kind in ("LSTM", "GRU"):
            return self._recurrent(node, name, facts, constants), [takes[0], *takes[5:7]]
        if kind == "Gather" and constants[0] is not None and constants[0].ndim == 2 and constants[0].dtype.kind == "f":
            if facts.get("axis", 0) != 0 or takes[1] in self.constants:
                raise InputError(f"node {name} gathers from a constant, expected rows of it that the input names")
            table = nn.Embedding.from_pretrained(torch.from_numpy(np.array(constants[0], np.float32)), freeze=False)  # type: ignore[no-untyped-call]
            return self._module(node, name, table), takes[1:]
        made = _functions(name, kind, facts, self.batch)
        if made is None:
            raise InputError(f"node {name} is a {kind}, which cannot be read")
        return made, takes

    def _gemm(self, node: Any, name: str, facts: Facts, arrays: list[Any]) -> tuple[OnLayer, list[str]]:
        if facts.get("alpha", 1.0) != 1 or facts.get("beta", 1.0) != 1 or facts.get("transA", 0):
            raise InputError(f"node {name} must have alpha and beta of 1 and no transA")
        weights, *biases = _floats(name, arrays, 1, 2)
        if weights.ndim != 2 or node.input[0] in self.constants or node.input[1] not in self.constants:
            raise InputError(f"node {name} must multiply its input with a matrix, not {weights.shape}")
        transposed = weights if facts.get("transB", 0) else weights.T
        return self._linear(node, name, transposed, biases[0] if biases else None), list(node.input[:1])

    def _takes_bias(self, node: Any, array: Any) -> bool:
        data = next((one for one in node.input if one not in self.constants), "")
        module = self.layers.get(self.made_by.get(data, ""))
        alone = self.uses[data] == 1 and isinstance(module, nn.Linear) and module.bias is None
        return alone and array.size == module.out_features and array.shape[-1:] == (array.size,)  # type: ignore[union-attr]

    def _linear(self, node: Any, name: str, weights: Any, bias: Any) -> OnLayer:
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
        return self._module(node, name, linear)

    def _recurrent(self, node: Any, name: str, facts: Facts, constants: list[Any]) -> OnLayer:
        kind, direction = node.op_type, facts.get("direction", b"forward")
        later = [constants[place] if place < len(constants) else None for place in range(4)]
        takes = [node.input[place] if place < len(node.input) else "" for place in range(8)]
        if any(one and array is None for one, array in zip(takes[1:4], later[1:], strict=True)):
            raise InputError(f"node {name} has weights that are computed, expected constants")
        if (
            facts.get("layout", 0)
            or direction not in (b"forward", b"reverse", b"bidirectional")
            or takes[4]
            or takes[7]
            or facts.get("input_forget", 0)
            or {"activations", "clip"} & facts.keys()
            or (kind == "GRU" and not facts.get("linear_before_reset", 0))
        ):
            raise InputError(
                f"node {name} must be a {kind} as PyTorch writes it: without lengths, peepholes, clipping and "
                "functions of its own, a GRU with linear_before_reset"
            )
        weights, states_in, *bias = _floats(name, [array for array in later[1:4] if array is not None], 2, 3)
        gates, two = (4 if kind == "LSTM" else 3), direction == b"bidirectional"
        hidden = states_in.shape[-1]
        expected = (1 + two, gates * hidden, hidden)
        if weights.ndim != 3 or weights.shape[:2] != expected[:2] or states_in.shape != expected:
            raise InputError(f"node {name} has weights of {weights.shape} and {states_in.shape}, which do not fit")
        order = [0, 2, 3, 1] if kind == "LSTM" else [1, 0, 2]  # ONNX has i o f c and z r h; PyTorch i f g o and r z n
        module = (nn.LSTM if kind == "LSTM" else nn.GRU)(
            weights.shape[2], hidden, bias=bool(bias), batch_first=True, bidirectional=two
        )
        for place, suffix in enumerate(("", "_reverse")[: 1 + two]):
            parts = {"weight_ih": weights[place], "weight_hh": states_in[place]}
            if bias:
                parts |= dict(zip(("bias_ih", "bias_hh"), np.split(bias[0][place], 2), strict=True))
            for part, array in parts.items():
                blocks = array.reshape(gates, hidden, -1)[order].reshape(array.shape)
                getattr(module, f"{part}_l0{suffix}").data = torch.from_numpy(np.array(blocks, np.float32))
        reverse = direction == b"reverse"

        def run(layer: nn.Module, x: torch.Tensor, *before: Any) -> list[torch.Tensor]:
            rows = x.transpose(0, 1).flip(1) if reverse else x.transpose(0, 1)
            every, last = layer(rows, _first_state(kind, before))
            split = (every.flip(1) if reverse else every).reshape(*every.shape[:2], 1 + two, hidden)
            return [split.permute(1, 2, 0, 3), *(last if isinstance(last, tuple) else (last,))]

        return replace(self._module(node, name, module), run=run)

    def _module(self, node: Any, name: str, module: nn.Module) -> OnLayer:
        key = module_name(name, self.layers)
        self.layers[key] = module
        self.made_by[node.output[0]] = key
        return OnLayer(key)

    def _name(self, node: Any) -> str:
        """Return a module's name: that of its weights without ".weight", or the node's own, or its kind."""
        weights = next((name for name in node.input if name in self.constants and name.endswith(".weight")), "")
        return module_name(weights.removesuffix(".weight") or node.name or node.op_type.lower(), ())


def _first_state(kind: str, given: Sequence[Any]) -> Any:
    """Return a recurrent layer's first state as PyTorch takes it: None for what is known to be zeros."""
    if not any(one is not None and (isinstance(one, torch.Tensor) or one.any()) for one in given):
        return None
    tensors = [_tensor(one) for one in given]
    if kind == "GRU":
        return tensors[0]
    known = next(one for one in tensors if one is not None)
    h, c = (torch.zeros_like(known) if one is None else one for one in (*tensors, None)[:2])
    return h, c


def _computed(node: Any, name: str, opset: int, arrays: dict[str, Any]) -> list[Any]:
    """Return a node's outputs for inputs that are all known, as ONNX's reference computes them."""
    values = list(arrays.values())
    sides = {"ConstantOfShape": values[:1], "Expand": values[1:], "Tile": values[1:]}.get(node.op_type, [])
    size = math.prod(max(1, int(side)) for array in sides for side in np.ravel(array))
    if node.op_type in ("Expand", "Tile"):
        size *= max(1, values[0].size)
    if node.op_type == "Range":
        size = max(0, math.ceil((int(values[1]) - int(values[0])) / int(values[2])))
    if size > LARGEST or sum(array.size for array in values) > LARGEST:
        raise InputError(f"node {name} is a {node.op_type} that makes {size} numbers, expected {LARGEST} at most")
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [node],
            "node",
            [onnx.helper.make_value_info(one, onnx.TypeProto()) for one in arrays],
            [onnx.helper.make_value_info(one, onnx.TypeProto()) for one in node.output],
        ),
        opset_imports=[onnx.helper.make_opsetid("", opset)],
    )
    with np.errstate(all="ignore"):
        return list(reference(model).run(None, arrays))


def _of_shapes(node: Any, name: str, opset: int, takes: list[str], run: Run) -> Run:
    """Return `run`, but what ONNX's reference gives where all that the node takes is known when the model runs."""

    def either(*given: Any) -> Any:
        if node.op_type == "Shape" or any(isinstance(one, torch.Tensor) for one in given):
            return run(*given)
        return _computed(node, name, opset, {one: array for one, array in zip(takes, given, strict=True) if one})

    return either


def _tensor(given: Any) -> Any:
    return torch.from_numpy(np.array(given)) if isinstance(given, np.ndarray | np.generic) else given


def _both(first: Any, second: Any) -> tuple[Any, Any]:
    """Return two operands as tensors; PyTorch must not make whole numbers of real ones."""
    return _tensor(first), _tensor(second)


def _whole(given: Any) -> list[int]:
    return [int(number) for number in np.ravel(given)]


def _functions(name: str, kind: str, facts: Facts, batch: int) -> Run | None:
    """Return what computes a node between layers, or None for a kind that is not known."""
    axis, known_axes, known_pads, known_sizes = (facts.get(one) for one in ("axis", "axes", "pads", "split"))
    if kind == "Shape":
        return lambda x: np.array(tuple(x.shape)[facts.get("start", 0) : facts.get("end")], np.int64)
    if kind == "Cast":
        if facts["to"] not in (1, 6, 7, 9, 10, 11):
            raise InputError(f"node {name} casts to ONNX's type {facts['to']}, expected numbers")
        kinds = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float32, 11: torch.float32}
        return lambda x: x.to(kinds[facts["to"]])
    if kind == "Gelu":
        return lambda x: F.gelu(x, approximate=facts.get("approximate", b"none").decode())
    if kind == "LeakyRelu":
        return lambda x: F.leaky_relu(x, facts.get("alpha", 0.01))
    if kind == "Elu":
        return lambda x: F.elu(x, facts.get("alpha", 1.0))
    if kind == "HardSigmoid":
        return lambda x: torch.clamp(facts.get("alpha", 0.2) * x + facts.get("beta", 0.5), 0.0, 1.0)
    if kind == "Clip":
        least, most = facts.get("min"), facts.get("max")
        return lambda x, low=least, high=most: torch.clamp(
            x, None if low is None else float(low), None if high is None else float(high)
        )
    if kind in ("Softmax", "LogSoftmax"):
        function = torch.softmax if kind == "Softmax" else torch.log_softmax
        if axis == 0:
            raise InputError(f"node {name} runs over axis 0, the batch, expected another")
        return lambda x: function(x, -1 if axis is None else axis)
    if kind == "Where":
        return lambda condition, a, b: torch.where(_tensor(condition), *_both(a, b))
    if kind == "Reshape":
        return lambda x, shape: _reshape(name, x, _whole(shape), batch)
    if kind == "Flatten":
        if facts.get("axis", 1) != 1:
            raise InputError(f"node {name} flattens from axis {facts['axis']}, expected 1")
        return lambda x: x.flatten(1)
    if kind == "Transpose":
        return lambda x: x.permute(*facts.get("perm", range(x.dim() - 1, -1, -1)))
    if kind == "Squeeze":
        return lambda x, axes=known_axes: x.squeeze() if axes is None else x.squeeze(tuple(_whole(axes)))
    if kind == "Unsqueeze":
        return lambda x, axes=known_axes: _unsqueeze(x, _whole(axes))
    if kind == "Concat":
        return lambda *parts: torch.cat([_tensor(part) for part in parts], facts["axis"])
    if kind == "Slice":
        return lambda x, *where: _slice(name, x, where or tuple(facts.get(k) for k in ("starts", "ends", "axes")))
    if kind == "Split":
        return lambda x, sizes=known_sizes: list(
            x.chunk(facts["num_outputs"], axis or 0) if sizes is None else x.split(_whole(sizes), axis or 0)
        )
    if kind == "Gather":
        return lambda x, index: _gather(x, np.asarray(index), axis or 0)
    if kind == "GatherElements":
        return lambda x, index: gathered(_tensor(x), _tensor(index), axis or 0)
    if kind == "Expand":
        return lambda x, shape: _expand(name, x, _whole(shape))
    if kind == "Pad":
        return lambda x, pads=known_pads, value=None, axes=None: _pad(name, x, facts, pads, value, axes)
    if kind == "Resize":
        return _resizing(name, facts, batch)
    if kind in _REDUCED:
        function = _REDUCED[kind]
        keep = bool(facts.get("keepdims", 1))
        return lambda x, axes=known_axes: function(
            x, tuple(range(x.dim()) if axes is None else _whole(axes)), keepdim=keep
        )
    if kind == "InstanceNormalization":
        return lambda x, scale, shift: F.group_norm(
            x, x.shape[1], _tensor(scale), _tensor(shift), facts.get("epsilon", 1e-5)
        )
    if kind == "Trilu":
        cut = torch.triu if facts.get("upper", 1) else torch.tril
        return lambda x, k=0: cut(_tensor(x), int(k))
    if kind == "LayerNormalization":
        return lambda x, scale, shift=None: F.layer_norm(
            x, x.shape[facts.get("axis", -1) :], _tensor(scale), _tensor(shift), facts.get("epsilon", 1e-5)
        )
    if kind == "Einsum":
        return lambda *parts: torch.einsum(facts["equation"].decode(), *map(_tensor, parts))
    return None


def _reshape(name: str, x: torch.Tensor, shape: list[int], batch: int) -> torch.Tensor:
    """Reshape as the file says for its own `batch`, 0 where it leaves that open, and for any other likewise."""
    sides = [x.shape[place] if side == 0 else side for place, side in enumerate(shape)]
    whole = math.prod(sides)
    if batch and sides and whole > 0:  # the batch is in the first side, by itself or times another
        sides[0] = sides[0] * x.numel() // whole
    elif batch and sides and sides[0] == batch:
        sides[0] = x.shape[0]
    return x.reshape(sides)


def _expand(name: str, x: torch.Tensor, shape: list[int]) -> torch.Tensor:
    whole = np.broadcast_shapes(tuple(x.shape), tuple(shape))
    if math.prod(whole) > LARGEST * x.shape[0]:
        raise InputError(f"node {name} expands to {list(whole)}, expected {LARGEST} numbers at most")
    return x.expand(whole)


def _unsqueeze(x: torch.Tensor, axes: list[int]) -> torch.Tensor:
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _slice(name: str, x: torch.Tensor, where: tuple[Any, ...]) -> torch.Tensor:
    starts, ends, axes, steps = [None if one is None else _whole(one) for one in (*where, None, None)[:4]]
    assert starts is not None
    assert ends is not None
    for place, axis in enumerate(range(len(starts)) if axes is None else axes):
        step = 1 if steps is None else steps[place]
        size = x.shape[axis]
        if step < 0:
            x = x.index_select(
                axis, torch.tensor(range(size)[starts[place] : ends[place] if ends[place] >= -size else None : step])
            )
        else:
            x = x[(slice(None),) * (axis % x.dim()) + (slice(starts[place], ends[place], step),)]
    return x


def _gather(x: torch.Tensor, index: Any, axis: int) -> torch.Tensor:
    if index.ndim == 0:
        return x.select(axis, int(index))
    found = x.index_select(axis, torch.from_numpy(np.ravel(index) % x.shape[axis]))
    return found.reshape(*x.shape[: axis % x.dim()], *index.shape, *x.shape[axis % x.dim() + 1 :])


def _pad(name: str, x: torch.Tensor, facts: Facts, pads: Any, value: Any, axes: Any) -> torch.Tensor:
    mode = facts.get("mode", b"constant")
    if mode not in _PADDED or (value is not None and np.any(value)) or facts.get("value", 0):
        raise InputError(f"node {name} pads with {mode!r} and {value}, expected constant 0, reflect, edge or wrap")
    whole = _whole(pads)
    if not all(abs(side) <= 1024 for side in whole):
        raise InputError(f"node {name} has pads {whole}, expected each within 1024")
    sides = len(whole) // 2
    wanted = dict(zip(_whole(axes) if axes is not None else range(sides), range(sides), strict=True))
    found = [(0, 0)] * x.dim()
    for axis, place in wanted.items():
        found[axis] = (whole[place], whole[place + sides])
    while found and found[0] == (0, 0):
        found.pop(0)
    flat = [side for pair in reversed(found) for side in pair]
    return F.pad(x, flat, _PADDED[mode]) if flat else x


def _resizing(name: str, facts: Facts, batch: int) -> Run:
    """Return what repeats each number along each axis, as ONNX's nearest does for whole factors."""
    mode, positions, rounding = (
        facts.get(one, usual).decode()
        for one, usual in (
            ("mode", b"nearest"),
            ("coordinate_transformation_mode", b"half_pixel"),
            ("nearest_mode", b"round_prefer_floor"),
        )
    )
    repeats = (positions, rounding) == ("asymmetric", "floor") or (
        positions == "half_pixel" and rounding.startswith("round")
    )
    stretches = "axes" not in facts and facts.get("keep_aspect_ratio_policy", b"stretch") == b"stretch"
    if mode != "nearest" or not repeats or not stretches:
        how = f"{mode}, {positions}, {rounding}" if stretches else "some axes or an aspect ratio"
        raise InputError(f"node {name} resizes by {how}, expected nearest as PyTorch writes it, of all axes")

    def run(x: torch.Tensor, region: Any = None, scales: Any = None, sizes: Any = None) -> torch.Tensor:
        if scales is not None and np.size(scales):
            factors = [float(one) for one in np.ravel(scales)]
        else:
            factors = [side / before for side, before in zip(_whole(sizes), x.shape, strict=True)]
            factors[0] = 1 if _whole(sizes)[0] == batch else factors[0]
        if len(factors) != x.dim() or factors[0] != 1 or not all(one >= 1 and one % 1 == 0 for one in factors):
            raise InputError(f"node {name} resizes by {factors}, expected whole factors, and 1 of the batch")
        if math.prod(factors) * x.numel() > LARGEST * x.shape[0]:
            raise InputError(f"node {name} resizes by {factors}, expected {LARGEST} numbers at most")
        for axis, factor in enumerate(factors):
            x = x if factor == 1 else x.repeat_interleave(int(factor), dim=axis)
        return x

    return run


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


def _convolution(name: str, arrays: list[Any], facts: Facts) -> nn.Conv2d:
    weights = arrays[0]
    if weights.ndim != 4:
        raise InputError(f"node {name} must be a convolution in two dimensions")
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
        _pair(name, facts, "dilations", (1, 1)),
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
    ceil, dilation = bool(facts.get("ceil_mode", 0)), _pair(name, facts, "dilations", (1, 1))
    kernel, padding = _pair(name, facts, "kernel_shape"), _pads(name, facts)
    stride = _pair(name, facts, "strides", (1, 1))
    if kind == "MaxPool":
        return nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil)
    if dilation != (1, 1):
        raise InputError(f"node {name} must have no dilation")
    return nn.AvgPool2d(kernel, stride, padding, ceil, bool(facts.get("count_include_pad", 0)))
