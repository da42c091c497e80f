"""A network as an ONNX file, its shared weights expanded to float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eie.exporters.onnx_nodes import Graph, add_port, add_step
from eie.model.network import NETWORK_INPUT, Network
from eie.support.extras import needed_for
from eie.support.output_files import atomic_write

with needed_for("writing ONNX"):
    import onnx
    import onnx.helper

__all__ = ["onnx_inputs", "onnx_model", "write_onnx"]

OPSET = 17
IR_VERSION = 8  # of the same age; readers refuse a newer version than their own


def onnx_model(network: Network) -> Any:
    """Return an onnx.ModelProto with the inputs that the model had, of an open batch, and one output (batch, outputs).

    Their names and shapes are `network.inputs_as`; the output is "output", or "outputs" where an input is called so.
    """
    ports = network.inputs_as
    output = "outputs" if any(port.name == "output" for port in ports) else "output"
    graph = Graph({*(port.name for port in ports), output})
    values = {NETWORK_INPUT: graph.together("input", [add_port(graph, port) for port in ports])}
    lengths = {NETWORK_INPUT: network.inputs} | {number: step.outputs for number, step in enumerate(network)}
    for number, (step, sources) in enumerate(zip(network, network.reads, strict=True)):
        values[number] = add_step(
            graph, step, [values[source] for source in sources], [lengths[source] for source in sources]
        )
    last = values[len(network.steps) - 1]
    floats = onnx.TensorProto.FLOAT
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [*graph.nodes, onnx.helper.make_node("Flatten" if last.image else "Identity", [last.name], [output])],
            network.name,
            [
                onnx.helper.make_tensor_value_info(
                    port.name, onnx.TensorProto.INT64 if port.whole else floats, ["batch", *port.shape]
                )
                for port in ports
            ],
            [onnx.helper.make_tensor_value_info(output, floats, ["batch", network.outputs])],
            graph.tensors,
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="eie",
    )
    onnx.checker.check_model(model)
    return model


def onnx_inputs(network: Network, vectors: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
    """Return (batch, inputs) as what the model of `onnx_model` takes, by name."""
    ends = np.cumsum([port.size for port in network.inputs_as])
    parts = np.split(vectors, ends[:-1], axis=1)
    return {
        port.name: part.reshape(-1, *port.shape).astype(np.int64 if port.whole else np.float32)
        for port, part in zip(network.inputs_as, parts, strict=True)
    }


def write_onnx(network: Network, path: Path) -> None:
    """Write `network` to `path`. Raises InputError if it cannot be written."""
    model = onnx_model(network)
    with atomic_write(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
