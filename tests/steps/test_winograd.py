"""Winograd's way to a 3 x 3 convolution: the same image as PyTorch's, in sixteen products per patch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import eie
import eie.compress
from eie.errors import InputError
from eie.model.network import Layer
from eie.model.reference import float_layer
from eie.pytorch.recurrent_and_winograd import WinogradConv2d, lower_
from eie.pytorch.tracing import network_of
from eie.steps import Image, Winograd
from eie.steps.winograd import transform_filters
from strategies import examples


@examples(40)
@given(
    height=st.integers(3, 9), width=st.integers(3, 9), padding=st.tuples(st.integers(0, 2), st.integers(0, 2)), seed=...
)
def test_sixteen_products_are_the_convolution(height: int, width: int, padding: tuple[int, int], seed: bool) -> None:
    """Odd and even sizes, any padding, with the transformed filters as dense codes of a large codebook."""
    rng = np.random.default_rng(int(seed))
    filters = rng.integers(-3, 4, (4, 3, 3, 3)).astype(np.float32) * 4  # multiples of 4: transformed ones are integers
    transformed = transform_filters(filters)
    values = np.unique(np.concatenate(([0.0], transformed.ravel())))
    book = np.zeros(256, np.float32)
    book[1 : len(values)] = values[values != 0]
    places = tuple(
        Layer(f"conv.{p}", eie.encode(np.searchsorted(book[1 : len(values)], part) + 1, book, n_pe=2))
        for p, part in enumerate(np.where(transformed == 0, book[1], transformed))
    )
    kept = [part != 0 for part in transformed]
    places = tuple(
        Layer(layer.name, eie.encode(layer.matrix.decode() * mask, book, n_pe=2))
        for layer, mask in zip(places, kept, strict=True)
    )
    bias = rng.normal(size=4).astype(np.float32)
    step = Winograd("conv", Image(3, height, width), padding, places, bias, relu=True)
    x = rng.normal(size=(2, 3 * height * width))
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(x.reshape(2, 3, height, width)),
        torch.from_numpy(filters.astype(np.float64)),
        torch.from_numpy(bias.astype(np.float64)),
        padding=padding,
    ).relu()
    found = step.run(x, lambda layer, vectors: float_layer(layer, vectors))
    assert found.shape == (2, step.outputs)
    assert np.allclose(found, expected.flatten(1).numpy(), atol=1e-9)


def test_a_module_keeps_its_convolution() -> None:
    """Put in the place of a convolution, the module computes the same; and so does the network made of it."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 5, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(5, 3, 3))
    x = torch.randn(4, 2, 7, 6)
    expected = model(x)
    lower_(model, {"0", "2"})
    assert isinstance(model[0], WinogradConv2d)
    assert torch.allclose(model(x), expected, atol=1e-5)
    done = eie.compress_(model, eie.compress.Recipe.model_validate({"prune": {"density": 0.6}, "share": {"bits": 8}}))
    network = network_of(model, (2, 7, 6))
    assert [layer.name for layer in network.layers] == [f"{conv}.{p}" for conv in (0, 2) for p in range(16)]
    assert np.allclose(
        eie.InferenceSession(network, numerics="float32").run(x.flatten(1).numpy()),
        model(x).detach().flatten(1).numpy(),
        atol=1e-4,
    )
    assert done.layers["0.0"].matrix.shape == (5, 2)


def test_chip_and_engine_agree() -> None:
    """In the chip's numerics, bit for bit; the chip runs each place once per patch."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 5, 3, padding=1))
    lower_(model, {"0"})
    eie.compress_(model)
    network = network_of(model, (2, 6, 6), n_pe=4)
    x = np.random.default_rng(1).normal(size=72).astype(np.float32)
    network = eie.calibrate(network, x)
    layers = eie.simulate_network(network, x, eie.Hardware(n_pe=4))
    assert [layer.runs for layer in layers] == [9] * 16
    outputs = {layer.layer.name: layer for layer in layers}

    def from_the_chip(layer: Layer, vectors: np.ndarray) -> np.ndarray:
        assert layer.formats is not None
        return np.ldexp(outputs[layer.name].outputs.astype(np.float64), -layer.formats.output_fraction)

    expected = network.steps[0].run(x[None], from_the_chip)
    assert np.array_equal(eie.InferenceSession(network, numerics="chip").run(x), expected[0].astype(np.float32))


def test_refusals() -> None:
    """Another kernel, another number of places, another size."""
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 5, 5))
    with pytest.raises(InputError) as error:
        lower_(model, {"0"})
    assert str(error.value) == (
        "layer 0 must be a 3 x 3 convolution of stride 1 for winograd, and is "
        "Conv2d(2, 5, kernel_size=(5, 5), stride=(1, 1))"
    )
    layer = Layer("a", eie.encode(np.ones((5, 3), np.uint8), [0, 1], n_pe=1))
    with pytest.raises(InputError) as error:
        Winograd("conv", Image(2, 5, 5), (0, 0), (layer,), np.zeros(5, np.float32))
    assert str(error.value) == "convolution conv must have 16 places, not 1"
    with pytest.raises(InputError) as error:
        Winograd("conv", Image(2, 5, 5), (0, 0), (layer,) * 16, np.zeros(5, np.float32))
    assert str(error.value) == "convolution conv: place 0 must be called conv.0, not a"  # so it is when read again
    places = tuple(replace(layer, name=f"conv.{number}") for number in range(16))
    with pytest.raises(InputError) as error:
        Winograd("conv", Image(2, 5, 5), (0, 0), places, np.zeros(5, np.float32))
    assert str(error.value) == "convolution conv: place conv.0 must be 5 x 2, not 5 x 3"
