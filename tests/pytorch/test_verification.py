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
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.pytorch import onnx as reader
from eie.pytorch.tracing import network_of
from eie.pytorch.verification import expected_of


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
    assert [len(inputs) for inputs, _ in expected.by_kind.values()] == [4, 4]
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
    """Something that the network was not told: a hook changes what lies between two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.between, self.b = nn.Linear(6, 5), nn.Identity(), nn.Linear(5, 4)
        self.between.register_forward_hook(lambda module, inputs, outputs: outputs * 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return b(2 a(x))."""
        return self.b(self.between(self.a(x)))


def test_what_lies_between_layers_is_named_and_nothing_is_trained() -> None:
    """A hook that tracing does not see is found before training, and once more where the network is asked for."""
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
    ("model", "sentence"),
    [
        (nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), "convolution 0 pads with reflect, expected zeros"),
        (nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), "convolution 0 pads with circular, expected zeros"),
        (
            nn.AvgPool2d(2, padding=1, count_include_pad=False),
            "pooling 0 leaves its padding out of the average, expected count_include_pad=True",
        ),
        (nn.AvgPool2d(2, divisor_override=3), "pooling 0 divides by 3, expected the 4 values of its window"),
        (
            Functions(lambda x: F.avg_pool2d(x, 2, 2, 1, False, False)),
            "pooling avg_pool2d leaves its padding out of the average, expected count_include_pad=True",
        ),
        (
            Functions(lambda x: F.avg_pool2d(x, 2, divisor_override=3)),
            "pooling avg_pool2d divides by 3, expected the 4 values of its window",
        ),
        (
            Functions(lambda x: F.max_pool2d(x, 2, ceil_mode=True)),
            "pooling max_pool2d must round down and have no dilation",
        ),
        (
            Functions(lambda x: F.max_pool2d(x, 2, dilation=2)),
            "pooling max_pool2d must round down and have no dilation",
        ),
        (
            Functions(lambda x: torch.softmax(x.flatten(1), 0)),
            "softmax runs over dimension 0, expected 1, the values of a vector",
        ),
        (
            Functions(lambda x: F.dropout(x)),
            "dropout drops out in evaluation, too: give it training=self.training, or use nn.Dropout",
        ),
        (
            Functions(lambda x: torch.flatten(x)[None]),
            "flatten makes (50,) of (1, 2, 5, 5), expected the same number of ",
        ),
        (Functions(lambda x: x[:, [1, 0]]), "getitem is a <built-in function getitem>, which a network cannot hold"),
    ],
)
def test_what_was_ignored_is_refused(model: nn.Module, sentence: str) -> None:
    """Arguments that no step of a network has are refused by name."""
    with pytest.raises(InputError) as error:
        network_of(nn.Sequential(model, nn.Flatten()).eval(), (2, 5, 5))
    assert sentence in str(error.value)


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
