"""A network as an ONNX file, its shared weights expanded to float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eie.errors import InputError
from eie.exporters.state_dict import weights_of
from eie.model.network import NETWORK_INPUT, Layer, Network, Step
from eie.steps import Activation, Affine, Convolution, Dense, Gather, Image, Pooling, Product, Recurrent, Rows, Sum
from eie.steps.gather import ZERO
from eie.support.extras import needed_for
from eie.support.names import unique_name
from eie.support.output_files import atomic_write

with needed_for("writing ONNX"):
    import onnx
    import onnx.helper
    import onnx.numpy_helper

__all__ = ["onnx_model", "write_onnx"]

OPSET = 17
IR_VERSION = 8  # of the same age; readers refuse a newer version than their own
_ACTIVATIONS = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softmax": "Softmax",
    "log_softmax": "LogSoftmax",
}


def onnx_model(network: Network) -> Any:
    """Return an onnx.ModelProto with the input "input" and the output "output" (batch, outputs).

    The input is (batch, inputs), or (batch, channels, height, width) where the first step takes an image.
    """
    first = getattr(network.steps[0], "image", None)
    shape = [network.inputs] if first is None else [first.channels, first.height, first.width]
    writer = _Writer(first)
    for step, sources in zip(network, network.reads, strict=True):
        writer.read(step, sources)
        writer.add(step)
        writer.values.append((writer.last, writer.image))
    floats = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [*writer.nodes, onnx.helper.make_node("Flatten" if writer.image else "Identity", [writer.last], ["output"])],
        network.name,
        [onnx.helper.make_tensor_value_info("input", floats, ["batch", *shape])],
        [onnx.helper.make_tensor_value_info("output", floats, ["batch", network.outputs])],
        writer.tensors,
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="eie"
    )
    onnx.checker.check_model(model)
    return model


def write_onnx(network: Network, path: Path) -> None:
    """Write `network` to `path`. Raises InputError if it cannot be written."""
    model = onnx_model(network)
    with atomic_write(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


class _Writer:
    """The nodes and tensors written so far; `image` is the shape of the last value, None for a vector."""

    def __init__(self, image: Image | None) -> None:
        self.image = image
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.last = "input"
        self.values: list[tuple[str, Image | None]] = []  # of the steps written
        self._input = self.last, image
        self._taken = {"input", "output"}  # names of values, tensors and nodes

    def read(self, step: Step, sources: tuple[int, ...]) -> None:
        """Make what `step` reads the last value: that of its source, or all of several as one vector."""
        given = [self._input if source == NETWORK_INPUT else self.values[source] for source in sources]
        parts = []
        for self.last, self.image in given:
            if len(given) > 1:
                self._as_vector(step.name)
            parts.append(self.last)
        if len(parts) > 1:
            self.last, others = parts[0], parts[1:]
            self._node("Concat", f"{step.name}.inputs", *others, axis=1)

    def add(self, step: Step) -> None:
        match step:
            case Layer(groups=1) | Dense(groups=1):
                self._as_vector(step.name)
                self._node("Gemm", step.name, *self._weights(step, step.name), transB=1)
                self._relu(step.relu)
            case Convolution():
                self._as_image(step.name, step.image)
                groups = step.product.groups
                kernel = (step.image.channels // groups, *step.window.kernel)
                tensors = self._weights(step.product, step.name, kernel)
                self._node("Conv", step.name, *tensors, group=groups, **_window(step))
                self._relu(step.product.relu)
                self.image = step.image_out
            case Rows(product=product) if product.groups == 1:
                self._as_vector(step.name)
                self._reshape(step.name, [-1, product.inputs])
                self._node("Gemm", step.name, *self._weights(product, step.name), transB=1)
                self._relu(product.relu)
                self._reshape(f"{step.name}.rows", [-1, step.outputs])
            case Gather():
                self._as_vector(step.name)
                if step.zeros.size:  # one behind the others, which the index names as they all do
                    self._node("Pad", f"{step.name}.zero", self._tensor(f"{step.name}.pads", np.array([0, 0, 0, 1])))
                places = np.where(step.index == ZERO, step.size, step.index).astype(np.int64)
                self._node("Gather", step.name, self._tensor(f"{step.name}.index", places), axis=1)
            case Recurrent():
                self._as_vector(step.name)
                self._recurrent(step)
            case Pooling():
                self._as_image(step.name, step.image)
                if step.kind == "max":
                    self._node("MaxPool", step.name, **_window(step))
                elif step.window.dilation != (1, 1):
                    raise InputError(f"{step.name} is an average pooling with dilation, which is not written to ONNX")
                else:
                    self._node("AveragePool", step.name, count_include_pad=1, **_window(step))
                self.image = step.image_out
            case Activation(rows=1) if step.function in _ACTIVATIONS:
                arguments = {"axis": 1} if "softmax" in step.function else {}
                if arguments:
                    self._as_vector(step.name)
                self._node(_ACTIVATIONS[step.function], step.name, **arguments)
            case Affine(rows=1) if self.image and (self.image.channels, self.image.size) == (
                step.scale.size,
                step.inputs,
            ):
                ones, zeros = np.ones_like(step.scale), np.zeros_like(step.scale)
                facts = {"scale": step.scale, "shift": step.shift, "mean": zeros, "variance": ones}
                names = [self._tensor(f"{step.name}.{what}", array) for what, array in facts.items()]
                self._node("BatchNormalization", step.name, *names, epsilon=0.0)
            case Sum() | Product():
                self._as_vector(step.name)
                self._reshape(step.name, [-1, step.terms, step.size])
                if isinstance(step, Sum):
                    self._node("ReduceSum", step.name, self._tensor(f"{step.name}.axis", np.array([1])), keepdims=0)
                else:
                    self._node("ReduceProd", step.name, axes=[1], keepdims=0)
            case Affine(rows=1):
                self._as_vector(step.name)
                self._reshape(step.name, [-1, step.scale.size, step.pixels])
                self._node("Mul", f"{step.name}.scale", self._tensor(f"{step.name}.scale", step.scale[:, None]))
                self._node("Add", f"{step.name}.shift", self._tensor(f"{step.name}.shift", step.shift[:, None]))
                self._flatten(step.name)
            case _:
                raise InputError(f"{step.name} is a {type(step).__name__}, which is not written to ONNX")

    def _weights(self, product: Layer | Dense, name: str, kernel: tuple[int, ...] = ()) -> list[str]:
        weights = weights_of(product)
        names = [self._tensor(f"{name}.weight", weights.reshape(len(weights), *kernel) if kernel else weights)]
        if product.bias is not None:
            names.append(self._tensor(f"{name}.bias", product.bias))
        return names

    def _recurrent(self, step: Recurrent) -> None:
        """Write an LSTM or GRU, whose sequence and state are parts of the last value; its results become one again."""
        vector, end = self.last, step.steps * step.features
        states = []
        for number in range(step.states if step.takes_state else 0):
            self.last = vector
            self._cut(f"{step.name}.state", end + number * step.hidden, step.hidden)
            self._reshape(f"{step.name}.state", [1, -1, step.hidden])
            states.append(self.last)
        self.last = vector
        if step.takes_state:
            self._cut(f"{step.name}.sequence", 0, end)
        self._reshape(step.name, [-1, step.steps, step.features])
        self._node("Transpose", f"{step.name}.steps", perm=[1, 0, 2])
        names = ("weight", "recurrence", "biases")
        tensors = [self._tensor(f"{step.name}.{name}", array) for name, array in zip(names, _gates(step), strict=True)]
        given = [self.last, *tensors, "", *states] if states else [self.last, *tensors]
        every, *last = (self._unique(f"{step.name}.{what}") for what in ("every", "h", "c")[: 1 + step.states])
        facts: dict[str, Any] = {"hidden_size": step.hidden}
        if step.cell == "gru":
            facts["linear_before_reset"] = 1
        kind, name = step.cell.upper(), self._unique(step.name)
        self.nodes.append(onnx.helper.make_node(kind, given, [every, *last], name, **facts))
        self.last = last[0]
        if not step.last_only:
            self.last = every
            self._node("Transpose", f"{step.name}.batch", perm=[2, 0, 1, 3])
        self._reshape(f"{step.name}.results", [-1, step.hidden * (1 if step.last_only else step.steps)])
        if step.gives_memory:
            found, self.last = self.last, last[1]
            self._reshape(f"{step.name}.memory", [-1, step.hidden])
            memory, self.last = self.last, found
            self._node("Concat", f"{step.name}.with_memory", memory, axis=1)

    def _cut(self, name: str, first: int, length: int) -> None:
        """Make `length` numbers of the last value, from `first` on, the last value."""
        sides = {"starts": first, "ends": first + length, "axes": 1}
        self._node("Slice", name, *(self._tensor(f"{name}.{what}", np.array([one])) for what, one in sides.items()))

    def _tensor(self, name: str, array: npt.NDArray[Any]) -> str:
        name = self._unique(name)
        self.tensors.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _unique(self, wanted: str) -> str:
        name = unique_name(wanted, self._taken)
        self._taken.add(name)
        return name

    def _relu(self, wanted: bool) -> None:
        if wanted:
            self._node("Relu", f"{self.last}.relu")

    def _as_vector(self, name: str) -> None:
        if self.image is not None:
            self._flatten(name)
            self.image = None

    def _as_image(self, name: str, image: Image) -> None:
        if self.image != image:
            self._reshape(name, [-1, image.channels, image.height, image.width])
            self.image = image

    def _reshape(self, name: str, shape: list[int]) -> None:
        self._node("Reshape", f"{name}.image", self._tensor(f"{name}.shape", np.array(shape, np.int64)))

    def _flatten(self, name: str) -> None:
        self._node("Flatten", f"{name}.vector", axis=1)

    def _node(self, kind: str, name: str, *tensors: str, **arguments: Any) -> None:
        out = self._unique(f"{name}.out")
        self.nodes.append(onnx.helper.make_node(kind, [self.last, *tensors], [out], self._unique(name), **arguments))
        self.last = out


def _gates(step: Recurrent) -> tuple[npt.NDArray[np.float32], ...]:
    """Return ONNX's weights for x, (1, gates, features), and h, (1, gates, hidden), and its two biases in one."""
    weights, hidden, features = weights_of(step.product), step.hidden, step.features
    biases = weights[:, features + hidden :].sum(axis=1)  # of an input of 1.0, where there is one
    if step.product.bias is not None:
        biases = biases + step.product.bias
    of_x, of_h = (part.reshape(4, hidden, -1) for part in np.split(weights[:, : features + hidden], [features], axis=1))
    sums = biases.reshape(4, hidden)
    if step.cell == "lstm":  # i f g o, in ONNX i o f c
        order = [0, 3, 1, 2]
        parts = of_x[order], of_h[order], np.concatenate((sums[order], np.zeros_like(sums)))
    else:  # r z, n of x, n of h, in ONNX z r h
        if of_x[3].any() or of_h[2].any():
            raise InputError(
                f"{step.name} has weights from its state to the candidate's part from x, or from x to that from the "
                "state, expected none: an ONNX GRU has no place for them"
            )
        zeros = np.zeros_like(sums[:1])
        parts = of_x[[1, 0, 2]], of_h[[1, 0, 3]], np.concatenate((sums[[1, 0, 2]], zeros, zeros, sums[[3]]))
    first, second, both = parts
    arrays = first.reshape(1, -1, features), second.reshape(1, -1, hidden), both.reshape(1, -1)
    return tuple(np.ascontiguousarray(array, np.float32) for array in arrays)


def _window(step: Convolution | Pooling) -> dict[str, Any]:
    window = step.window
    facts: dict[str, Any] = {"kernel_shape": window.kernel, "strides": window.stride, "pads": window.padding * 2}
    return facts if window.dilation == (1, 1) else facts | {"dilations": window.dilation}
