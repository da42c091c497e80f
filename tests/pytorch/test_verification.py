"""A network that would compute something else than its model is refused, with the layer that differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import eie
from eie.compress import Recipe
from eie.engine import InferenceSession
from eie.errors import InputError
from eie.model.network import NETWORK_INPUT, Layer, Network
from eie.pytorch import onnx as reader
from eie.pytorch import onnx_reference
from eie.pytorch.tracing import network_of
from eie.pytorch.verification import expected_of
from eie.steps import Dense


def cnn() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 20), nn.Linear(20, 5)
    )


def test_a_network_that_is_right_holds() -> None:
    """On generated and on real inputs, which are both tried."""
    model = cnn()
    real = np.random.default_rng(1).random((9, 1, 8, 8), np.float32)
    expected = expected_of(model, (1, 8, 8), real)
    assert list(expected.by_kind) == ["real", "generated"]
    assert [len(inputs) for (inputs,), _ in expected.by_kind.values()] == [4, 4]
    expected.hold(model, network_of(model, (1, 8, 8)))


def test_the_first_layer_that_differs_is_named() -> None:
    """A step that computes something else by itself is named, not those after it."""
    model = cnn()
    network = network_of(model, (1, 8, 8))
    expected = expected_of(model, (1, 8, 8))
    for number, name in ((0, "layer 0"), (2, "layer 4"), (3, "layer 5")):
        steps: list[Any] = list(network.steps)
        step = steps[number]
        product = getattr(step, "product", step)
        wrong = replace(product, bias=product.bias + np.float32(0.1))
        steps[number] = replace(step, product=wrong) if step is not product else wrong
        with pytest.raises(InputError) as error:
            expected.hold(model, Network(tuple(steps)))
        assert f"the network does not compute what the model does: {name} differs, and on generated inputs" in str(
            error.value
        )


class Doubled(nn.Module):
    """Something that the network was not told: what lies between two layers is another where PyTorch exports it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.between, self.b = nn.Linear(6, 5), nn.Identity(), nn.Linear(5, 4)
        self.between.register_forward_hook(lambda _, inputs, out: out * 2 if type(out) is torch.Tensor else out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return b(2 a(x))."""
        return self.b(self.between(self.a(x)))


def test_what_lies_between_layers_is_named_and_nothing_is_trained() -> None:
    """What tracing does not see is found before training, and once more where the network is asked for."""
    where = "what is between layer a and layer b differs"
    with pytest.raises(InputError, match=where):
        eie.compress_(Doubled(), chain=True)
    done = eie.compress_(Doubled())
    with pytest.raises(InputError, match=where):
        _ = done.network
    assert set(done.layers) == {"a", "b"}


class Functions(nn.Module):
    """Calls one function."""

    def __init__(self, call: Any) -> None:
        super().__init__()
        self.call = call

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return call(x)."""
        return self.call(x)


F = nn.functional


@pytest.mark.parametrize(
    "model",
    [
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"),
        nn.AvgPool2d(2, padding=1, count_include_pad=False),
        nn.AvgPool2d(2, divisor_override=3),
        Functions(lambda x: F.avg_pool2d(x, 2, 2, 1, False, False)),
        Functions(lambda x: F.avg_pool2d(x, 2, divisor_override=3)),
        Functions(lambda x: F.max_pool2d(x, 2, dilation=2)),
        Functions(lambda x: x[:, [1, 0]]),
    ],
)
def test_arguments_are_not_ignored(model: nn.Module) -> None:
    """What a function is told, the network does."""
    model, x = nn.Sequential(model, nn.Flatten()).eval(), torch.randn(3, 2, 5, 5)
    found = InferenceSession(network_of(model, (2, 5, 5)), numerics="float32").run(x.flatten(1).numpy())
    with torch.no_grad():
        assert np.allclose(found, model(x).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            Functions(lambda x: F.max_pool2d(x, 2, ceil_mode=True)),
            "pooling 0.max_pool2d_with_indices must round down, or have windows that end with the image",
        ),
        (
            Functions(lambda x: torch.softmax(x.flatten(1), 0)),
            "0._softmax runs over dimension 0, the batch, expected another",
        ),
        (Functions(lambda x: x - x.mean()), "0.mean runs over dimension 0, the batch, expected another"),
        (Functions(lambda x: F.dropout(x)), "0.native_dropout is a native_dropout, whose numbers are random, which a "),
        (Functions(lambda x: torch.flatten(x)[None]), "the model has no layer to run, expected at least one"),
    ],
)
def test_what_was_ignored_is_refused(model: nn.Module, sentence: str) -> None:
    """Arguments that no step of a network has are refused by name."""
    with pytest.raises(InputError) as error:
        network_of(nn.Sequential(model, nn.Flatten()).eval(), (2, 5, 5))
    assert str(error.value).startswith(sentence)


def test_arguments_that_change_nothing_are_taken() -> None:
    """Without padding there is none to leave out, a divisor that is the window's size is none of its own."""
    model = nn.Sequential(
        nn.Conv2d(2, 2, 3, padding_mode="reflect"),
        nn.AvgPool2d(2, stride=1, count_include_pad=False, divisor_override=4),
        nn.Flatten(),
        nn.Softmax(dim=-1),
    )
    expected_of(model, (2, 5, 5)).hold(model, network_of(model, (2, 5, 5)))


def test_a_winograd_convolution_pads_with_zeros_alone() -> None:
    """Another padding is refused before its filters are transformed."""
    recipe = Recipe.model_validate({"layers": {"0": {"winograd": True}}, "input_shape": (2, 5, 5)})
    with pytest.raises(InputError, match="layer 0 must be a 3 x 3 convolution of stride 1 for winograd"):
        eie.compress_(nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect")), recipe)


class Words(nn.Module):
    """Takes numbers of words, and returns two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.fc = nn.Embedding(7, 3), nn.Linear(3, 2)

    def forward(self, words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scores, and the vectors with their batch in the second place."""
        vectors = self.embedding(words)
        return self.fc(vectors), vectors.transpose(0, 1)


def test_whole_numbers_and_several_outputs() -> None:
    """A model that looks words up gets words; all that it returns is compared, item by item."""
    model = Words()
    expected = expected_of(model, (5,))
    (inputs,), outputs = expected.by_kind["generated"]
    assert inputs.dtype == torch.int64
    assert (int(inputs.min()), int(inputs.max())) == (0, 6)
    with torch.no_grad():
        scores, vectors = model(inputs)
    assert outputs.shape == (4, 5 * 2 + 5 * 3)
    for item in range(4):
        found = torch.cat((scores[item].ravel(), vectors[:, item].ravel()))
        assert np.allclose(outputs[item], found.numpy())


def test_a_model_without_finite_outputs_is_held_against_nothing() -> None:
    """That is said, in place of a network that nobody has compared."""

    class Infinite(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x) * float("inf")

    with pytest.raises(InputError, match="the model gives no finite outputs on generated inputs"):
        expected_of(Infinite(), (3,)).hold(Infinite(), network_of(nn.Sequential(nn.Linear(3, 2)), (3,)))


def test_a_network_that_is_no_chain_is_followed() -> None:
    """A step is held against its module wherever it stands in the graph."""
    torch.manual_seed(0)

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 3), nn.Linear(4, 2), nn.Linear(5, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.c(torch.cat((self.a(x), self.b(x)), dim=1))

    model = Joined()
    steps = [Dense(name, *(one.detach().numpy() for one in getattr(model, name).parameters())) for name in "abc"]
    reads = ((NETWORK_INPUT,), (NETWORK_INPUT,), (0, 1))
    expected = expected_of(model, (4,))
    expected.hold(model, Network(tuple(steps), "joined", reads))
    steps[1] = replace(steps[1], bias=steps[1].bias + 1)
    with pytest.raises(InputError, match="the model does: layer b differs"):
        expected.hold(model, Network(tuple(steps), "joined", reads))


def test_a_compressed_model_is_its_network() -> None:
    """The shared weights' own outputs are what the network is held against, with no tolerance for sharing."""
    model = cnn()
    done = eie.compress_(model, Recipe.model_validate({"prune": {"density": 0.3}, "input_shape": (1, 8, 8)}))
    x = torch.randn(3, 1, 8, 8)
    found = eie.InferenceSession(done.network, numerics="float32").run(x.flatten(1).numpy())
    assert np.allclose(found, model(x).detach().numpy(), atol=1e-5)
    layer = done.layers["5"]
    assert isinstance(layer, Layer)


def test_an_onnx_graph_read_wrongly_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each node's results are those of ONNX's reference, or it is named."""
    floats = onnx.TensorProto.FLOAT
    nodes = [
        onnx.helper.make_node("AveragePool", ["x"], ["p"], "pool", kernel_shape=[2, 2], strides=[1, 1]),
        onnx.helper.make_node("Flatten", ["p"], ["y"], "flat"),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", floats, ["batch", 1, 4, 4])],
        [onnx.helper.make_tensor_value_info("y", floats, ["batch", 9])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "pool.onnx")
    assert reader.read_onnx(tmp_path / "pool.onnx")
    monkeypatch.setattr(reader, "_pooling", lambda name, kind, facts: nn.AvgPool2d(2, 1, divisor_override=3))
    with pytest.raises(InputError) as error:
        reader.read_onnx(tmp_path / "pool.onnx")
    assert "node pool was not read as ONNX means it: its results differ by 0.33 of the largest" in str(error.value)


def test_no_file_makes_the_reference_work_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that a few bytes can ask for are counted before the reference, which is plain NumPy, makes any number."""

    def never(*arguments: Any) -> None:
        raise AssertionError("the reference was called")

    monkeypatch.setattr(onnx_reference, "ReferenceEvaluator", never)
    floats = onnx.TensorProto.FLOAT
    node = onnx.helper.make_node
    layers: list[tuple[nn.Module, onnx.NodeProto, list[int]]] = [
        (nn.Conv2d(1, 8, 1, padding=1024), node("Conv", ["x", "w"], ["y"]), [2, 1, 4, 4]),
        (nn.AvgPool2d(512, 1), node("AveragePool", ["x"], ["y"], kernel_shape=[512, 512]), [2, 1, 1024, 1024]),
        (nn.Flatten(), node("Flatten", ["x"], ["y"]), [2, 1, 2**20, 2**20]),
    ]
    for module, node_of_it, shape in layers:
        value = onnx.helper.make_tensor_value_info("x", floats, shape)
        graph = reader.OnnxModel({"layer": module}, {}, ["x"])
        graph.nodes.append(("layer", module, ["x"], ["y"]))
        model = onnx.helper.make_model(onnx.helper.make_graph([node_of_it], "graph", [value], []))
        onnx_reference.require_same(model, graph)
