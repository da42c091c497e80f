"""Graphs in ONNX files as PyTorch's default exporter writes them: read, run and compressed with the same outputs."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnxruntime
import pytest
import torch
from torch import nn

import eie
from eie.compress import Recipe
from eie.errors import InputError
from eie.pytorch.onnx import read_onnx
from eie.pytorch.tracing import network_of
from pytorch.test_graphs import Recommender, inputs_of, models

pytest.importorskip("onnxscript", reason="onnxscript is not installed")


MODELS = models()
del MODELS["mobilenet"]  # its convolution of an even kernel pads unevenly, which is refused in ONNX


def written(model: nn.Module, shape: tuple[int, ...], path: Path) -> torch.Tensor:
    """Write the model for an open batch, and return inputs."""
    x = inputs_of(model, shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(), (x,), path, dynamo=True, verbose=False, dynamic_shapes=({0: torch.export.Dim("batch")},)
        )
    return x


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_what_pytorch_writes_is_read(name: str, tmp_path: Path) -> None:
    """The same outputs as another runtime's; compressed, as the module's own."""
    torch.manual_seed(1)
    model, shape = MODELS[name]()
    path = tmp_path / "model.onnx"
    x = written(model, shape, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    flat = np.concatenate([one.reshape(3, -1) for one in expected], axis=1)
    read = read_onnx(path).eval()
    ids = (torch.zeros(1, *shape, dtype=torch.int64),) if isinstance(model, Recommender) else shape
    found = eie.InferenceSession(network_of(read, ids), numerics="float32").run(x.flatten(1).numpy())
    assert np.allclose(found, flat, atol=2e-5)
    done = eie.compress_(read, Recipe.model_validate({"prune": {"density": 0.5}, "input_shape": shape}))
    eie.save(done.network, tmp_path / "model.safetensors", packed=True)
    found = eie.InferenceSession(tmp_path / "model.safetensors", numerics="float32").run(x.flatten(1).numpy())
    with torch.no_grad():
        assert np.allclose(found, read(x).flatten(1).numpy(), atol=2e-5)


@pytest.mark.slow
def test_upsampling_is_read(tmp_path: Path) -> None:
    """As PyTorch writes it unasked, for one input, and for an open batch."""
    torch.manual_seed(1)
    layers = (nn.Conv2d(1, 2, 3), nn.Upsample(scale_factor=2), nn.Conv2d(2, 3, 1))
    model = nn.Sequential(*layers).eval()
    x = written(model, (1, 4, 5), tmp_path / "open.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (x[:1],), str(tmp_path / "one.onnx"), verbose=False)
    with torch.no_grad():
        expected = model(x).flatten(1).numpy()
    for name in ("open.onnx", "one.onnx"):
        read = read_onnx(tmp_path / name).eval()
        found = eie.InferenceSession(network_of(read, (1, 4, 5)), numerics="float32").run(x.flatten(1).numpy())
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
        with torch.no_grad():
            np.testing.assert_allclose(read(x).flatten(1).numpy(), expected, rtol=0, atol=1e-6)


def test_numbers_are_gathered_by_their_place(tmp_path: Path) -> None:
    """As the runtime does, from longer axes than NumPy's choose takes, too, and counted from the end."""
    rng = np.random.default_rng(0)
    constants = {"table": rng.normal(size=(1, 100)), "along": rng.integers(-100, 100, (1, 100))}
    constants |= {"column": rng.normal(size=(100, 1)), "down": np.zeros((100, 1), np.int64)}
    floats = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("GatherElements", ["table", "along"], ["row"], axis=1),
            onnx.helper.make_node("GatherElements", ["column", "down"], ["weights"]),
            onnx.helper.make_node("Add", ["x", "row"], ["sum"]),
            onnx.helper.make_node("GatherElements", ["sum", "along"], ["moved"], axis=-1),
            onnx.helper.make_node("MatMul", ["moved", "weights"], ["y"]),
        ],
        "graph",
        [onnx.helper.make_tensor_value_info("x", floats, [1, 100])],
        [onnx.helper.make_tensor_value_info("y", floats, [1, 1])],
        [
            onnx.numpy_helper.from_array(one.astype(np.float32) if one.dtype.kind == "f" else one, name)
            for name, one in constants.items()
        ],
    )
    path = tmp_path / "model.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9), path)
    x = rng.normal(size=(1, 100)).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    found = eie.InferenceSession(network_of(read_onnx(path), (100,)), numerics="float32").run(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    with pytest.raises(InputError, match=r"indices of \(1, 100\) for numbers of \(3, 100\)"):
        read_onnx(path)(torch.zeros(3, 100))


def resized(path: Path, attributes: dict[str, str], scales: list[float] | None, sizes: list[int] | None) -> Path:
    """Write images of 2 x 3 x 4 numbers, resized, and a 1 x 1 convolution of them."""
    rng = np.random.default_rng(0)
    constants = {"weights": rng.normal(size=(3, 2, 1, 1)).astype(np.float32)}
    if scales is not None:
        constants["scales"] = np.array(scales, np.float32)
    if sizes is not None:
        constants["sizes"] = np.array(sizes, np.int64)
    takes = ["x", "", "scales" if scales is not None else "", *(["sizes"] if sizes is not None else [])]
    floats = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Resize", takes, ["larger"], name="resize", **attributes),
            onnx.helper.make_node("Conv", ["larger", "weights"], ["y"]),
        ],
        "graph",
        [onnx.helper.make_tensor_value_info("x", floats, [1, 2, 3, 4])],
        [onnx.helper.make_tensor_value_info("y", floats, [1, 3, "down", "across"])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("attributes", "scales", "sizes"),
    [
        ({"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, [1, 1, 2, 3], None),
        ({"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, None, [1, 2, 9, 4]),
        ({"mode": "nearest"}, [1, 1, 4, 3], None),
    ],
)
def test_images_are_made_larger_by_whole_factors(
    attributes: dict[str, str], scales: list[float] | None, sizes: list[int] | None, tmp_path: Path
) -> None:
    """As the runtime does, in the ways that exporters write."""
    path = resized(tmp_path / "model.onnx", attributes, scales, sizes)
    x = np.random.default_rng(1).normal(size=(1, 2, 3, 4)).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    found = eie.InferenceSession(network_of(read_onnx(path), (2, 3, 4)), numerics="float32").run(x.reshape(1, -1))
    np.testing.assert_allclose(found, expected.reshape(1, -1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("attributes", "scales", "sentence"),
    [
        (
            {"mode": "linear"},
            [1, 1, 2, 2],
            "node resize resizes by linear, half_pixel, round_prefer_floor, expected nearest",
        ),
        (
            {"coordinate_transformation_mode": "align_corners"},
            [1, 1, 2, 2],
            "node resize resizes by nearest, align_corners, round_prefer_floor, expected nearest as PyTorch writes it",
        ),
        ({}, [1, 1, 1.5, 2], r"node resize resizes by \[1.0, 1.0, 1.5, 2.0\], expected whole factors"),
        ({}, [1, 1, 0.5, 1], "expected whole factors"),
        ({}, [1, 1, np.inf, 1], "expected whole factors"),
        ({}, [1, 1, 5000, 5000], "expected 16777216 numbers at most"),
    ],
)
def test_what_is_resized_otherwise_is_refused(
    attributes: dict[str, str], scales: list[float], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=sentence):
        read_onnx(resized(tmp_path / "model.onnx", attributes, scales, None))
