"""A network as an ONNX file, its shared weights expanded to float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eie.exporters.onnx_nodes import Graph, Value, add_step
from eie.model.network import NETWORK_INPUT, Network
from eie.support.extras import needed_for
from eie.support.output_files import atomic_write

with needed_for("writing ONNX"):
    import onnx
    import onnx.helper

__all__ = ["onnx_model", "write_onnx"]

OPSET = 17
IR_VERSION = 8  # of the same age; readers refuse a newer version than their own


def onnx_model(network: Network) -> Any:
    """Return an onnx.ModelProto with the input "input" and the output "output" (batch, outputs).

    The input is (batch, inputs), or (batch, channels, height, width) where the first step takes an image.
    """
    image = getattr(network.steps[0], "image", None)
    if image is not None and image.size != network.inputs:  # the first step reads other inputs, too
        image = None
    shape = [network.inputs] if image is None else [image.channels, image.height, image.width]
    graph = Graph({"input", "output"})
    values = {NETWORK_INPUT: Value("input", image)}
    lengths = {NETWORK_INPUT: network.inputs} | {number: step.outputs for number, step in enumerate(network)}
    for number, (step, sources) in enumerate(zip(network, network.reads, strict=True)):
        values[number] = add_step(
            graph, step, [values[source] for source in sources], [lengths[source] for source in sources]
        )
    last = values[len(network.steps) - 1]
    floats = onnx.TensorProto.FLOAT
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [*graph.nodes, onnx.helper.make_node("Flatten" if last.image else "Identity", [last.name], ["output"])],
            network.name,
            [onnx.helper.make_tensor_value_info("input", floats, ["batch", *shape])],
            [onnx.helper.make_tensor_value_info("output", floats, ["batch", network.outputs])],
            graph.tensors,
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="eie",
    )
    onnx.checker.check_model(model)
    return model


def write_onnx(network: Network, path: Path) -> None:
    """Write `network` to `path`. Raises InputError if it cannot be written."""
    model = onnx_model(network)
    with atomic_write(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
