"""Networks that are more than linear layers, in native code: each step equal to its readable reference."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eie
from eie import _native
from eie.encoding import csc
from eie.engine.chain import AccumulatorOverflow, Chain
from eie.engine.int8 import int8_convolution
from eie.engine.int16 import int16_convolution
from eie.engine.plan import is_native
from eie.errors import InputError
from eie.model.network import Batch, Layer, Multiply, Network, Step
from eie.model.numerics import Formats
from eie.model.reference import float_layer
from eie.steps import (
    Activation,
    Affine,
    Convolution,
    Dense,
    Gather,
    Image,
    Pooling,
    Product,
    Recurrent,
    Rows,
    Sum,
    Window,
)
from engine.layers import random_inputs, random_layer
from networks import carrying_network, graph_network, image_network, sequence_network
from strategies import examples

INSTRUCTION_SETS = ("portable", "avx2", "vnni", "avx512")  # a processor that lacks one runs the best that it has


def run(network: Network | Step, x: np.ndarray, numerics: str, instruction_set: str = "", threads: int = 1) -> Batch:
    """Run a session on kernels of up to `instruction_set`."""
    network = network if isinstance(network, Network) else Network((network,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EIE_INSTRUCTION_SET", instruction_set)
        return eie.InferenceSession(network, numerics=numerics, threads=threads).run(x)


def in_chip() -> Multiply:
    """Return what multiplies one vector after the other in the chip's arithmetic."""

    chains: dict[str, Chain] = {}

    def multiply(layer: Layer, vectors: Batch) -> Batch:
        if layer.name not in chains:
            chains[layer.name] = Chain([layer], "chip", 1, "columns")
        out = np.empty((len(vectors), layer.outputs), np.float32)
        chains[layer.name].run(np.ascontiguousarray(vectors, np.float32), out, np.zeros(1, np.uint64))
        return out

    return multiply


@st.composite
def convolutions(draw: st.DrawFn) -> Convolution:
    """Draw a convolution of an image of up to 4 x 12 x 40; kernels larger than the image among them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    image = Image(draw(st.integers(1, 4)), draw(st.integers(1, 12)), draw(st.integers(1, 40)))
    sides = []
    for size in (image.height, image.width):
        padding = draw(st.integers(0, 4))
        sides.append((draw(st.integers(1, min(6, size + 2 * padding))), draw(st.integers(1, 7)), padding))
    (high, down, above), (wide, across, left) = sides
    layer = random_layer(
        rng,
        draw(st.integers(1, 9), label="filters"),
        image.channels * high * wide,
        name="filters",
        density=draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        code_bits=draw(st.integers(1, 8), label="code bits"),
        bias=draw(st.booleans()),
        relu=draw(st.booleans()),
        skew=draw(st.sampled_from([0.0, 2.0])),
    )
    return Convolution("convolution", image, Window((high, wide), (down, across), (above, left)), layer)


def images(step: Step, seed: int, *, signed: bool) -> np.ndarray:
    """Return two images, about half of them zeros."""
    x = random_inputs(np.random.default_rng(seed), 2, step.inputs)
    return x if signed else np.abs(x)


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@examples(15)
@given(step=convolutions(), signed=st.booleans(), seed=st.integers(0, 1000), threads=st.integers(1, 2))
def test_a_convolution_is_its_reference(
    instruction_set: str, step: Convolution, signed: bool, seed: int, threads: int
) -> None:
    """Integers to the bit, real numbers by their rounding, whatever the sizes, strides, paddings and codes."""
    x = images(step, seed, signed=signed)
    network = eie.calibrate(Network((step,)), x)
    assert is_native(step, "chip")
    calibrated = network.steps[0]
    chip = run(network, x, "chip", instruction_set, threads)
    np.testing.assert_array_equal(chip, calibrated.run(x, in_chip()))
    for numerics, reference in (("int8", int8_convolution), ("int16", int16_convolution)):
        found = run(step, x, numerics, instruction_set, threads)
        np.testing.assert_array_equal(found, [reference(step, image) for image in x])
    expected = step.run(x.astype(np.float64), float_layer)
    # What the products of a place add up to, signs apart: rounding is relative to that.
    (layer,) = step.layers
    weights = np.abs(layer.matrix.dense().astype(np.float64))
    magnitudes = Convolution(
        "magnitudes", step.image, step.window, Dense("magnitudes", weights, np.zeros(len(weights)))
    )
    most = magnitudes.run(np.abs(x).astype(np.float64), float_layer).max() + np.abs(expected).max()
    np.testing.assert_allclose(run(step, x, "float32", instruction_set, threads), expected, rtol=0, atol=1e-6 * most)


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("numerics", ["float32", "int16", "int8", "chip"])
def test_a_convolution_of_many_channels(instruction_set: str, numerics: str) -> None:
    """Long rows of large weights: several runs of int16, sums of int8 near their limit, shares for two threads."""
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 3, (20, 200 * 9)).astype(np.uint8)
    layer = Layer("filters", eie.encode(codes, np.array([0, 1, -1, 0.5], np.float32), n_pe=4))
    step = Convolution("convolution", Image(200, 9, 9), Window((3, 3), (1, 1), (1, 1)), layer)
    x = np.abs(random_inputs(rng, 1, step.inputs, 1.0))
    network = eie.calibrate(Network((step,)), x)
    found = run(network, x, numerics, instruction_set, threads=2)
    if numerics == "chip":
        np.testing.assert_array_equal(found, network.steps[0].run(x, in_chip()))
    elif numerics == "int8":
        np.testing.assert_array_equal(found[0], int8_convolution(step, x[0]))
    elif numerics == "int16":
        np.testing.assert_array_equal(found[0], int16_convolution(step, x[0]))
    else:
        expected = step.run(x.astype(np.float64), float_layer)
        np.testing.assert_allclose(found, expected, rtol=0, atol=4e-6 * np.abs(expected).max())


def test_whole_image_has_one_scale() -> None:
    """In int8 a window of small numbers has the unit of the largest number of the image, not one of its own."""
    layer = Layer("filters", eie.encode(np.ones((1, 1), np.uint8), np.array([0, 1], np.float32), n_pe=1))
    step = Convolution("convolution", Image(1, 1, 3), Window((1, 1)), layer)
    x = np.array([254, 1.4, 100.6], np.float32)
    np.testing.assert_array_equal(run(step, x, "int8"), np.float32([254, 1, 101]))


def test_filters_that_are_not_compressed() -> None:
    """A dense convolution is multiplied in float32 in all numerics but the chip's, where it is left to NumPy."""
    rng = np.random.default_rng(5)
    dense = Dense("filters", *(rng.normal(size=shape).astype(np.float32) for shape in ((4, 18), (4,))), True)
    step = Convolution("convolution", Image(2, 6, 7), Window((3, 3), (2, 1), (1, 0)), dense)
    x = images(step, 5, signed=True)
    expected = step.run(x.astype(np.float64), float_layer)
    for numerics in ("float32", "int16", "int8", "chip"):
        assert is_native(step, numerics) == (numerics != "chip")
        np.testing.assert_allclose(run(step, x, numerics), expected, rtol=0, atol=1e-5)


def test_a_window_of_the_whole_image_is_a_linear_layer() -> None:
    """A convolution with one place gets a kernel for matrices, and the same numbers."""
    rng = np.random.default_rng(6)
    layer = random_layer(rng, 5, 2 * 3 * 4, name="filters", density=0.5, bias=True, relu=True)
    step = Convolution("convolution", Image(2, 3, 4), Window((3, 4), (2, 2)), layer)
    x = images(step, 6, signed=True)
    session = eie.InferenceSession(Network((step, Activation("relu", 5, "relu"))), numerics="int8")
    assert not session.plan[0].kernel.startswith("taps")
    np.testing.assert_array_equal(session.run(x), [int8_convolution(step, image) for image in x])


@examples(30)
@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 40)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    halves=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    seed=st.integers(0, 1000),
)
def test_poolings_are_numpys(
    sizes: tuple[int, int, int], kernel: tuple[int, int], stride: tuple[int, int], halves: tuple[int, int], seed: int
) -> None:
    """The largest to the bit, the mean within rounding, for any window that covers a part of the image."""
    image = Image(*sizes)
    padding = (min(halves[0], kernel[0] // 2), min(halves[1], kernel[1] // 2))
    window = Window(
        (min(kernel[0], image.height + 2 * padding[0]), min(kernel[1], image.width + 2 * padding[1])), stride, padding
    )
    if window.kernel < kernel:
        window = Window(window.kernel, stride)
        if window.kernel[0] > image.height or window.kernel[1] > image.width:
            window = Window((1, 1), stride)
    for kind in ("max", "average"):
        step = Pooling("pooling", image, window, kind)  # type: ignore[arg-type]
        x = images(step, seed, signed=True)
        expected = step.run(x, float_layer)
        if kind == "max":
            np.testing.assert_array_equal(run(step, x, "int16"), expected)
            assert is_native(step, "chip")
        else:
            np.testing.assert_allclose(run(step, x, "int16"), expected, rtol=1e-6, atol=1e-6)
            assert not is_native(step, "chip")


@pytest.mark.parametrize("function", _native.function_names())
def test_functions_are_scipys(function: str) -> None:
    """From far below to far above what e^x can be, and at zero."""
    x = np.concatenate((np.linspace(-100, 100, 4001), np.linspace(-1, 1, 2001), [0.0, -0.0, 1e-30, -1e38, 1e38]))
    x = x.astype(np.float32)
    step = Activation("function", len(x), function)
    with np.errstate(over="ignore"):
        expected = step.run(x[None].astype(np.float64), float_layer)[0].astype(np.float32)
    # A few units of the last place; of 1 where the formula adds 1 to what is next to -1.
    bounds = {"rtol": 5e-7, "atol": {"gelu": 5e-7, "gelu_tanh": 5e-7}.get(function, 2e-36)}
    np.testing.assert_allclose(run(step, x, "float32"), expected, **bounds)
    single = Activation("function", 1, function)
    np.testing.assert_allclose(run(single, x[:, None], "float32"), single.run(x[:, None], float_layer), **bounds)


def test_affine_is_numpys_to_the_bit() -> None:
    """One product and one sum for each number, neither fused with the other."""
    rng = np.random.default_rng(7)
    step = Affine("norm", 37, *(rng.normal(size=5).astype(np.float32) for _ in range(2)))
    x = rng.normal(size=(3, step.inputs)).astype(np.float32)
    np.testing.assert_array_equal(run(step, x, "chip"), step.run(x, float_layer))


@pytest.mark.parametrize("numerics", ["float32", "int16", "int8"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("last_only", [True, False])
def test_recurrent_cells_are_their_reference(numerics: str, cell: str, extra: int, last_only: bool) -> None:
    """State and memory stay in native code; with an input of 1.0 and without, one sequence or some."""
    rng = np.random.default_rng(8)
    hidden, features, steps = 9, 5, 7
    layer = random_layer(rng, 4 * hidden, features + hidden + extra, name="cell", density=0.6, bias=True)
    step = Recurrent("cell", cell, steps, features, layer, last_only)  # type: ignore[arg-type]
    x = rng.normal(size=(3, step.inputs)).astype(np.float32)
    expected = step.run(x.astype(np.float64), float_layer)
    # States are at most 1; the errors of the products' arithmetic go through the cell a few times.
    bound = {"float32": 5e-6, "int16": 2e-3, "int8": 0.1}[numerics]
    assert is_native(step, numerics)
    np.testing.assert_allclose(run(step, x, numerics), expected, rtol=0, atol=bound)
    session = eie.InferenceSession(Network((step,)), numerics=numerics)  # each chooses its kernels by their times
    np.testing.assert_array_equal(session.run(x[1]), session.run(x)[1])
    if numerics == "float32":
        dense = Dense("cell", layer.matrix.dense().astype(np.float32), layer.bias)
        uncompressed = Recurrent("cell", cell, steps, features, dense, last_only)  # type: ignore[arg-type]
        np.testing.assert_allclose(run(uncompressed, x, numerics), expected, rtol=0, atol=bound)


def float64(network: Network, x: np.ndarray) -> Batch:
    """Return the network's outputs in float64."""
    return network.run(x.astype(np.float64), float_layer)


@pytest.mark.parametrize(
    "make", [image_network, lambda: image_network(winograd=False), sequence_network, carrying_network, graph_network]
)
def test_whole_networks(make: Callable[[], Network]) -> None:
    """Networks of every kind of step, one input or many, with NumPy between native stages where need be."""
    network = make()
    rng = np.random.default_rng(9)
    shape = (40, network.inputs)
    x = (rng.integers(0, 7, shape) if network.name == "graph" else rng.normal(size=shape)).astype(np.float32)
    expected = float64(network, x)
    for numerics, bound in (("float32", 1e-5), ("int16", 2e-3), ("int8", 0.05)):
        session = eie.InferenceSession(network, numerics=numerics)
        found = session.run(x)
        np.testing.assert_allclose(found, expected, rtol=0, atol=bound * np.abs(expected).max())
        np.testing.assert_array_equal(session.run(x[17]), found[17])
        assert [plan.name for plan in session.plan] == [layer.name for layer in network.layers]


@pytest.mark.parametrize("make", [image_network, sequence_network, carrying_network, graph_network])
def test_chip_is_what_numpy_gives_around_the_chips_products(make: Callable[[], Network]) -> None:
    """Steps of which native code would give other bits are left to NumPy, the others not."""
    network = make()
    rng, shape = np.random.default_rng(10), (3, network.inputs)
    x = (rng.integers(0, 7, shape) if network.name == "graph" else rng.normal(size=shape)).astype(np.float32)
    network = eie.calibrate(network, x)
    expected = network.run(x, in_chip()).astype(np.float32)
    np.testing.assert_array_equal(run(network, x, "chip"), expected)


def test_combinations_and_gathers_are_numpys_to_the_bit() -> None:
    """Terms from the first to the last; places that are no input are 0."""
    rng = np.random.default_rng(15)
    x = rng.normal(size=(3, 35)).astype(np.float32)
    for step in (Sum("sum", 7, 5), Product("product", 7, 5), Gather("gather", 35, rng.integers(-1, 35, 50))):
        assert is_native(step, "chip")
        np.testing.assert_array_equal(run(step, x, "chip"), step.run(x, float_layer))


def test_gathers_of_pieces_and_transposes_are_numpys_to_the_bit() -> None:
    """Pieces, zeros, transposes of few and of many lines, backwards too, and one after the other."""
    rng = np.random.default_rng(17)
    x = rng.normal(size=(2, 120)).astype(np.float32)
    all_places = np.arange(120)
    wide, tall = all_places.reshape(3, 40).T, all_places.reshape(40, 3).T
    heads = all_places.reshape(4, 6, 5)
    indices = [
        np.concatenate((all_places[70:], np.full(30, -1), all_places[:31], [-1], all_places[5:40])),
        wide,
        tall,
        np.concatenate((tall.ravel(), np.full(9, -1), wide[::-1].ravel(), [0], all_places[::-1])),
        heads.transpose(1, 0, 2),
        heads.transpose(0, 2, 1),
        all_places[::3],
        np.array([7]),
    ]
    for index in indices:
        step = Gather("gather", 120, index.ravel())
        np.testing.assert_array_equal(run(step, x, "chip"), step.run(x, float_layer))


def test_softmaxes_and_normalisation_of_rows() -> None:
    """Each row by itself, in one vector or some."""
    rng = np.random.default_rng(16)
    x = rng.normal(size=(2, 35)).astype(np.float32)
    for step in (
        Activation("softmax", 35, "softmax", 7),
        Activation("log", 35, "log_softmax", 5),
        Affine("norm", 1, *rng.normal(size=(2, 5)).astype(np.float32), rows=7),
        Rows("dense", 5, Dense("dense", *(rng.normal(size=s).astype(np.float32) for s in ((3, 7), (3,))))),
    ):
        np.testing.assert_allclose(run(step, x, "float32"), step.run(x, float_layer), rtol=1e-5, atol=1e-6)


def test_overflows_of_convolutions_are_counted() -> None:
    """Each sum once that wraps, none for the numbers between an image's rows."""
    layer = Layer("wide", eie.encode(np.ones((2, 4), np.uint8), [0.0, 1.0], n_pe=1), formats=Formats(14, 14, 16, 16))
    step = Convolution("convolution", Image(1, 3, 5), Window((2, 2)), layer)
    x = np.zeros(15, np.float32)
    x[[0, 1, 5, 6]] = 1.9
    with pytest.warns(AccumulatorOverflow, match=r"^2 sums of layer wide did not fit the accumulator and wrapped$"):
        run(step, x, "chip")


def test_numbers_that_are_not_finite_are_named() -> None:
    """In the inputs by their place, on the way by the layer that was given them."""
    rng = np.random.default_rng(11)
    convolution = Convolution(
        "second", Image(1, 2, 2), Window((1, 1)), random_layer(rng, 1, 1, name="filters", density=1)
    )
    network = Network((Affine("first", 4, np.float32([3e38]), np.float32([0])), convolution))
    session = eie.InferenceSession(network, numerics="float32")
    with pytest.raises(InputError, match=r"^inputs must be finite, but number 2 of input 0 is nan$"):
        session.run(np.float32([0, 0, np.nan, 0]))
    with pytest.raises(InputError, match=r"^the inputs of layer second overflowed: some are NaN or infinite$"):
        session.run(np.float32([0, 0, 9, 0]))


def test_callers_at_the_same_time() -> None:
    """Each call has memory of its own."""
    session = eie.InferenceSession(image_network(winograd=False), numerics="int8", threads=2)
    x = np.random.default_rng(12).normal(size=(4, session.network.inputs)).astype(np.float32)
    expected = session.run(x)
    wrong: list[int] = []

    def call(index: int) -> None:
        for _ in range(30):
            if not np.array_equal(session.run(x[index]), expected[index]):
                wrong.append(index)

    callers = [threading.Thread(target=call, args=(k,)) for k in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


def test_values_may_be_read_more_than_once() -> None:
    """A step reads one or more earlier values, one after the other; memory is not used again too soon."""
    plan = _native.Plan([3, 2], 1)
    scale = lambda value, size, by: plan.add_affine([value], 1, size, np.float32([by]), np.float32([0]))  # noqa: E731
    double, triple = scale(0, 3, 2), scale(1, 2, 3)
    more = scale(double, 3, 10)
    together = plan.add_affine([double, 1, more, triple, 0], 1, 13, np.float32([1]), np.float32([0.5]))
    last = scale(double, 3, -1)
    plan.finish([together, last], 2**20)
    x, z = np.float32([[1, 2, 3], [4, 5, 6]]), np.float32([[7, 8], [9, 10]])
    y, w = np.empty((2, 13), np.float32), np.empty((2, 3), np.float32)
    assert plan.run([x, z], [y, w], np.zeros(0, np.uint64)) == _native.PLAN_DONE
    np.testing.assert_array_equal(y, np.concatenate((2 * x, z, 20 * x, 3 * z, x), axis=1) + np.float32(0.5))
    np.testing.assert_array_equal(w, -2 * x)


def test_weights_of_convolutions_count_as_memory() -> None:
    """A filter's weights past their share are refused, with both figures."""
    layer = random_layer(np.random.default_rng(13), 4, 9, name="filters", density=1)
    step = Convolution("convolution", Image(1, 8, 8), Window((3, 3)), layer)
    with pytest.raises(
        InputError, match=r"^layer filters: the weights take \d+ bytes at least, but their share .* is 20$"
    ):
        eie.InferenceSession(Network((step,)), weight_bytes=20)


def test_padded_images_are_bounded_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small image with much padding: what it would take is counted first."""
    layer = random_layer(np.random.default_rng(14), 1, 1024, name="filters")
    step = Convolution("convolution", Image(1024, 3, 3), Window((1, 1), (1, 1), (1024, 1024)), layer)
    monkeypatch.setattr(csc, "MAX_BYTES", 10_000_000)
    with pytest.raises(
        InputError,
        match=r"^convolution convolution: its padded image would have 1024 x \d+ numbers, more than the .* of 2500000$",
    ):
        eie.InferenceSession(Network((step,)))
    pixels = Network((Activation("first", 10, "tanh"), Activation("second", 10, "tanh")))
    monkeypatch.setattr(csc, "MAX_BYTES", 8)
    with pytest.raises(
        InputError, match=r"^network with first: one input's numbers on their way through the network would"
    ):
        eie.InferenceSession(pixels)


GOOD = {
    "sources": [0],
    "numerics": "int8",
    "image": (2, 4, 5),
    "kernel": (2, 3),
    "stride": (1, 1),
    "padding": (0, 0),
    "dilation": (1, 1),
    "groups": 1,
    "starts": np.array([0, 1, 3], np.int64),
    "columns": np.array([11, 0, 5], np.uint32),
    "reals": np.zeros(0, np.float32),
    "integers": np.array([1, -127, 127], np.int16),
    "unit": 1.0,
    "bias": np.zeros(0, np.float32),
    "chip_bias": np.zeros(0, np.int64),
    "relu": False,
    "activation_fraction": 0,
    "output_fraction": 0,
    "value_bits": 16,
    "accumulator_bits": 24,
    "most_numbers": 10**6,
}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"sources": [1]}, r"^value 1 is not one of the plan's 1$"),
        ({"sources": []}, r"^a step of 40 inputs was given 0, or its plan is finished$"),
        ({"sources": [0, 0]}, r"^a step of 40 inputs was given 80, or its plan is finished$"),
        ({"numerics": "int4"}, r"^numerics must be int16, int8, chip or float32, not int4$"),
        ({"image": (2, 4, 2**25)}, r"^a window of 3 pixels, .* does not fit 33554432 pixels$"),
        ({"image": (2**60, 4, 5)}, r"^an image must have 1 to 16777216 values$"),
        ({"image": (0, 4, 5)}, r"^an image must have 1 to 16777216 values$"),
        ({"kernel": (5, 3)}, r"^a window of 5 pixels, stride 1, padding 0 and dilation 1 does not fit 4 pixels$"),
        ({"kernel": (2, 0)}, r"does not fit 5 pixels$"),
        ({"stride": (0, 1)}, r"does not fit 4 pixels$"),
        ({"dilation": (2**63, 1)}, r"does not fit 4 pixels$"),
        ({"padding": (2**63, 1)}, r"does not fit 4 pixels$"),
        ({"groups": 0}, r"do not fit each other$"),
        ({"groups": 3}, r"do not fit each other$"),
        ({"groups": 2}, r"^column 11 of row 0 is not below 6$"),
        ({"starts": np.zeros(0, np.int64)}, r"^there are no row starts, expected outputs \+ 1$"),
        ({"starts": np.array([0, 4, 3], np.int64)}, r"^row 2 starts at 3, before the row above, which starts at 4$"),
        ({"starts": np.array([0, 1, 4], np.int64)}, r"^row starts are 0 to 4, expected 0 to 3, the weights$"),
        ({"columns": np.array([12, 0, 5], np.uint32)}, r"^column 12 of row 0 is not below 12$"),
        ({"columns": np.array([1, 0], np.uint32)}, r"^there are 3 weights and 2 columns, expected as many of both$"),
        ({"integers": np.array([1, -128, 0], np.int16)}, r"^weight 1 is none that int8 can have$"),
        ({"bias": np.zeros(3, np.float32)}, r"do not fit each other$"),
        ({"value_bits": 17}, r"do not fit each other$"),
        ({"most_numbers": 100}, r"^its padded image would have 2 x 64 numbers, more than the limit of 100$"),
    ],
)
def test_what_leads_outside_is_refused(changed: dict[str, object], sentence: str) -> None:
    """By native code itself, whoever calls it; the convolution as it is can be added."""
    _native.Plan([40], 1).add_convolution(**GOOD)
    with pytest.raises(ValueError, match=sentence):
        _native.Plan([40], 1).add_convolution(**GOOD | changed)


def test_plans_are_run_as_they_are_made() -> None:
    """Not before they are finished, nor with other numbers than theirs."""
    plan = _native.Plan([4], 1)
    x, no = np.zeros(4, np.float32), np.zeros(0, np.uint64)
    with pytest.raises(ValueError, match="is not finished"):
        plan.run([x], [x], no)
    with pytest.raises(ValueError, match="has steps"):
        plan.finish([0], 100)
    value = plan.add_function([0], "relu", 4, 1)
    for outputs, sentence in (([0], "made by a step"), ([value, value], "given once"), ([7], "not one of the plan's")):
        with pytest.raises(ValueError, match=sentence):
            plan.finish(outputs, 1000)
    plan.finish([value], 1000)
    with pytest.raises(ValueError, match="its plan is finished"):
        plan.add_function([0], "relu", 4, 1)
    for vectors, out in (([x[:3]], [x]), ([x, x], [x]), ([x], [x[:3]]), ([], [x]), ([x], [])):
        with pytest.raises(ValueError, match="plan"):
            plan.run(vectors, out, no)
    with pytest.raises(ValueError, match="there is no native function cube"):
        _native.Plan([4], 1).add_function([0], "cube", 4, 1)
    with pytest.raises(ValueError, match="the network has no layers"):
        _native.Plan([4], 1).add_layers([0], _native.make_network("int8", 1))
