"""Each kind of step as nodes of an ONNX graph, its shared weights expanded to float32.

Every value is (batch, numbers), or an image (batch, channels, height, width) where the step before gives one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from eie.errors import InputError
from eie.exporters.state_dict import weights_of
from eie.model.network import Layer, Port, Step
from eie.steps import (
    Activation,
    Affine,
    Attention,
    Convolution,
    Dense,
    Embedding,
    Gather,
    Image,
    Matmul,
    Normalisation,
    Pooling,
    Product,
    Recurrent,
    Reduction,
    Rows,
    Sum,
    Winograd,
)
from eie.steps.gather import ZERO
from eie.steps.winograd import INPUT, OUTPUT
from eie.support.extras import needed_for
from eie.support.names import unique_name

with needed_for("writing ONNX"):
    import onnx
    import onnx.helper
    import onnx.numpy_helper

__all__ = ["Graph", "Value", "add_port", "add_step"]

Array = npt.NDArray[Any]


class Value(NamedTuple):
    """A tensor of the graph by name; `image` has its sizes where it is one, and is None for a vector."""

    name: str
    image: Image | None = None


class Graph:
    """The nodes and tensors written so far, under names that nothing else has; `taken` are those given away already."""

    def __init__(self, taken: set[str]) -> None:
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self._taken = taken

    def node(self, kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Add a node called `name` or the like, and return its output."""
        return self.nodes_of(kind, name, inputs, 1, **attributes)[0]

    def nodes_of(self, kind: str, name: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Add a node of several outputs, and return them."""
        given = [self._unique(f"{name}.out") for _ in range(outputs)]
        self.nodes.append(onnx.helper.make_node(kind, inputs, given, self._unique(name), **attributes))
        return given

    def tensor(self, name: str, array: Any, kind: type = np.float32) -> str:
        """Add a constant called `name` or the like, and return its name."""
        name = self._unique(name)
        self.tensors.append(onnx.numpy_helper.from_array(np.array(array, kind, order="C"), name))
        return name

    def _unique(self, wanted: str) -> str:
        name = unique_name(wanted, self._taken)
        self._taken.add(name)
        return name

    def reshape(self, name: str, value: str, *shape: int) -> str:
        """Return `value` in another shape, of any batch."""
        sides = self.tensor(f"{name}.shape", np.array([-1, *shape]), np.int64)
        return self.node("Reshape", f"{name}.shaped", value, sides)

    def vector(self, name: str, value: Value) -> str:
        """Return `value` as a vector."""
        return value.name if value.image is None else self.node("Flatten", f"{name}.vector", value.name, axis=1)

    def image(self, name: str, value: Value, image: Image) -> str:
        """Return `value` as an image of these sizes."""
        if value.image == image:
            return value.name
        return self.reshape(name, self.vector(name, value), image.channels, image.height, image.width)

    def together(self, name: str, parts: Sequence[Value]) -> Value:
        """Return several values as one, one after the other: images of one size stay images."""
        if len(parts) == 1:
            return parts[0]
        images = [part.image for part in parts if part.image is not None]
        if len(images) == len(parts) and len({(image.height, image.width) for image in images}) == 1:
            whole = Image(sum(image.channels for image in images), images[0].height, images[0].width)
            return Value(self.node("Concat", f"{name}.inputs", *(part.name for part in parts), axis=1), whole)
        vectors = [self.vector(name, part) for part in parts]
        return Value(self.node("Concat", f"{name}.inputs", *vectors, axis=1))


def add_port(graph: Graph, port: Port) -> Value:
    """Return an input of the graph as a value: an image of real numbers as it is, anything else as a vector."""
    if len(port.shape) == 3 and not port.whole:
        return Value(port.name, Image(*port.shape))
    value = graph.node("Cast", f"{port.name}.real", port.name, to=onnx.TensorProto.FLOAT) if port.whole else port.name
    return Value(value if len(port.shape) == 1 else graph.reshape(port.name, value, port.size))


def add_step(graph: Graph, step: Step, parts: Sequence[Value], lengths: Sequence[int]) -> Value:
    """Add the nodes of `step`, which reads `parts` of these lengths, and return what they give."""
    if isinstance(step, Sum | Product) and list(lengths) == [step.size] * step.terms:
        return _combined(graph, step, parts)
    value = graph.together(step.name, parts)
    match step:
        case Layer() | Dense():
            return Value(_linear(graph, step, graph.vector(step.name, value)))
        case Rows():
            product = step.product
            rows = graph.reshape(step.name, graph.vector(step.name, value), step.rows, product.inputs)
            weights = graph.tensor(f"{step.name}.weight", _whole(product).T)
            sums = graph.node("MatMul", step.name, rows, weights)
            if product.bias is not None:
                sums = graph.node("Add", f"{step.name}.biased", sums, graph.tensor(f"{step.name}.bias", product.bias))
            return Value(graph.reshape(step.name, _relu(graph, sums, product.relu), step.outputs))
        case Convolution():
            return _convolution(graph, step, graph.image(step.name, value, step.image))
        case Winograd():
            return _winograd(graph, step, graph.image(step.name, value, step.image))
        case Pooling():
            return _pooling(graph, step, graph.image(step.name, value, step.image))
        case Activation():
            if step.function in _SOFTMAXES:
                return Value(_softmax(graph, step, graph.vector(step.name, value)))
            return Value(_FUNCTIONS[step.function](graph, step.name, value.name), value.image)
        case Affine():
            return _affine(graph, step, value)
    vector = graph.vector(step.name, value)
    match step:
        case Recurrent():
            return Value(_recurrent(graph, step, vector))
        case Embedding():
            return Value(_embedding(graph, step, vector))
        case Gather():
            return Value(_gather(graph, step, vector))
        case Attention() if step.rows > 1:  # of a first call, before which there is nothing
            return Value(_attention(graph, step, vector))
        case Attention():
            raise InputError(
                f"{step.name} is attention of one token to those of earlier calls, which an ONNX file does not keep: "
                "write the network of a whole sequence, as eie compress makes it, or a C program with eie export c"
            )
        case Matmul():
            return Value(_matmul(graph, step, vector))
        case Normalisation():
            return Value(_normalisation(graph, step, vector))
        case Reduction():
            rows = graph.reshape(step.name, vector, step.rows, step.size)
            if step.function == "sum":
                axes = graph.tensor(f"{step.name}.axes", np.array([2]), np.int64)
                return Value(graph.node("ReduceSum", step.name, rows, axes, keepdims=0))
            kind = {"mean": "ReduceMean", "max": "ReduceMax"}[step.function]
            return Value(graph.node(kind, step.name, rows, axes=[2], keepdims=0))
        case Sum() | Product():
            terms = [Value(one) for one in _split(graph, step.name, vector, [step.size] * step.terms)]
            return _combined(graph, step, terms)
    raise InputError(f"{step.name} is a {type(step).__name__}, which is not written to ONNX")


def _relu(graph: Graph, value: str, wanted: bool) -> str:
    return graph.node("Relu", f"{value}.relu", value) if wanted else value


def _whole(product: Layer | Dense) -> Array:
    """Return the whole matrix, (outputs, inputs), of all groups."""
    if isinstance(product, Layer):
        return product.matrix.dense()
    if product.groups == 1:
        return product.weights
    whole: Array = scipy.linalg.block_diag(*np.split(product.weights, product.groups))
    return whole


def _linear(graph: Graph, product: Layer | Dense, vector: str) -> str:
    tensors = [graph.tensor(f"{product.name}.weight", _whole(product))]
    if product.bias is not None:
        tensors.append(graph.tensor(f"{product.name}.bias", product.bias))
    return _relu(graph, graph.node("Gemm", product.name, vector, *tensors, transB=1), product.relu)


def _softmax(graph: Graph, step: Activation, vector: str) -> str:
    kind = _SOFTMAXES[step.function]
    if step.rows == 1:
        return graph.node(kind, step.name, vector, axis=1)
    rows = graph.reshape(step.name, vector, step.rows, step.size // step.rows)
    return graph.reshape(step.name, graph.node(kind, step.name, rows, axis=2), step.size)


def _combined(graph: Graph, step: Sum | Product, terms: Sequence[Value]) -> Value:
    images = {term.image for term in terms}
    names = [term.name if len(images) == 1 else graph.vector(step.name, term) for term in terms]
    found = names[0]
    for name in names[1:]:
        found = graph.node("Add" if isinstance(step, Sum) else "Mul", step.name, found, name)
    return Value(found, terms[0].image if len(images) == 1 else None)


def _split(graph: Graph, name: str, vector: str, lengths: Sequence[int]) -> list[str]:
    """Return parts of a vector, of these lengths."""
    parts, first = [], 0
    axis = graph.tensor(f"{name}.axis", np.array([1]), np.int64)
    for length in lengths:
        ends = (graph.tensor(f"{name}.end", np.array([end]), np.int64) for end in (first, first + length))
        parts.append(graph.node("Slice", f"{name}.part", vector, *ends, axis))
        first += length
    return parts


def _window(step: Convolution | Pooling) -> dict[str, Any]:
    window = step.window
    facts: dict[str, Any] = {"kernel_shape": window.kernel, "strides": window.stride, "pads": window.padding * 2}
    return facts if window.dilation == (1, 1) else facts | {"dilations": window.dilation}


def _convolution(graph: Graph, step: Convolution, image: str) -> Value:
    product = step.product
    weights = weights_of(product).reshape(product.outputs, -1, *step.window.kernel)
    tensors = [graph.tensor(f"{step.name}.weight", weights)]
    if product.bias is not None:
        tensors.append(graph.tensor(f"{step.name}.bias", product.bias))
    found = graph.node("Conv", step.name, image, *tensors, group=product.groups, **_window(step))
    return Value(_relu(graph, found, product.relu), step.image_out)


def _winograd(graph: Graph, step: Winograd, image: str) -> Value:
    """As it is linear in a patch, it is a 4 x 4 convolution of stride 2 with four outputs per filter, put in order."""
    out = step.image_out
    places = np.stack([place.matrix.dense() for place in step.places]).reshape(4, 4, out.channels, -1)
    weights = np.einsum("ip,jq,pqoc,pk,ql->oijckl", OUTPUT, OUTPUT, places, INPUT, INPUT)
    bias = np.repeat(step.bias, 4)
    pads = [
        *step.padding,
        *(
            2 * -(-places // 2) + 2 - size - before
            for places, size, before in zip(
                (out.height, out.width), (step.image.height, step.image.width), step.padding, strict=True
            )
        ),
    ]
    tensors = [
        graph.tensor(f"{step.name}.weight", weights.reshape(len(bias), -1, 4, 4)),
        graph.tensor(f"{step.name}.bias", bias),
    ]
    found = graph.node("Conv", step.name, image, *tensors, kernel_shape=[4, 4], strides=[2, 2], pads=pads)
    found = graph.node("DepthToSpace", f"{step.name}.pixels", found, blocksize=2, mode="CRD")
    if out.height % 2 or out.width % 2:
        ends = ([0, 0], [out.height, out.width], [2, 3])
        found = graph.node(
            "Slice",
            f"{step.name}.whole",
            found,
            *(graph.tensor(f"{step.name}.ends", np.array(end), np.int64) for end in ends),
        )
    return Value(_relu(graph, found, step.relu), out)


def _pooling(graph: Graph, step: Pooling, image: str) -> Value:
    if step.kind == "max":
        found = graph.node("MaxPool", step.name, image, **_window(step))
    elif step.window.dilation != (1, 1):
        raise InputError(f"{step.name} is an average pooling with dilation, which is not written to ONNX")
    else:
        found = graph.node("AveragePool", step.name, image, count_include_pad=1, **_window(step))
    return Value(found, step.image_out)


def _affine(graph: Graph, step: Affine, value: Value) -> Value:
    scale, shift, name = step.scale, step.shift, step.name
    image = value.image
    if step.rows == 1 and image is not None and (image.channels, image.size) == (scale.size, step.inputs):
        facts = {"scale": scale, "shift": shift, "mean": np.zeros_like(scale), "variance": np.ones_like(scale)}
        tensors = [graph.tensor(f"{name}.{what}", array) for what, array in facts.items()]
        return Value(graph.node("BatchNormalization", name, value.name, *tensors, epsilon=0.0), image)
    if scale.size == 1:  # the same for every number, of whatever shape
        scaled = graph.node("Mul", f"{name}.scale", value.name, graph.tensor(f"{name}.scale", scale))
        return Value(graph.node("Add", f"{name}.shift", scaled, graph.tensor(f"{name}.shift", shift)), image)
    rows = graph.reshape(name, graph.vector(name, value), step.rows, scale.size, step.pixels)
    scaled = graph.node("Mul", f"{name}.scale", rows, graph.tensor(f"{name}.scale", scale[:, None]))
    shifted = graph.node("Add", f"{name}.shift", scaled, graph.tensor(f"{name}.shift", shift[:, None]))
    return Value(graph.reshape(name, shifted, step.outputs))


def _embedding(graph: Graph, step: Embedding, vector: str) -> str:
    product = step.product
    table = _whole(product).T
    if product.bias is not None:
        table = table + product.bias
    places = graph.node("Cast", f"{step.name}.places", vector, to=onnx.TensorProto.INT64)
    rows = graph.node("Gather", step.name, graph.tensor(f"{step.name}.weight", table), places, axis=0)
    return graph.reshape(step.name, rows, step.outputs)


def _gather(graph: Graph, step: Gather, vector: str) -> str:
    index = step.index.astype(np.int64)
    if step.zeros.size:
        pads = graph.tensor(f"{step.name}.pads", np.array([0, 0, 0, 1]), np.int64)
        vector = graph.node("Pad", f"{step.name}.zero", vector, pads)  # one more number, which is 0
        index = np.where(index == ZERO, step.size, index)
    return graph.node("Gather", step.name, vector, graph.tensor(f"{step.name}.index", index, np.int64), axis=1)


def _matmul(graph: Graph, step: Matmul, vector: str) -> str:
    sizes = (step.rows, step.inner), (step.inner, step.columns)
    parts = _split(graph, step.name, vector, [step.count * down * across for down, across in sizes])
    left, right = (graph.reshape(step.name, part, step.count, *size) for part, size in zip(parts, sizes, strict=True))
    return graph.reshape(step.name, graph.node("MatMul", step.name, left, right), step.outputs)


def _attention(graph: Graph, step: Attention, vector: str) -> str:
    name, rows = step.name, step.rows
    query, key, value = (
        graph.reshape(name, part, rows, step.heads, step.width)
        for part in _split(graph, name, vector, [step.outputs] * 3)
    )
    queries, values = (graph.node("Transpose", f"{name}.heads", one, perm=[0, 2, 1, 3]) for one in (query, value))
    keys = graph.node("Transpose", f"{name}.heads", key, perm=[0, 2, 3, 1])
    scores = _with("Mul", step.scale)(graph, f"{name}.scale", graph.node("MatMul", f"{name}.scores", queries, keys))
    later = graph.tensor(f"{name}.later", np.where(np.tri(rows, dtype=bool), 0, -np.inf))
    weights = graph.node("Softmax", f"{name}.weights", graph.node("Add", f"{name}.causal", scores, later), axis=3)
    mixed = graph.node("MatMul", name, weights, values)
    return graph.reshape(name, graph.node("Transpose", f"{name}.order", mixed, perm=[0, 2, 1, 3]), step.outputs)


def _normalisation(graph: Graph, step: Normalisation, vector: str) -> str:
    name = step.name
    rows = graph.reshape(name, vector, step.rows, step.size)
    if step.centred:
        rows = graph.node("Sub", f"{name}.centred", rows, graph.node("ReduceMean", f"{name}.mean", rows, axes=[2]))
    squares = graph.node("Mul", f"{name}.squares", rows, rows)
    variance = graph.node("ReduceMean", f"{name}.variance", squares, axes=[2])
    kept = graph.node("Add", f"{name}.kept", variance, graph.tensor(f"{name}.epsilon", np.array(step.epsilon)))
    found = graph.node("Div", name, rows, graph.node("Sqrt", f"{name}.deviation", kept))
    return graph.reshape(name, found, step.outputs)


# The gates of ONNX in ours: an LSTM's are i, o, f, g there and i, f, g, o here; a GRU's z, r, n there.
_LSTM = (0, 3, 1, 2)


def _recurrent(graph: Graph, step: Recurrent, vector: str) -> str:
    name, hidden, features = step.name, step.hidden, step.features
    product = step.product
    whole = _whole(product)
    bias = np.zeros(len(whole), np.float32) if product.bias is None else np.array(product.bias)
    if product.inputs > features + hidden:  # an input of 1.0, whose weights are biases
        bias = bias + whole[:, -1]
    gates = [whole[gate * hidden : (gate + 1) * hidden] for gate in range(4)]
    biases = np.split(bias, 4)
    zeros = np.zeros(hidden, np.float32)
    if step.cell == "lstm":
        ours = [gates[gate] for gate in _LSTM]
        of_x = np.concatenate([gate[:, :features] for gate in ours])
        of_h = np.concatenate([gate[:, features : features + hidden] for gate in ours])
        both = np.concatenate([*(biases[gate] for gate in _LSTM), *[zeros] * 4])
    else:  # the candidate's part of x is its own sum, and that of h another
        if gates[2][:, features : features + hidden].any() or gates[3][:, :features].any():
            raise InputError(
                f"{name} has weights from its state to the candidate's part from x, or from x to that from the state, "
                "which is not written to ONNX: its GRU has no place for them"
            )
        of_x = np.concatenate([gates[gate][:, :features] for gate in (1, 0, 2)])
        of_h = np.concatenate([gates[gate][:, features : features + hidden] for gate in (1, 0, 3)])
        both = np.concatenate([biases[1], biases[0], biases[2], zeros, zeros, biases[3]])
    lengths = [step.steps * features, *[hidden] * step.states]
    parts = _split(graph, name, vector, lengths) if step.takes_state else [vector]
    sequence = graph.reshape(name, parts[0], step.steps, features)
    given = [
        graph.node("Transpose", f"{name}.steps", sequence, perm=[1, 0, 2]),
        *(
            graph.tensor(f"{name}.{what}", array[None])
            for what, array in (("weight_x", of_x), ("weight_h", of_h), ("bias", both))
        ),
    ]
    if step.takes_state:
        axis = graph.tensor(f"{name}.axis", np.array([0]), np.int64)
        given += ["", *(graph.node("Unsqueeze", f"{name}.before", part, axis) for part in parts[1:])]
    kind, extra = ("LSTM", {}) if step.cell == "lstm" else ("GRU", {"linear_before_reset": 1})  # of the sums of h
    # (steps, 1, batch, hidden), then the last h and c: (1, batch, hidden), which is (batch, hidden) in memory.
    every, *last = graph.nodes_of(kind, name, given, 1 + step.states, hidden_size=hidden, **extra)
    if step.last_only:
        found = graph.reshape(name, last[0], hidden)
    else:
        in_order = graph.node("Transpose", f"{name}.order", every, perm=[2, 0, 1, 3])
        found = graph.reshape(name, in_order, step.steps * hidden)
    if not step.gives_memory:
        return found
    return graph.node("Concat", f"{name}.both", found, graph.reshape(name, last[1], hidden), axis=1)


Function = Callable[[Graph, str, str], str]


def _plain(kind: str, **attributes: Any) -> Function:
    return lambda graph, name, x: graph.node(kind, name, x, **attributes)


def _with(kind: str, *numbers: float) -> Function:
    def function(graph: Graph, name: str, x: str) -> str:
        return graph.node(kind, name, x, *(graph.tensor(f"{name}.number", np.array(number)) for number in numbers))

    return function


def _then(*functions: Function) -> Function:
    def function(graph: Graph, name: str, x: str) -> str:
        for one in functions:
            x = one(graph, name, x)
        return x

    return function


def _times(function: Function) -> Function:
    """Return x times a function of it."""
    return lambda graph, name, x: graph.node("Mul", name, x, function(graph, name, x))


_HALVES = (_with("Mul", 0.5), _with("Add", 0.5))
_CUBE = _times(_times(_with("Mul", 0.044715)))


def _inside_tanh(graph: Graph, name: str, x: str) -> str:
    return _with("Mul", (2 / np.pi) ** 0.5)(graph, name, graph.node("Add", name, x, _CUBE(graph, name, x)))


def _positive(graph: Graph, name: str, x: str) -> str:
    return graph.node("Cast", name, _with("Greater", 0.0)(graph, name, x), to=onnx.TensorProto.FLOAT)


_SOFTMAXES = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}
_FUNCTIONS: dict[str, Function] = {
    "relu": _plain("Relu"),
    "sigmoid": _plain("Sigmoid"),
    "tanh": _plain("Tanh"),
    "gelu": _times(_then(_with("Mul", 0.5**0.5), _plain("Erf"), *_HALVES)),
    "gelu_tanh": _times(_then(_inside_tanh, _plain("Tanh"), *_HALVES)),
    "silu": _times(_plain("Sigmoid")),
    "hardsigmoid": _plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hardswish": _plain("HardSwish"),
    "relu6": _with("Clip", 0.0, 6.0),
    "elu": _plain("Elu"),
    "softplus": _plain("Softplus"),
    "erf": _plain("Erf"),
    "exp": _plain("Exp"),
    "log": _plain("Log"),
    "square": lambda graph, name, x: graph.node("Mul", name, x, x),
    "sqrt": _plain("Sqrt"),
    "reciprocal": _plain("Reciprocal"),
    "absolute": _plain("Abs"),
    "positive": _positive,
    "cos": _plain("Cos"),
    "sin": _plain("Sin"),
}
