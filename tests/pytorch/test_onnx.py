"""ONNX in and out: what PyTorch writes is read, what we write another runtime runs, with the same outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnxruntime
import pytest
import torch
from torch import nn

import eie
from eie.errors import InputError
from eie.exporters.onnx import write_onnx
from eie.exporters.state_dict import state_dict, write_state_dict
from eie.pytorch.onnx import read_onnx
from eie.pytorch.tracing import network_of
from networks import image_network, sequence_network


def runtime(path: Path, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {session.get_inputs()[0].name: x})[0]
    return found


def graph(nodes: list[Any], tensors: dict[str, np.ndarray], shape: list[Any]) -> onnx.ModelProto:
    floats = onnx.TensorProto.FLOAT
    return onnx.helper.make_model(
        onnx.helper.make_graph(
            nodes,
            "graph",
            [onnx.helper.make_tensor_value_info("x", floats, shape)],
            [onnx.helper.make_tensor_value_info("y", floats, ["rows", "columns"])],
            [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )


def every_node() -> onnx.ModelProto:
    """A chain of every node that can be read."""
    rng = np.random.default_rng(1)
    floats = {
        "conv.weight": rng.normal(size=(6, 2, 3, 3)),
        "conv.bias": rng.normal(size=6),
        "norm.scale": rng.random(6),
        "norm.shift": rng.normal(size=6),
        "norm.mean": rng.normal(size=6),
        "norm.variance": rng.random(6) + 0.5,
        "fc1.weight": rng.normal(size=(8, 6)) / 3,
        "fc1.bias": rng.normal(size=8),
        "product": rng.normal(size=(8, 5)),
        "sum": rng.normal(size=5),
        "gemm": rng.normal(size=(5, 4)),
    }
    tensors = {name: array.astype(np.float32) for name, array in floats.items()}
    tensors["shape"] = np.array([-1, 6], np.int64)
    make = onnx.helper.make_node
    nodes = [
        make("Conv", ["x", "conv.weight", "conv.bias"], ["a"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        make("BatchNormalization", ["a", "norm.scale", "norm.shift", "norm.mean", "norm.variance"], ["b"], "norm"),
        make("Relu", ["b"], ["c"]),
        make("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]),
        make("AveragePool", ["d"], ["e"], kernel_shape=[2, 2], count_include_pad=1, pads=[1, 1, 1, 1]),
        make("Identity", ["e"], ["f"]),
        make("GlobalAveragePool", ["f"], ["g"]),
        make("Reshape", ["g", "shape"], ["h"]),
        make("Gemm", ["h", "fc1.weight", "fc1.bias"], ["i"], transB=1),
        make("Tanh", ["i"], ["j"]),
        make("MatMul", ["j", "product"], ["k"], "matmul"),
        make("Add", ["k", "sum"], ["l"]),
        make("Sigmoid", ["l"], ["m"]),
        make("Dropout", ["m"], ["n"]),
        make("Flatten", ["n"], ["o"]),
        make("Gemm", ["o", "gemm"], ["p"], "gemm"),
        make("Softmax", ["p"], ["q"]),
        make("LogSoftmax", ["q"], ["y"]),
    ]
    return graph(nodes, tensors, ["batch", 2, 8, 8])


def test_every_node_is_read(tmp_path: Path) -> None:
    """The module computes what another runtime does with the file; layers are named as their weights."""
    path = tmp_path / "model.onnx"
    onnx.save(every_node(), path)
    x = np.random.default_rng(2).normal(size=(3, 2, 8, 8)).astype(np.float32)
    model = read_onnx(path).eval()
    with torch.no_grad():
        assert np.allclose(model(torch.from_numpy(x)).numpy(), runtime(path, x), atol=1e-5)
    assert [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)] == [
        "conv",
        "fc1",
        "matmul",
        "gemm",
    ]
    network = network_of(model, (2, 8, 8))
    found = eie.InferenceSession(network, numerics="float32").run(x.reshape(3, -1))
    assert np.allclose(found, runtime(path, x), atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_another_runtime_runs_what_is_written(tmp_path: Path, seed: int) -> None:
    """Convolutions, pooling, normalisation and linear layers, expanded: the same outputs; and it is read back."""
    network = image_network(seed, winograd=False)
    path = tmp_path / "model.onnx"
    write_onnx(network, path)
    x = np.random.default_rng(2).normal(size=(3, network.inputs)).astype(np.float32)
    expected = eie.InferenceSession(network, numerics="float32").run(x)
    assert np.allclose(runtime(path, x), expected, atol=1e-5)


def test_weights_are_written_by_name(tmp_path: Path) -> None:
    """In every kind of file the same arrays, those of other forms too."""
    network = image_network()
    arrays = state_dict(network)
    assert arrays["conv1.weight"].shape == (6, 2, 3, 3)
    assert arrays["conv2.weight"].shape == (16, 5, 6)
    assert np.array_equal(arrays["fc1.weight"], network.layers[-2].matrix.dense())
    assert state_dict(sequence_network())["lstm.weight"].shape == (24, 10)
    for suffix in (".npz", ".safetensors", ".pt"):
        path = tmp_path / f"weights{suffix}"
        write_state_dict(network, path)
        from eie.pytorch.sources import read_weights

        found = read_weights(path)
        assert set(found) == set(arrays)
        assert all(np.array_equal(found[name].numpy(), arrays[name]) for name in arrays)
    with pytest.raises(InputError) as error:
        write_state_dict(network, tmp_path / "weights.h5")
    assert str(error.value) == "weights are written to .pt, .pth, .safetensors or .npz, not to weights.h5"
    with pytest.raises(InputError) as error:
        write_onnx(network, tmp_path / "model.onnx")
    assert str(error.value) == "conv2 is a Winograd, which is not written to ONNX"


WEIGHTS = {"w": np.zeros((2, 3), np.float32), "c": np.zeros((2, 1, 3, 3), np.float32)}
REFUSED: dict[str, tuple[list[tuple[Any, ...]], str]] = {
    "an unknown node": ([("Erf", ["x"], {})], "node erf is a Erf, which cannot be read"),
    "two ways": (
        [("Relu", ["x"], {}), ("Tanh", ["x"], {})],
        "node tanh takes x, expected v0 alone: the nodes must be in a row",
    ),
    "a scaled product": (
        [("Gemm", ["x", "w"], {"transB": 1, "alpha": 2.0})],
        "node gemm must have alpha and beta of 1 ",
    ),
    "uneven padding": (
        [("Conv", ["x", "c"], {"pads": [0, 0, 1, 1]})],
        "node conv pads 0, 0, 1 and 1, expected the same on opposite sides",
    ),
    "padding by name": (
        [("Conv", ["x", "c"], {"auto_pad": "SAME_UPPER"})],
        "node conv must have its padding in numbers, not auto_pad",
    ),
    "a dilated window": (
        [("MaxPool", ["x"], {"kernel_shape": [2, 2], "dilations": [2, 2]})],
        "node maxpool must round down and have no dilation",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_named(tmp_path: Path, case: str) -> None:
    """The file, the node and the reason."""
    nodes, sentence = REFUSED[case]
    made = [
        onnx.helper.make_node(kind, inputs, [f"v{n}" if n + 1 < len(nodes) else "y"], **arguments)
        for n, (kind, inputs, arguments) in enumerate(nodes)
    ]
    path = tmp_path / "model.onnx"
    onnx.save(graph(made, WEIGHTS, [1, 1, 8, 8]), path)
    with pytest.raises(InputError) as error:
        read_onnx(path)
    assert str(error.value).startswith(f"model {path}: {sentence}")


def test_files_that_are_no_onnx(tmp_path: Path) -> None:
    """Missing, or something else."""
    with pytest.raises(InputError) as error:
        read_onnx(tmp_path / "none.onnx")
    assert str(error.value) == f"model {tmp_path / 'none.onnx'} does not exist"
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(InputError) as error:
        read_onnx(tmp_path / "text.onnx")
    assert str(error.value).startswith(f"model {tmp_path / 'text.onnx'} is not a whole ONNX file: ")
