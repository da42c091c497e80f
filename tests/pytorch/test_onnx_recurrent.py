"""LSTM and GRU in ONNX files: what PyTorch's exporters write is read, what we write another runtime runs."""

from __future__ import annotations

import copy
import warnings
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
import eie.nn
from eie.compress import Recipe
from eie.errors import InputError
from eie.exporters.onnx import write_onnx
from eie.model.network import Layer, Network
from eie.pytorch.onnx import read_onnx
from eie.pytorch.tracing import network_of
from eie.steps import Dense, Gather, Recurrent, Rows
from pytorch.test_recurrent import Last, Tagger, flat, state_of

SLOW = pytest.mark.slow


def runtime(path: Path, *inputs: np.ndarray) -> np.ndarray:
    """Return another runtime's outputs, one after the other."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {given.name: x for given, x in zip(session.get_inputs(), inputs, strict=True)})
    return np.concatenate([one.ravel() for one in found])


def written(model: nn.Module, given: tuple[torch.Tensor, ...], path: Path, *, default: bool) -> None:
    """Write the model with PyTorch's default exporter, or with the one before it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model.eval(), given, path, dynamo=default, verbose=False)


class Flat(Tagger):
    """A tagger whose state is several arguments, as an ONNX graph's is."""

    def forward(self, x: torch.Tensor, *state: torch.Tensor) -> Any:  # type: ignore[override]
        """Return the outputs and the state."""
        return super().forward(x, state if len(state) > 1 else state[0])


def check(path: Path, given: tuple[torch.Tensor, ...], parts: int) -> None:
    """Hold what a file becomes against another runtime, in float32 and whole sequences at a time."""
    read = read_onnx(path).eval()
    expected = runtime(path, *(one.numpy() for one in given))
    network = network_of(read, given, state=len(given) > 1)
    assert sum(isinstance(step, Recurrent) for step in network) == parts
    session = eie.InferenceSession(network, numerics="float32")
    assert len(session._stages) == 1
    found = session.run(np.concatenate([one.numpy().ravel() for one in given]))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("default", [pytest.param(True, marks=SLOW), False])
@pytest.mark.parametrize(
    ("kind", "layers", "two"),
    [
        (nn.GRU, 1, False),
        pytest.param(nn.LSTM, 1, False, marks=SLOW),
        pytest.param(nn.GRU, 2, True, marks=SLOW),
        pytest.param(nn.LSTM, 2, True, marks=SLOW),
    ],
)
def test_what_pytorch_writes_is_read(kind: Any, layers: int, two: bool, default: bool, tmp_path: Path) -> None:
    """From a state of zeros that the graph makes, and with a state that goes in and out."""
    if default:
        pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    torch.manual_seed(layers)
    recurrent = kind(4, 6, layers, bidirectional=two, batch_first=True)
    x, parts = torch.randn(1, 5, 4), layers * (1 + two)
    written(Last(recurrent), (x,), tmp_path / "last.onnx", default=default)
    check(tmp_path / "last.onnx", (x,), parts)
    given = (x, *flat(state_of(recurrent, 1)))
    written(Flat(recurrent), given, tmp_path / "state.onnx", default=default)
    check(tmp_path / "state.onnx", given, parts)


def test_layers_of_a_graph_can_be_replaced(tmp_path: Path) -> None:
    """What is compressed or converted is what runs: the module's outputs are its layers', and so are a copy's."""
    torch.manual_seed(2)
    x = torch.randn(1, 5, 4)
    written(Last(nn.LSTM(4, 6, bidirectional=True, batch_first=True)), (x,), tmp_path / "m.onnx", default=False)
    read = read_onnx(tmp_path / "m.onnx").eval()
    with torch.no_grad():
        before = read(x).numpy()
        done = eie.compress_(read, Recipe.model_validate({"prune": {"density": 0.3}, "input_shape": (5, 4)}))
        assert set(done.layers) == {"recurrent_LSTM.l0", "recurrent_LSTM.l0_reverse", "fc"}
        after = read(x).numpy()
        assert np.abs(after - before).max() > 1e-3
        found = eie.InferenceSession(done.network, numerics="float32").run(x.flatten(1).numpy())
        np.testing.assert_allclose(found, after, rtol=0, atol=2e-6)
        converted = eie.nn.convert_(copy.deepcopy(read), done.layers, numerics="float32")
        assert isinstance(converted.recurrent_LSTM, eie.nn.LSTM)
        np.testing.assert_allclose(converted(x).numpy(), after, rtol=0, atol=2e-6)
        for layer in converted.children():
            layer.forward = None  # called by nobody but the copy
        np.testing.assert_array_equal(read(x).numpy(), after)


@pytest.mark.parametrize(
    ("make", "kind", "layers", "two"),
    [(Tagger, nn.LSTM, 2, True), (Last, nn.GRU, 2, True), (Tagger, nn.GRU, 1, False), (Last, nn.LSTM, 1, False)],
)
def test_another_runtime_runs_what_is_written(kind: Any, layers: int, two: bool, make: Any, tmp_path: Path) -> None:
    """Every step or the last, with a state and without; and it is read back as the same recurrent steps."""
    torch.manual_seed(layers)
    recurrent = kind(3, 5, layers, bidirectional=two, batch_first=True, bias=two)
    model = make(recurrent).eval()
    layers_of = eie.compress_(model, Recipe.model_validate({"prune": {"density": 0.6}})).layers
    carries = make is Tagger
    shape: Any = (torch.zeros(1, 4, 3), state_of(recurrent, 1)) if carries else (4, 3)
    network = network_of(model, shape, layers=layers_of, state=carries)
    path = tmp_path / "model.onnx"
    write_onnx(network, path)
    x = np.random.default_rng(0).normal(size=(3, network.inputs)).astype(np.float32)
    expected = eie.InferenceSession(network, numerics="float32").run(x)
    np.testing.assert_allclose(runtime(path, x), expected.ravel(), rtol=0, atol=2e-6)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("LSTM" if kind is nn.LSTM else "GRU") == recurrent.num_layers * (1 + two)
    again = network_of(read_onnx(path).eval(), (network.inputs,))
    steps = [[step for step in one if isinstance(step, Recurrent)] for one in (network, again)]
    assert [step.name.replace(".", "_") for step in steps[0]] == [step.name for step in steps[1]]
    found = eie.InferenceSession(again, numerics="float32").run(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_biases_in_a_column_and_zeros_in_an_index(cell: Any, tmp_path: Path) -> None:
    """NT-LSTM's form, places that are 0, and a layer over every step."""
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(12, 2 + 3 + 1)).astype(np.float32)
    if cell == "gru":
        weights[6:9, 2:5], weights[9:, :2] = 0, 0
    product = Dense(cell, weights, rng.normal(size=12).astype(np.float32))
    codes, book = rng.integers(0, 4, (2, 3)).astype(np.uint8), rng.normal(size=4).astype(np.float32)
    book[0] = 0
    steps = (
        Gather("moved", 8, np.array([3, -1, 2, 7, -1, 0, 0, 5])),
        Recurrent("cell", cell, 4, 2, product),
        Rows("rows", 4, Layer("rows", eie.encode(codes, book, n_pe=1), relu=True)),
    )
    network = Network(steps)
    write_onnx(network, tmp_path / "model.onnx")
    x = rng.normal(size=(3, 8)).astype(np.float32)
    expected = eie.InferenceSession(network, numerics="float32").run(x)
    np.testing.assert_allclose(runtime(tmp_path / "model.onnx", x), expected.ravel(), rtol=0, atol=2e-6)
    with torch.no_grad():
        found = read_onnx(tmp_path / "model.onnx")(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def graph(kind: str, inputs: list[str], tensors: dict[str, np.ndarray], **facts: Any) -> onnx.ModelProto:
    """Return one recurrent node over (steps, 1, 2) as a graph."""
    gates = 4 if kind == "LSTM" else 3
    ways = 2 if facts.get("direction") == "bidirectional" else 1
    rng = np.random.default_rng(4)
    tensors = {
        "w": rng.normal(size=(ways, gates * 3, 2)),
        "r": rng.normal(size=(ways, gates * 3, 3)),
        "b": rng.normal(size=(ways, gates * 6)),
        **tensors,
    }
    node = onnx.helper.make_node(kind, inputs, ["y"], "cell", hidden_size=3, **facts)
    return onnx.helper.make_model(
        onnx.helper.make_graph(
            [node],
            "graph",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [5, 1, 2])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [5, ways, 1, 3])],
            [
                onnx.numpy_helper.from_array(array if array.dtype == np.int32 else array.astype(np.float32), name)
                for name, array in tensors.items()
                if name in inputs
            ],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )


STATE = np.random.default_rng(5).normal(size=(1, 1, 3))


@pytest.mark.parametrize(
    ("kind", "inputs", "facts"),
    [
        ("LSTM", ["x", "w", "r"], {}),
        ("LSTM", ["x", "w", "r", "b"], {"direction": "reverse"}),
        ("LSTM", ["x", "w", "r", "b", "", "h", "c"], {}),
        ("LSTM", ["x", "w", "r", "b", "", "", "c"], {"direction": "reverse"}),
        ("LSTM", ["x", "w", "r", "", "", "h"], {}),
        ("GRU", ["x", "w", "r", "b", "", "h"], {"linear_before_reset": 1}),
        ("GRU", ["x", "w", "r", "b"], {"linear_before_reset": 1, "direction": "bidirectional"}),
    ],
)
def test_every_way_to_write_one(kind: str, inputs: list[str], facts: dict[str, Any], tmp_path: Path) -> None:
    """Backwards, from a state that is a constant, or from half of one."""
    path = tmp_path / "model.onnx"
    onnx.save(graph(kind, inputs, {"h": STATE, "c": -STATE}, **facts), path)
    x = torch.randn(5, 1, 2)
    with torch.no_grad():
        found = read_onnx(path)(x).numpy()
    np.testing.assert_allclose(found.ravel(), runtime(path, x.numpy()), rtol=0, atol=2e-6)
    check(path, (x,), 2 if facts.get("direction") == "bidirectional" else 1)


def test_refusals(tmp_path: Path) -> None:
    """What has no place in a step, or in an ONNX node, is named before anything is written."""
    path = tmp_path / "model.onnx"
    sentence = "without lengths, peepholes, clipping and functions of its own, a GRU with linear_before_reset"
    cases = [
        graph("LSTM", ["x", "w", "r", "b", "lengths"], {"lengths": np.array([5], np.int32)}),
        graph("LSTM", ["x", "w", "r", "b", "", "", "", "p"], {"p": np.ones((1, 9))}),
        graph("GRU", ["x", "w", "r", "b"], {}),
        graph("LSTM", ["x", "w", "r", "b"], {}, clip=1.0),
    ]
    for model in cases:
        onnx.save(model, path)
        with pytest.raises(InputError, match=sentence):
            read_onnx(path)
    gru = Recurrent("gru", "gru", 4, 2, Dense("gru", np.ones((12, 5), np.float32), np.ones(12, np.float32)))
    other = tmp_path / "gru.onnx"
    with pytest.raises(InputError, match="gru has weights from its state to the candidate's part from x, or from x"):
        write_onnx(Network((gru,)), other)
    assert not other.exists()
