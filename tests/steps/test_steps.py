"""Every step against PyTorch's own layer, and networks of them through engine, reference and chip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import eie
from eie.chip.trace import activity
from eie.errors import InputError
from eie.model.network import Batch, Layer, Network, Step
from eie.model.numerics import dequantise, quantise
from eie.model.reference import float_layer, formats_of
from eie.program.arithmetic import chip_layer
from eie.steps import ACTIVATIONS, Activation, Affine, Convolution, Dense, Image, Pooling, Window
from strategies import examples


def compressed(rng: np.random.Generator, name: str, outputs: int, inputs: int, relu: bool = False) -> Layer:
    codes = np.where(rng.random((outputs, inputs)) < 0.5, rng.integers(1, 16, (outputs, inputs)), 0)
    book = np.concatenate(([0.0], rng.normal(size=15) / np.sqrt(inputs)))
    bias = rng.normal(size=outputs).astype(np.float32)
    return Layer(name, eie.encode(codes.astype(np.uint8), book, n_pe=4), bias, relu)


def in_float64(step: Step, vectors: Batch) -> Batch:
    return step.run(vectors.astype(np.float64), lambda layer, x: float_layer(layer, x))


pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@examples(60)
@given(
    kernel=pairs,
    stride=pairs,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    sizes=st.tuples(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9)),
    seed=st.integers(0, 2**31),
    dense=st.booleans(),
)
def test_a_convolution_is_pytorchs(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    sizes: tuple[int, int, int],
    seed: int,
    dense: bool,
) -> None:
    """Any kernel, stride and padding, compressed or dense: the same image."""
    rng = np.random.default_rng(seed)
    image = Image(*sizes)
    layer = compressed(rng, "filters", 5, image.channels * kernel[0] * kernel[1])
    product = Dense("filters", layer.matrix.dense(), layer.bias, layer.relu) if dense else layer
    step = Convolution("conv", image, Window(kernel, stride, padding), product)
    x = rng.normal(size=(2, image.size))
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(image.of(x)),
        torch.from_numpy(layer.matrix.dense().astype(np.float64)).reshape(5, image.channels, *kernel),
        torch.from_numpy(layer.bias.astype(np.float64)),
        stride,
        padding,
    )
    assert (step.image_out.channels, step.image_out.height, step.image_out.width) == tuple(expected.shape[1:])
    assert np.allclose(in_float64(step, x), expected.flatten(1).numpy())


@examples(40)
@given(kernel=pairs, stride=pairs, padded=st.booleans(), kind=st.sampled_from(["max", "average"]))
def test_pooling_is_pytorchs(kernel: tuple[int, int], stride: tuple[int, int], padded: bool, kind: str) -> None:
    """The largest value of each window, or the mean, padding counted."""
    image = Image(3, 7, 6)
    padding = (kernel[0] // 2, kernel[1] // 2) if padded else (0, 0)
    x = np.random.default_rng(1).normal(size=(2, image.size))
    pool = torch.nn.functional.max_pool2d if kind == "max" else torch.nn.functional.avg_pool2d
    expected = pool(torch.from_numpy(image.of(x)), kernel, stride, padding)
    step = Pooling("pool", image, Window(kernel, stride, padding), "max" if kind == "max" else "average")
    assert np.allclose(in_float64(step, x), expected.flatten(1).numpy())


@pytest.mark.parametrize("function", ["relu", "sigmoid", "tanh", "softmax", "log_softmax"])
def test_activations_are_pytorchs(function: str) -> None:
    """Each function by its name."""
    x = np.random.default_rng(1).normal(size=(3, 5)) * 20
    arguments = {"dim": 1} if "softmax" in function else {}
    expected = getattr(torch, function)(torch.from_numpy(x), **arguments).numpy()
    assert np.allclose(in_float64(Activation("f", 5, function), x), expected)


def test_affine_is_batch_normalisation() -> None:
    """One scale and shift for each channel."""
    rng = np.random.default_rng(1)
    norm = torch.nn.BatchNorm2d(3).double().eval()
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        tensor.copy_(torch.from_numpy(rng.random(3) + 0.5))
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().numpy()
    shift = norm.bias.detach().numpy() - norm.running_mean.numpy() * scale
    x = rng.normal(size=(2, 3 * 4))
    expected = norm(torch.from_numpy(x.reshape(2, 3, 2, 2))).detach().flatten(1).numpy()
    step = Affine("norm", 4, scale.astype(np.float32), shift.astype(np.float32))
    assert np.allclose(in_float64(step, x), expected, atol=1e-5)


def small_network(seed: int = 3) -> Network:
    """Convolution, pooling, a linear layer twice and softmax: every way values pass from step to step."""
    rng = np.random.default_rng(seed)
    image = Image(2, 7, 7)
    conv = Convolution("conv", image, Window((3, 3), padding=(1, 1)), compressed(rng, "conv", 6, 18, relu=True))
    pool = Pooling("pool", conv.image_out, Window((2, 2), (2, 2)))
    return Network(
        (
            conv,
            pool,
            compressed(rng, "fc1", 20, pool.outputs, relu=True),
            compressed(rng, "fc2", 5, 20),
            Activation("softmax", 5, "softmax"),
        ),
        "small",
    )


def test_a_session_runs_any_network() -> None:
    """float32 and int16 agree with float64 within their precision; one vector or a batch."""
    network = small_network()
    x = np.random.default_rng(1).normal(size=(3, network.inputs)).astype(np.float32)
    expected: Batch = x
    for step in network:
        expected = in_float64(step, expected)
    for numerics, tolerance in (("float32", 1e-5), ("int16", 2e-3)):
        session = eie.InferenceSession(network, numerics=numerics)
        assert np.allclose(session.run(x), expected, atol=tolerance)
        assert np.array_equal(session.run(x[1]), session.run(x)[1])
    assert [plan.name for plan in session.plan] == ["conv", "fc1", "fc2"]


def test_session_and_simulated_chip_agree_bit_for_bit() -> None:
    """In the chip's numerics the engine gives what the simulated chip puts out, product by product."""
    network = small_network()
    x = np.random.default_rng(1).normal(size=network.inputs).astype(np.float32)
    network = eie.calibrate(network, x)
    network = replace(network, steps=network.steps[:-1])
    layers = eie.simulate_network(network, x, eie.Hardware(n_pe=4))
    last = layers[-1]
    given = dequantise(last.outputs, formats_of(last.layer).output_fraction)
    assert np.array_equal(eie.InferenceSession(network, numerics="chip").run(x), given.astype(np.float32))
    assert [(layer.layer.name, layer.runs) for layer in layers] == [("conv", 49), ("fc1", 1), ("fc2", 1)]


def test_a_convolution_takes_the_chip_one_product_per_place() -> None:
    """Cycles, counts and outputs are the sums and rows of the windows' own simulations."""
    network = small_network()
    conv = network.steps[0]
    assert isinstance(conv, Convolution)
    x = np.random.default_rng(1).normal(size=network.inputs)
    network = eie.calibrate(network, x)
    (layer,) = network.steps[0].layers
    windows = conv.window.over(conv.image.of(x[None])).transpose(0, 2, 3, 1, 4, 5).reshape(49, 18)
    values = quantise(windows, formats_of(layer).activation_fraction)
    alone = [eie.simulate(layer.matrix, window, eie.Hardware(n_pe=4)) for window in values]
    whole = eie.simulate_network(network, x, eie.Hardware(n_pe=4))[0]
    assert whole.simulation.cycles == sum(layer.cycles for layer in alone)
    assert whole.simulation.counts.macs == sum(layer.counts.macs for layer in alone)
    assert whole.simulation.counts.entries == layer.matrix.n_entries
    assert np.array_equal(whole.simulation.starved_cycles, np.sum([layer.starved_cycles for layer in alone], axis=0))
    assert np.array_equal(whole.activations, values)
    assert np.array_equal(whole.outputs, [chip_layer(layer, window).values for window in values])


def test_refusals() -> None:
    """What does not fit is named, with its sizes."""
    rng = np.random.default_rng(1)
    with pytest.raises(InputError) as error:
        Convolution("conv", Image(2, 5, 5), Window((3, 3)), compressed(rng, "conv", 4, 17))
    assert str(error.value) == "convolution conv: its windows have 18 values, but its product takes 17"
    with pytest.raises(InputError) as error:
        Pooling("pool", Image(2, 3, 3), Window((4, 4)))
    assert str(error.value) == "a window of 4 x 4 does not fit an image of 2 x 3 x 3"
    with pytest.raises(InputError) as error:
        Pooling("pool", Image(2, 8, 8), Window((2, 2), padding=(2, 2)))
    assert str(error.value) == "pooling pool: padding must be at most half of 2, not 2"
    with pytest.raises(InputError) as error:
        Window((3, 3), stride=(0, 1))
    assert str(error.value) == "a window's stride must be 1 to 1024, not 0"
    with pytest.raises(InputError) as error:
        Image(0, 3, 3)
    assert str(error.value) == "an image must have 1 to 16777216 values, not 0 x 3 x 3"
    with pytest.raises(InputError) as error:
        Activation("f", 3, "gulp")
    assert str(error.value) == f"activation f must be {', '.join(ACTIVATIONS)}, not gulp"
    with pytest.raises(InputError) as error:
        Dense("fc", np.zeros((2, 3), np.float32), np.zeros(3, np.float32))
    assert str(error.value) == "layer fc: weights must be (outputs, inputs) and bias (outputs,), not (2, 3) and (3,)"
    with pytest.raises(InputError) as error:
        Affine("norm", 4, np.ones(3, np.float32), np.ones(2, np.float32))
    assert str(error.value) == "norm: scale and shift must be one value per channel, not (3,) and (2,)"


def test_what_needs_linear_layers_says_so() -> None:
    """The stepped chip and the RTL run linear layers only."""
    from eie.chip.stepped import run_stepped

    with pytest.raises(InputError) as error:
        run_stepped(small_network(), np.ones(98), eie.Hardware(n_pe=4))
    assert str(error.value) == "conv of network small is a Convolution, expected only linear layers here"
    found = eie.simulate_network(small_network(), np.ones(98), eie.Hardware(n_pe=4))
    with pytest.raises(InputError) as error:
        activity(found, eie.Hardware(n_pe=4))
    assert str(error.value) == ("layer conv runs 49 times for one input, and a trace shows those that run once")
