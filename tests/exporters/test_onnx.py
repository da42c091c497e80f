"""Every kind of step as ONNX, run by ONNX Runtime beside the readable reference in float64."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

import eie  # noqa: E402
from eie.encoding.clustering import share  # noqa: E402
from eie.errors import InputError  # noqa: E402
from eie.exporters.onnx import onnx_inputs, onnx_model  # noqa: E402
from eie.model.network import Layer, Network, Port, Step  # noqa: E402
from eie.model.reference import float_layer  # noqa: E402
from eie.steps import (  # noqa: E402
    ACTIVATIONS,
    Activation,
    Affine,
    Attention,
    Convolution,
    Dense,
    Image,
    Normalisation,
    Pooling,
    Product,
    Recurrent,
    Reduction,
    Rows,
    Sum,
    Window,
    Winograd,
)
from networks import graph_network, image_network  # noqa: E402

TOLERANCE = 1e-5  # of the largest output: float32's rounding over a few layers


def random(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def layer(name: str, outputs: int, inputs: int, *, bias: bool = True) -> Layer:
    matrix = eie.encode(*share(random(outputs, inputs) * (random(outputs, inputs, seed=1) > 0)), n_pe=4)
    return Layer(name, matrix, random(outputs, seed=2) if bias else None)


def check(network: Network | Step, inputs: Any = None) -> None:
    """Run what is written, and the reference."""
    network = network if isinstance(network, Network) else Network((network,))
    x = random(3, network.inputs, seed=3) if inputs is None else inputs
    session = onnxruntime.InferenceSession(onnx_model(network).SerializeToString(), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    (found,) = session.run(None, {given.name: x.reshape(-1, *given.shape[1:])})
    expected = network.run(x.astype(np.float64), float_layer)
    assert np.abs(found - expected).max() <= TOLERANCE * max(1e-9, np.abs(expected).max())


@pytest.mark.parametrize("function", sorted(ACTIVATIONS))
def test_functions(function: str) -> None:
    """Each function, on numbers that it is defined for; softmaxes over rows, too."""
    x = random(3, 12)
    x = np.abs(x) + np.float32(0.1) if function in ("log", "sqrt", "reciprocal") else x
    for rows in (1, 3) if "softmax" in function else (1,):
        check(Activation(function, 12, function, rows), x)


@pytest.mark.parametrize("seed", range(3))
def test_graphs_and_images(seed: int) -> None:
    """Embedding, attention, gates, sums, gathers; convolutions, Winograd's among them, and poolings."""
    check(graph_network(seed), np.random.default_rng(seed).integers(0, 7, (3, 3)).astype(np.float32))
    check(image_network(seed))


@pytest.mark.parametrize("size", [(5, 6), (6, 7), (4, 4), (7, 9)])
@pytest.mark.parametrize("padding", [(1, 1), (0, 0), (0, 1)])
def test_winograd_is_a_convolution_of_patches(size: tuple[int, int], padding: tuple[int, int]) -> None:
    """Of even and odd sizes, where the last patches reach past the image."""
    places = tuple(replace(layer("w", 5, 3, bias=False), name=f"w.{place}") for place in range(16))
    check(Winograd("w", Image(3, *size), padding, places, random(5), True))


@pytest.mark.parametrize("last_only", [False, True])
@pytest.mark.parametrize("takes_state", [False, True])
@pytest.mark.parametrize("bias_inputs", [0, 1])
def test_recurrent_cells(last_only: bool, takes_state: bool, bias_inputs: int) -> None:
    """LSTM and GRU with all states or the last, states in and out, and biases as weights of an input of 1.0."""
    product = layer("cell", 24, 11 + bias_inputs)
    for gives_memory in (False, True):
        check(Recurrent("cell", "lstm", 4, 5, product, last_only, takes_state, gives_memory))
    weights = product.matrix.dense().copy()
    weights[12:18, 5:11] = weights[18:, :5] = 0  # the candidate's part of the input, and that of the state
    assert product.bias is not None
    check(Recurrent("cell", "gru", 4, 5, Dense("cell", weights, product.bias), last_only, takes_state))


def test_a_gru_that_onnx_has_not_is_refused() -> None:
    """Its candidate's first sum, which the reset gate leaves alone, may have no part of the state."""
    with pytest.raises(InputError, match="cell has weights from its state to the candidate's part from x"):
        onnx_model(Network((Recurrent("cell", "gru", 4, 5, layer("cell", 24, 11)),)))


def test_groups_rows_and_sums() -> None:
    """Groups in linear layers, rows and convolutions; reductions and normalisation of rows; sums of one vector."""
    grouped = Dense("grouped", random(6, 2), random(6), True, groups=3)
    steps: list[Step] = [
        grouped,
        Rows("rows", 2, grouped),
        Rows("rows", 2, layer("rows", 3, 4, bias=False)),
        Convolution("conv", Image(6, 5, 5), Window((1, 1)), grouped),
        Sum("sum", 4, 3),
        Product("product", 4, 3),
        Affine("affine", 5, random(3), random(3, seed=1), rows=2),
        *(Reduction("reduction", 3, 4, function) for function in ("mean", "sum", "max")),
        *(Normalisation("norm", 3, 4, 1e-5, centred) for centred in (True, False)),
    ]
    for step in steps:
        check(step)


def test_residual_images_stay_images() -> None:
    """A block of two convolutions and what passes them by needs no reshape before its linear layer."""
    image, window = Image(4, 5, 5), Window((3, 3), (1, 1), (1, 1))
    steps: tuple[Step, ...] = (
        Convolution("a", image, window, layer("a", 4, 36)),
        Convolution("b", image, window, layer("b", 4, 36)),
        Sum("sum", 100),
        Activation("relu", 100, "relu"),
        Convolution("both", Image(8, 5, 5), Window((1, 1)), layer("both", 2, 8)),
        layer("fc", 3, 50),
    )
    network = Network(steps, "block", ((-1,), (0,), (0, 1), (2,), (3, 0), (4,)))
    check(network)
    kinds = [node.op_type for node in onnx_model(network).graph.node]
    assert kinds == ["Conv", "Conv", "Add", "Relu", "Concat", "Conv", "Flatten", "Gemm", "Identity"]


def test_inputs_keep_their_names_and_shapes(tmp_path: Path) -> None:
    """Two of them, one of whole numbers, written to a model file, read, and given by name."""
    network = graph_network()
    named = replace(network, ports=(Port("first", (2, 1), True), Port("second", (), True)))
    eie.save(named, tmp_path / "model.safetensors")
    read = eie.load(tmp_path / "model.safetensors")
    assert read.ports == named.ports
    model = onnx_model(read)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [(one.name, one.shape, one.type) for one in session.get_inputs()] == [
        ("first", ["batch", 2, 1], "tensor(int64)"),
        ("second", ["batch"], "tensor(int64)"),
    ]
    x = np.array([[1, 6, 0], [5, 2, 3]], np.float32)
    (found,) = session.run(None, onnx_inputs(read, x))
    assert np.allclose(found, network.run(x.astype(np.float64), float_layer), atol=1e-5)
    for ports, message in (
        ((Port("x", (2,)),), "network graph has 3 inputs, but those named have 2"),
        ((Port("x", (2,)), Port("x", (1,))), "network graph: inputs must have names that differ and shapes of 1 or"),
        ((Port("x", (3, 0)),), "network graph: inputs must have names that differ and shapes of 1 or"),
    ):
        with pytest.raises(InputError) as error:
            replace(network, ports=ports)
        assert str(error.value).startswith(message)


def test_what_onnx_has_no_step_for_is_refused() -> None:
    """By name: a decoder of one token at a time is nothing without what it keeps."""
    with pytest.raises(
        InputError, match="token is attention of one token to those of earlier calls, which an ONNX file does not"
    ):
        onnx_model(Network((Attention("token", 1, 2, 4, 8, 0.5),)))
    pooling = Pooling("pool", Image(1, 5, 5), Window((2, 2), dilation=(2, 2)), "average")
    with pytest.raises(InputError, match="pool is an average pooling with dilation, which is not written to ONNX"):
        onnx_model(Network((pooling,)))
