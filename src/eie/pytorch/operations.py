"""The operations of an exported PyTorch model (core ATen), each as steps of a network.

A tensor that does not depend on the model's input is computed by PyTorch itself and is a constant. All others are
`Value`s; the first dimension of each is the batch, of one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from eie.errors import InputError
from eie.pytorch.building import LOWEST, Builder, Value
from eie.pytorch.leaves import pair
from eie.pytorch.products import array
from eie.steps import (
    Activation,
    Attention,
    Convolution,
    Dense,
    Embedding,
    Image,
    Matmul,
    Normalisation,
    Pooling,
    Product,
    Reduction,
    Rows,
    Sum,
    Window,
)

__all__ = ["KEPT", "MOVES", "SHAPES", "Operations", "flat"]

# Operations that PyTorch would take apart, and that are steps here.
KEPT = frozenset(
    {"pad", "linear", "layer_norm", "group_norm", "scaled_dot_product_attention", "silu", "hardswish",
     "hardsigmoid", "elu", "leaky_relu", "softplus", "mish", "gelu", "rsqrt", "square", "rms_norm"}
)  # fmt: skip
# Operations that only move numbers, leave some out, repeat some or fill up with zeros.
MOVES = frozenset({
    "view", "reshape", "_unsafe_view", "flatten", "squeeze", "unsqueeze", "permute", "transpose", "t",
    "expand", "select", "slice", "split", "split_with_sizes", "chunk", "unbind", "flip", "roll", "repeat",
    "repeat_interleave", "index", "index_select", "gather", "constant_pad_nd", "reflection_pad1d",
    "reflection_pad2d", "reflection_pad3d", "replication_pad1d", "replication_pad2d", "replication_pad3d",
    "pad", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "tril", "triu", "unfold",
    "diagonal", "movedim", "cat", "stack", "upsample_nearest1d", "upsample_nearest2d", "narrow", "tile",
    "rot90", "im2col", "alias", "clone", "detach", "contiguous", "lift_fresh_copy", "view_copy",
    "expand_copy", "permute_copy", "squeeze_copy",
})  # fmt: skip
# Operations that read nothing of a tensor but its shape.
SHAPES = frozenset({"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "sym_size"})

_FUNCTIONS = {
    "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "silu": "silu", "hardswish": "hardswish", "erf": "erf",
    "hardsigmoid": "hardsigmoid", "exp": "exp", "log": "log", "sqrt": "sqrt", "square": "square", "abs": "absolute",
    "reciprocal": "reciprocal", "cos": "cos", "sin": "sin",
}  # fmt: skip
_POWERS = {2.0: ("square",), 0.5: ("sqrt",), -0.5: ("sqrt", "reciprocal"), -1.0: ("reciprocal",)}
_KEEP_ZERO = {
    "relu",
    "tanh",
    "silu",
    "hardswish",
    "erf",
    "sqrt",
    "square",
    "absolute",
    "gelu",
    "gelu_tanh",
    "elu",
    "sin",
}

Arguments = dict[str, Any]
_TAKEN: dict[str, Callable[[Operations, Arguments], Any]] = {}


def _takes(*operations: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a method as what takes `operations`."""

    def register(method: Callable[..., Any]) -> Callable[..., Any]:
        _TAKEN.update(dict.fromkeys(operations, method))
        return method

    return register


class Operations:
    """The operations by name; each takes its arguments by PyTorch's names and returns a value, or several.

    With `context`, attention of one token is to as many of earlier calls, too.
    """

    def __init__(self, builder: Builder, context: int | None = None) -> None:
        self.builder, self.context = builder, context
        self.name = ""  # of the operation at hand

    def take(self, target: Any, name: str, a: Arguments) -> Any:
        """Return what PyTorch's `target` gives for the arguments `a`; raise InputError where no steps can be it."""
        self.name = name
        operation = target._schema.name.split("::")[1]
        if operation in MOVES and target._overloadname != "dtype":
            return self._move(operation, target, a)
        if operation in _FUNCTIONS:
            return self.function(a["self"], _FUNCTIONS[operation])
        if operation not in _TAKEN:
            raise self.unknown(operation)
        return _TAKEN[operation](self, a)

    def unknown(self, what: str) -> InputError:
        """Return the error for what cannot be a step."""
        return InputError(
            f"{self.name} is a {what}, which a network cannot hold: compress the model in place with eie.compress_ and "
            "run its layers with eie.pytorch.nn.convert_"
        )

    def function(self, value: Value, function: str) -> Value:
        """Return one of the activations of every number."""
        name = self.builder.unique(self.name)
        return self.builder.pointwise(
            value, lambda size: Activation(name, size, function), keeps_zero=function in _KEEP_ZERO
        )

    def scaled(self, value: Value, scale: Any = 1.0, shift: Any = 0.0) -> Value:
        """Return scale * value + shift."""
        return self.builder.affine(value, self.name, scale, shift)

    def combined(self, kind: type[Sum | Product], values: list[Value]) -> Value:
        """Return the sum or product of values, repeated to one shape."""
        shape = np.broadcast_shapes(*(value.shape for value in values))
        values = [self.builder.broadcast(value, shape) for value in values]
        step = kind(self.builder.unique(self.name), values[0].size, len(values))
        return Value(self.builder.add(step, *values).sources, shape)

    def linear(self, value: Value, product: Any) -> Value:
        """Return a product with each vector of the last dimension."""
        inputs = value.shape[-1] if value.shape else 1
        if inputs != product.inputs:
            raise InputError(
                f"layer {product.name} takes {product.inputs} values, but gets inputs of shape {value.shape}"
            )
        rows = value.size // inputs
        found = self.builder.add(product if rows == 1 else Rows(product.name, rows, product), value)
        return Value(found.sources, (*value.shape[:-1], product.outputs))

    def dense(self, weights: torch.Tensor, bias: torch.Tensor | None, name: str) -> Dense:
        """Return a constant matrix, (outputs, inputs), as a layer."""
        zeros = np.zeros(len(weights), np.float32)
        return Dense(name, array(weights), zeros if bias is None else array(bias.expand(len(weights))))

    def _move(self, operation: str, function: Any, a: Arguments) -> Any:
        key = "tensors" if operation in ("cat", "stack") else "self" if "self" in a else "input"
        given = a[key] if key == "tensors" else [a[key]]
        rest = {name: value for name, value in a.items() if name != key}
        if operation in ("pad", "constant_pad_nd") and rest.get("value"):
            raise self.unknown(f"padding with {rest['value']:g}")
        if any(isinstance(value, Value) for value in flat(rest)):
            raise self.unknown(f"{operation} by numbers that depend on the input")
        values = [
            part if isinstance(part, Value) else self.builder.constant(part, f"{self.name}.constant") for part in given
        ]
        if operation in ("alias", "clone", "detach", "contiguous", "lift_fresh_copy"):
            return values[0]
        if key == "tensors":
            return self.builder.move(values, lambda *places: function(list(places), **rest))
        return self.builder.move(values, lambda places: function(places, **rest))

    # Functions of each number.

    @_takes("gelu")
    def _gelu(self, a: Arguments) -> Value:
        return self.function(a["self"], "gelu_tanh" if a["approximate"] == "tanh" else "gelu")

    @_takes("elu")
    def _elu(self, a: Arguments) -> Value:
        if (a["alpha"], a["scale"], a["input_scale"]) == (1, 1, 1):
            return self.function(a["self"], "elu")
        below = self.scaled(self.function(self.scaled(a["self"], -1.0), "relu"), -a["input_scale"])
        above = self.scaled(self.function(a["self"], "relu"), a["scale"])
        return self.combined(Sum, [above, self.scaled(self.function(below, "elu"), a["alpha"] * a["scale"])])

    @_takes("softplus")
    def _softplus(self, a: Arguments) -> Value:
        return self.scaled(self.function(self.scaled(a["self"], a["beta"]), "softplus"), 1 / a["beta"])

    @_takes("mish")
    def _mish(self, a: Arguments) -> Value:
        return self.combined(Product, [a["self"], self.function(self.function(a["self"], "softplus"), "tanh")])

    @_takes("leaky_relu")
    def _leaky_relu(self, a: Arguments) -> Value:
        below = self.function(self.scaled(a["self"], -1.0), "relu")
        return self.combined(Sum, [self.function(a["self"], "relu"), self.scaled(below, -a["negative_slope"])])

    @_takes("hardtanh")
    def _hardtanh(self, a: Arguments) -> Any:
        return self._clamp({"self": a["self"], "min": a["min_val"], "max": a["max_val"]})

    @_takes("clamp")
    def _clamp(self, a: Arguments) -> Any:
        value, least, most = a["self"], a["min"], a["max"]
        if (least, most) == (0, 6):
            return self.function(value, "relu6")
        if least is not None:
            value = self.scaled(self.function(self.scaled(value, shift=-least), "relu"), shift=least)
        if most is not None:
            value = self.scaled(self.function(self.scaled(value, -1.0, most), "relu"), -1.0, most)
        return value

    @_takes("rsqrt")
    def _rsqrt(self, a: Arguments) -> Value:
        return self.function(self.function(a["self"], "sqrt"), "reciprocal")

    @_takes("pow")
    def _pow(self, a: Arguments) -> Value:
        power = a["exponent"]
        if isinstance(power, Value) or not isinstance(a["self"], Value):
            raise self.unknown("power that depends on the input")
        power = float(power)
        if power in (1.0, 3.0, 4.0):
            return a["self"] if power == 1 else self.combined(Product, [a["self"]] * int(power))
        if power not in _POWERS:
            raise self.unknown(f"power of {power:g}")
        value: Value = a["self"]
        for function in _POWERS[power]:
            value = self.function(value, function)
        return value

    @_takes("neg")
    def _neg(self, a: Arguments) -> Value:
        return self.scaled(a["self"], -1.0)

    @_takes("_to_copy")
    def _to_copy(self, a: Arguments) -> Any:
        return a["self"]

    # Combinations of two tensors, of which one may be constant.

    @_takes("add")
    def _add(self, a: Arguments) -> Value:
        return self._sum(a["self"], a["other"], a["alpha"])

    @_takes("sub")
    def _sub(self, a: Arguments) -> Value:
        return self._sum(a["self"], a["other"], -a["alpha"])

    def _sum(self, first: Any, second: Any, factor: Any) -> Value:
        if not isinstance(second, Value):
            return self.scaled(first, shift=torch.as_tensor(second, dtype=torch.float64) * factor)
        if not isinstance(first, Value):
            return self.scaled(second, factor, first)
        return self.combined(Sum, [first, second if factor == 1 else self.scaled(second, factor)])

    @_takes("mul")
    def _mul(self, a: Arguments) -> Value:
        first, second = a["self"], a["other"]
        if not isinstance(first, Value):
            first, second = second, first
        return self.combined(Product, [first, second]) if isinstance(second, Value) else self.scaled(first, second)

    @_takes("div")
    def _div(self, a: Arguments) -> Value:
        first, second = a["self"], a["other"]
        if a.get("rounding_mode") is not None:
            raise self.unknown("division that rounds")
        if not isinstance(second, Value):
            return self.scaled(first, 1 / torch.as_tensor(second, dtype=torch.float64))
        inverse = self.function(second, "reciprocal")
        return self.combined(Product, [first, inverse]) if isinstance(first, Value) else self.scaled(inverse, first)

    @_takes("gt")
    def _gt(self, a: Arguments) -> Value:
        return self.function(self._sum(a["self"], a["other"], -1), "positive")

    @_takes("lt")
    def _lt(self, a: Arguments) -> Value:
        return self.function(self._less(a), "positive")

    def _less(self, a: Arguments) -> Value:
        difference = self._sum(a["self"], a["other"], -1)
        return self.scaled(difference, -1.0)

    @_takes("ge")
    def _ge(self, a: Arguments) -> Value:
        return self.scaled(self._lt(a), -1.0, 1.0)

    @_takes("le")
    def _le(self, a: Arguments) -> Value:
        return self.scaled(self._gt(a), -1.0, 1.0)

    @_takes("ne")
    def _ne(self, a: Arguments) -> Value:
        return self.function(self.function(self._sum(a["self"], a["other"], -1), "absolute"), "positive")

    @_takes("eq")
    def _eq(self, a: Arguments) -> Value:
        return self.scaled(self._ne(a), -1.0, 1.0)

    @_takes("isnan")
    def _isnan(self, a: Arguments) -> torch.Tensor:
        # What a network runs on is finite, and the engine refuses what is not.
        return torch.zeros(a["self"].shape, dtype=torch.bool)

    @_takes("logical_not", "bitwise_not")
    def _logical_not(self, a: Arguments) -> Value:
        return self.scaled(self.function(self.function(a["self"], "absolute"), "positive"), -1.0, 1.0)

    @_takes("logical_and", "bitwise_and")
    def _logical_and(self, a: Arguments) -> Any:
        return self._mul(a)

    @_takes("logical_or", "bitwise_or")
    def _bitwise_or(self, a: Arguments) -> Value:
        return self.function(self._sum(a["self"], a["other"], 1), "positive")

    @_takes("where")
    def _where(self, a: Arguments) -> Value:
        condition, first, second = a["condition"], a["self"], a["other"]
        if not isinstance(condition, Value):
            condition = condition.to(torch.float64)
            parts = [(first, condition), (second, 1 - condition)]
        else:
            parts = [(first, condition), (second, self.scaled(condition, -1.0, 1.0))]
        products = [self._chosen(value, share) for value, share in parts]
        return self._sum(products[0], products[1], 1)

    def _chosen(self, value: Any, share: Any) -> Any:
        """Return value * share, where a share is 0 or 1 and what is infinite stands for the lowest number."""
        if not isinstance(value, Value):
            value = torch.as_tensor(value, dtype=torch.float64).clamp(min=LOWEST)
            return self.scaled(share, value) if isinstance(share, Value) else value * share
        return self._mul({"self": value, "other": share})

    @_takes("masked_fill")
    def _masked_fill(self, a: Arguments) -> Any:
        return self._where({"condition": a["mask"], "self": a["value"], "other": a["self"]})

    # Products of matrices.

    @_takes("linear")
    def _linear(self, a: Arguments) -> Value:
        if isinstance(a["weight"], Value) or isinstance(a["bias"], Value):
            raise self.unknown("linear layer whose weights depend on the input")
        name = self.builder.unique(self.name)
        return self.linear(a["input"], self.dense(a["weight"], a["bias"], name))

    @_takes("addmm")
    def _addmm(self, a: Arguments) -> Value:
        product = self._mm({"self": a["mat1"], "mat2": a["mat2"]})
        if a["alpha"] != 1 or a["beta"] != 1:
            raise self.unknown("addmm with alpha or beta")
        return (
            self._sum(product, a["self"], 1) if isinstance(a["self"], Value) else self.scaled(product, 1.0, a["self"])
        )

    @_takes("mm")
    def _mm(self, a: Arguments) -> Any:
        first, second = a["self"], a["mat2"]
        if isinstance(second, Value) and isinstance(first, Value):
            shapes = [Value(v.sources, (1, *v.shape), v.index) for v in (first, second)]
            found = self._bmm({"self": shapes[0], "mat2": shapes[1]})
            return Value(found.sources, found.shape[1:], found.index)
        if isinstance(first, Value):
            return self.linear(first, self.dense(second.T, None, self.builder.unique(self.name)))
        transposed = self.builder.move([second], lambda places: places.T)
        found = self.linear(transposed, self.dense(first, None, self.builder.unique(self.name)))
        return self.builder.move([found], lambda places: places.T)

    @_takes("bmm")
    def _bmm(self, a: Arguments) -> Value:
        first, second = a["self"], a["mat2"]
        if not isinstance(second, Value) and len(second) == 1 and isinstance(first, Value):
            return self.linear(first, self.dense(second[0].T, None, self.builder.unique(self.name)))
        first, second = (
            value if isinstance(value, Value) else self.builder.constant(value, f"{self.name}.constant")
            for value in (first, second)
        )
        count, rows, inner = first.shape
        step = Matmul(self.builder.unique(self.name), count, rows, inner, second.shape[2])
        return Value(self.builder.add(step, first, second).sources, (count, rows, second.shape[2]))

    @_takes("scaled_dot_product_attention")
    def _scaled_dot_product_attention(self, a: Arguments) -> Value:
        query, key, value = (
            given if isinstance(given, Value) else self.builder.constant(given, f"{self.name}.constant")
            for given in (a["query"], a["key"], a["value"])
        )
        *lead, rows, inner = query.shape
        columns, width = key.shape[-2], value.shape[-1]
        if a["enable_gqa"]:
            repeat = query.shape[-3] // key.shape[-3]
            key, value = (
                self.builder.move([part], lambda places: places.repeat_interleave(repeat, dim=-3))
                for part in (key, value)
            )
        if a["dropout_p"]:
            raise self.unknown("attention with dropout")
        if tuple(lead) != key.shape[:-2] or tuple(lead) != value.shape[:-2]:
            raise self.unknown("attention whose queries, keys and values differ in number")
        count = math.prod(lead)
        scale = 1 / math.sqrt(inner) if a["scale"] is None else a["scale"]
        mask = a["attn_mask"]
        if self.context is not None and rows == columns == 1:
            if width != inner or isinstance(mask, Value) or (mask is not None and not _lets_through(mask)):
                raise self.unknown("attention of one token that is masked, or whose keys and values differ in length,")
            step = Attention(self.builder.unique(self.name), 1, count, inner, self.context, scale)
            return Value(self.builder.add(step, query, key, value).sources, (*lead, 1, width))
        turned = self.builder.move([key], lambda places: places.transpose(-1, -2))
        scores = self.builder.add(
            Matmul(self.builder.unique(f"{self.name}.scores"), count, rows, inner, columns),
            self.scaled(query, scale),
            turned,
        )
        shaped = Value(scores.sources, (*lead, rows, columns))
        if a["is_causal"]:
            mask = torch.ones(rows, columns, dtype=torch.bool).tril()
        if isinstance(mask, torch.Tensor) and mask.dtype == torch.bool:
            mask = torch.zeros(mask.shape).masked_fill(~mask, -math.inf)
        elif isinstance(mask, Value) and a.get("mask_is_bool"):
            mask = self.scaled(mask, -LOWEST, LOWEST)
        if mask is not None:
            shaped = self._sum(shaped, mask, 1)
        weights = self._softmax({"self": shaped, "dim": -1})
        mixed = self.builder.add(
            Matmul(self.builder.unique(f"{self.name}.mixed"), count, rows, columns, width), weights, value
        )
        return Value(mixed.sources, (*lead, rows, width))

    @_takes("embedding")
    def _embedding(self, a: Arguments) -> Value:
        if isinstance(a["weight"], Value):
            raise self.unknown("embedding whose entries depend on the input")
        return self.lookup(a["indices"], self.dense(a["weight"].T, None, self.builder.unique(self.name)))

    def lookup(self, places: Value, product: Any) -> Value:
        """Return for each of the whole numbers `places` that column of a matrix."""
        found = self.builder.add(Embedding(product.name, places.size, product), places)
        return Value(found.sources, (*places.shape, product.outputs))

    # What runs over a dimension.

    @_takes("_softmax", "_safe_softmax")
    def _softmax(self, a: Arguments, function: str = "softmax") -> Value:
        last, back = self._to_last(a["self"], [a["dim"]])
        step = Activation(self.builder.unique(self.name), last.size, function, last.size // last.shape[-1])
        return back(Value(self.builder.add(step, last).sources, last.shape))

    @_takes("_log_softmax")
    def _log_softmax(self, a: Arguments) -> Any:
        return self._softmax(a, "log_softmax")

    @_takes("mean")
    def _mean(self, a: Arguments) -> Value:
        return self._reduced(a, "mean")

    @_takes("sum")
    def _sum_(self, a: Arguments) -> Value:
        return self._reduced(a, "sum")

    @_takes("amax")
    def _amax(self, a: Arguments) -> Value:
        return self._reduced(a, "max")

    @_takes("var")
    def _var(self, a: Arguments) -> Value:
        correction = 1 if a.get("correction") is None else a["correction"]
        dims = self._dims(a)
        mean = self._reduced({**a, "dim": dims, "keepdim": True}, "mean")
        squares = self.function(self._sum(a["self"], mean, -1), "square")
        total = self._reduced({**a, "self": squares, "dim": dims}, "sum")
        count = math.prod(a["self"].shape[axis] for axis in dims)
        return self.scaled(total, 1 / (count - correction))

    def _dims(self, a: Arguments) -> list[int]:
        value, dims = a["self"], a.get("dim")
        if dims is None or dims == []:
            return list(range(len(value.shape)))
        return sorted(axis % len(value.shape) for axis in ([dims] if isinstance(dims, int) else dims))

    def _reduced(self, a: Arguments, function: str) -> Value:
        value, dims = a["self"], self._dims(a)
        last, _ = self._to_last(value, dims)
        size = math.prod(value.shape[axis] for axis in dims)
        step = Reduction(self.builder.unique(self.name), value.size // size, size, function)
        sources = self.builder.add(step, last).sources
        keep = a.get("keepdim", False)
        shape = [1 if axis in dims else side for axis, side in enumerate(value.shape) if keep or axis not in dims]
        return Value(sources, tuple(shape))

    def _to_last(self, value: Value, dims: list[int]) -> tuple[Value, Callable[[Value], Value]]:
        """Return the value with `dims` last, and what puts a value of that shape back."""
        axes = [axis % len(value.shape) for axis in dims]
        if 0 in axes and len(value.shape) > 1 and value.shape[0] == 1:
            raise InputError(f"{self.name} runs over dimension 0, the batch, expected another")
        order = [axis for axis in range(len(value.shape)) if axis not in axes] + axes
        if order == list(range(len(value.shape))):
            return value, lambda found: found
        back = np.argsort(order).tolist()
        moved = self.builder.move([value], lambda places: places.permute(order))
        return moved, lambda found: self.builder.move([found], lambda places: places.permute(back))

    # Normalisation.

    def normalised(self, value: Value, rows: int, epsilon: float, *, centred: bool = True) -> Value:
        """Return each of `rows` equal parts over its standard deviation."""
        step = Normalisation(self.builder.unique(self.name), rows, value.size // rows, epsilon, centred)
        return Value(self.builder.add(step, value).sources, value.shape)

    @_takes("layer_norm")
    def _layer_norm(self, a: Arguments, *, centred: bool = True) -> Value:
        size = math.prod(a["normalized_shape"])
        found = self.normalised(a["input"], a["input"].size // size, a["eps"], centred=centred)
        scale, shift = (a.get(part) for part in ("weight", "bias"))
        return self.scaled(found, 1.0 if scale is None else scale, 0.0 if shift is None else shift)

    @_takes("rms_norm")
    def _rms_norm(self, a: Arguments) -> Any:
        epsilon = torch.finfo(torch.float32).eps if a["eps"] is None else a["eps"]
        return self._layer_norm({**a, "eps": epsilon}, centred=False)

    @_takes("group_norm")
    def _group_norm(self, a: Arguments) -> Value:
        value = a["input"]
        found = self.normalised(value, value.shape[0] * a["num_groups"], a["eps"])
        sides = (-1,) + (1,) * (len(value.shape) - 2)
        scale, shift = ((None if a[part] is None else a[part].reshape(sides)) for part in ("weight", "bias"))
        return self.scaled(found, 1.0 if scale is None else scale, 0.0 if shift is None else shift)

    @_takes("_native_batch_norm_legit_no_training")
    def _native_batch_norm_legit_no_training(self, a: Arguments) -> list[Any]:
        value = a["input"]
        mean, variance = (a[part].to(torch.float64) for part in ("running_mean", "running_var"))
        scale = torch.ones_like(mean) if a["weight"] is None else a["weight"].to(torch.float64)
        shift = torch.zeros_like(mean) if a["bias"] is None else a["bias"].to(torch.float64)
        scale = scale / torch.sqrt(variance + a["eps"])
        sides = (-1,) + (1,) * (len(value.shape) - 2)
        return [self.scaled(value, scale.reshape(sides), (shift - mean * scale).reshape(sides)), None, None]

    # Windows over images.

    def image(self, value: Value) -> Image:
        """Return the sizes of an image, or of a sequence of channels as one of one line."""
        if len(value.shape) == 4 and value.shape[0] == 1:
            return Image(*value.shape[1:])
        if len(value.shape) == 3 and value.shape[0] == 1:
            return Image(value.shape[1], 1, value.shape[2])
        raise InputError(f"{self.name} gets inputs of shape {value.shape}, expected an image (1, channels, ...)")

    def _window(self, value: Value, a: Arguments, kernel: Any) -> Window:
        def two(given: Any, usual: int) -> tuple[int, int]:
            sides = [given] if isinstance(given, int) else list(given)
            return (usual, int(sides[0])) if len(value.shape) == 3 else pair(sides)

        return Window(two(kernel, 1), two(a["stride"] or kernel, 1), two(a["padding"], 0), two(a.get("dilation", 1), 1))

    @_takes("convolution")
    def _convolution(self, a: Arguments) -> Value:
        value, weight = a["input"], a["weight"]
        if isinstance(weight, Value):
            raise self.unknown("convolution whose weights depend on the input")
        if a["transposed"]:
            raise self.unknown("transposed convolution")
        image, window = self.image(value), self._window(value, a, weight.shape[2:])
        product = self.dense(weight.reshape(len(weight), -1), a["bias"], self.builder.unique(self.name))
        product = replace(product, groups=a["groups"])
        return self.convolved(value, Convolution(product.name, image, window, product))

    def convolved(self, value: Value, step: Any) -> Value:
        """Return the images of a step that gives such."""
        out = step.image_out
        sides = (out.height, out.width) if len(value.shape) == 4 else (out.width,)
        return Value(self.builder.add(step, value).sources, (*value.shape[: -len(sides) - 1], out.channels, *sides))

    @_takes("max_pool2d_with_indices")
    def _max_pool2d_with_indices(self, a: Arguments) -> list[Any]:
        return [self._pooled(a, "max"), None]

    @_takes("avg_pool2d", "avg_pool1d")
    def _avg_pool2d(self, a: Arguments) -> Value:
        value = a["self"]
        found = self._pooled(a, "average")
        window = self._window(value, a, a["kernel_size"])
        ones = torch.ones(1, 1, *(value.shape[2:] if len(value.shape) == 4 else (1, value.shape[2])))
        covered = window.kernel[0] * window.kernel[1]
        if a.get("divisor_override"):
            return self.scaled(found, covered / a["divisor_override"])
        if a["count_include_pad"] or not any(window.padding):
            return found
        share = torch.nn.functional.avg_pool2d(ones.double(), window.kernel, window.stride, window.padding)
        return self.scaled(found, 1 / share.reshape(1, 1, *found.shape[2:]))

    @_takes("_adaptive_avg_pool2d")
    def _adaptive_avg_pool2d(self, a: Arguments) -> Value:
        value = a["self"]
        sizes, wanted = value.shape[2:], a["output_size"]
        if any(size % want for size, want in zip(sizes, wanted, strict=True)):
            raise self.unknown(f"pooling of {sizes} to {tuple(wanted)}, which does not divide it,")
        kernel = [size // want for size, want in zip(sizes, wanted, strict=True)]
        return self._pooled({"self": value, "kernel_size": kernel, "stride": kernel, "padding": 0}, "average")

    def _pooled(self, a: Arguments, kind: Any) -> Value:
        value = a["self"]
        image, window = self.image(value), self._window(value, a, a["kernel_size"])
        if a.get("ceil_mode"):
            sides = zip((image.height, image.width), window.extent, window.stride, window.padding, strict=True)
            if any((size + 2 * padding - kernel) % stride for size, kernel, stride, padding in sides):
                raise InputError(f"pooling {self.name} must round down, or have windows that end with the image")
        return self.convolved(value, Pooling(self.builder.unique(self.name), image, window, kind))


def _lets_through(mask: torch.Tensor) -> bool:
    """Return whether a constant mask hides nothing."""
    return bool(mask.all() if mask.dtype == torch.bool else (mask == 0).all())


def flat(arguments: Any) -> list[Any]:
    """Return what is in nested lists, tuples and dictionaries, in order."""
    if isinstance(arguments, dict):
        return [part for value in arguments.values() for part in flat(value)]
    if isinstance(arguments, list | tuple):
        return [part for value in arguments for part in flat(value)]
    return [arguments]
