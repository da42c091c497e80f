"""ONNX in and out: what PyTorch writes is read, what we write another runtime runs, with the same outputs."""

from __future__ import annotations

from dataclasses import replace
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
    given = session.get_inputs()[0]
    found: np.ndarray = session.run(None, {given.name: x.reshape(len(x), *given.shape[1:])})[0]
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
    graph = onnx.load(path).graph
    assert [size.dim_value for size in graph.input[0].type.tensor_type.shape.dim][1:] == [2, 8, 8]
    assert [node.op_type for node in graph.node].count("Reshape") == 0
    with torch.no_grad():
        again = read_onnx(path)(torch.from_numpy(x.reshape(3, 2, 8, 8)))
    assert np.allclose(again.numpy(), expected, atol=1e-5)


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


WEIGHTS = {"w": np.zeros((2, 3), np.float32), "c": np.zeros((2, 1, 3, 3), np.float32)}
REFUSED: dict[str, tuple[list[tuple[Any, ...]], str]] = {
    "an unknown node": ([("Det", ["x"], {})], "node det is a Det, which cannot be read"),
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


def hostile(change: str) -> onnx.ModelProto:
    """A graph that ONNX's checker lets pass and that is wrong in one way."""
    node = onnx.helper.make_node
    rng = np.random.default_rng(1)
    matrix, bias = rng.normal(size=(3, 4)).astype(np.float32), np.ones(3, np.float32)
    image = rng.normal(size=(2, 2, 3, 3)).astype(np.float32)
    gemm = [node("Gemm", ["x", "w", "b"], ["y"], "fc", transB=1)]
    floats = {"scale": bias, "shift": bias, "mean": bias, "variance": bias[:2]}
    conv = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [0, 0, 0, 0], "group": 1}

    def convolution(**others: Any) -> onnx.ModelProto:
        return graph([node("Conv", ["x", "w"], ["y"], "conv", **conv | others)], {"w": image}, [1, 2, 8, 8])

    def long(model: onnx.ModelProto) -> onnx.ModelProto:
        model.graph.initializer[0].raw_data += bytes(4)
        return model

    return {
        "an initialiser of another size": lambda: long(graph(gemm, {"w": matrix, "b": bias}, [1, 4])),
        "an initialiser of another type": lambda: graph(gemm, {"w": matrix.astype(np.int64), "b": bias}, [1, 4]),
        "lengths of batch normalisation": lambda: graph(
            [node("BatchNormalization", ["x", *floats], ["y"], "norm")], floats, [1, 3, 4, 4]
        ),
        "rank of a Gemm": lambda: graph(gemm, {"w": image, "b": bias}, [1, 4]),
        "order of a Gemm": lambda: graph([node("Gemm", ["w", "x"], ["y"], "fc")], {"w": matrix}, [4, 3]),
        "bias of a Gemm": lambda: graph(gemm, {"w": matrix, "b": bias[:2]}, [1, 4]),
        "pads": lambda: convolution(pads=[0, 0]),
        "pads without end": lambda: convolution(pads=[2**40] * 4),
        "strides": lambda: convolution(strides=[1, 1, 1]),
        "a stride of 0": lambda: convolution(strides=[0, 0]),
        "groups": lambda: convolution(group=5),
        "a Constant's attribute": lambda: graph(
            [node("Constant", [], ["w"], "value", value_float=3.0), *gemm], {"b": bias}, [1, 4]
        ),
        "the axis of a Softmax": lambda: graph([node("Softmax", ["x"], ["y"], "soft", axis=0)], {}, [1, 4]),
    }[change]()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("an initialiser of another size", "initialiser w has values that cannot be read: "),
        ("an initialiser of another type", "node fc has constants of int64, expected real numbers"),
        (
            "lengths of batch normalisation",
            "node norm has scale, shift, mean and variance of (3,), (3,), (3,), (2,), ex",
        ),
        ("rank of a Gemm", "node fc must multiply its input with a matrix, not (2, 2, 3, 3)"),
        ("order of a Gemm", "node fc must multiply its input with a matrix, not (3, 4)"),
        ("bias of a Gemm", "node fc has a bias of shape (2,), expected (3,)"),
        ("pads", "node conv has pads [0, 0], expected four, each 0 to 1024"),
        ("pads without end", "node conv has pads [1099511627776, 1099511627776, "),
        ("strides", "node conv has strides (1, 1, 1), expected two, each 1 to 1024"),
        ("a stride of 0", "node conv has strides (0, 0), expected two, each 1 to 1024"),
        ("groups", "node conv has weights of (2, 2, 3, 3) in 5 groups and no bias, which do not fit each other"),
        ("a Constant's attribute", "node value is a Constant, expected a tensor as its one attribute"),
        ("the axis of a Softmax", "node soft runs over axis 0, the batch, expected another"),
    ],
)
def test_graphs_that_the_checker_lets_pass(tmp_path: Path, change: str, sentence: str) -> None:
    """What is wrong with a node is a sentence that names the file and the node."""
    path = tmp_path / "hostile.onnx"
    path.write_bytes(hostile(change).SerializeToString())
    with pytest.raises(InputError) as error:
        read_onnx(path)
    assert str(error.value).startswith(f"model {path}: {sentence}")
    assert len(str(error.value).splitlines()) == 1


def test_names_that_collide_in_a_graph(tmp_path: Path) -> None:
    """Layers called as our own reshapes and outputs are stay themselves."""
    network = image_network(winograd=False)
    names = {"fc1": "conv1.image", "tanh": "conv1.out.relu", "dense": "conv1.vector", "fc2": "input"}
    network = replace(network, steps=tuple(replace(step, name=names.get(step.name, step.name)) for step in network))
    path = tmp_path / "names.onnx"
    write_onnx(network, path)
    x = np.random.default_rng(1).normal(size=(2, network.inputs)).astype(np.float32)
    assert np.allclose(runtime(path, x), eie.InferenceSession(network, numerics="float32").run(x), atol=1e-5)
