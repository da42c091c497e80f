"""A network as an ONNX file, its shared weights expanded to float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eie.errors import InputError
from eie.exporters.state_dict import weights_of
from eie.model.network import NETWORK_INPUT, Layer, Network, Step
from eie.steps import Activation, Affine, Convolution, Dense, Image, Pooling, Product, Sum
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
    if network.sources is not None:
        raise InputError(f"network {network.name} is no chain of steps, which is not written to ONNX")
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


def _window(step: Convolution | Pooling) -> dict[str, Any]:
    window = step.window
    facts: dict[str, Any] = {"kernel_shape": window.kernel, "strides": window.stride, "pads": window.padding * 2}
    return facts if window.dilation == (1, 1) else facts | {"dilations": window.dilation}
