from __future__ import annotations

import threading

import numpy as np
import pytest

import eie
from eie.engine import KERNELS, NUMERICS, AccumulatorOverflow, InferenceSession
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.model.numerics import Formats, dequantise, quantise
from eie.model.reference import float_layer, formats_of
from eie.program.arithmetic import chip_layer
from engine.layers import random_inputs, random_layer, random_network
from networks import image_network

TOLERANCE = {"int8": 6e-3, "int16": 2e-4, "float32": 1e-5}


def expected_outputs(network: Network, inputs: np.ndarray, numerics: str) -> np.ndarray:
    """Return the reference's outputs for a batch, layer by layer."""
    results = []
    for vector in inputs:
        if numerics == "chip":
            values = quantise(vector, formats_of(network.layers[0]).activation_fraction)
            for layer in network:
                values = chip_layer(layer, values).values
            results.append(dequantise(values, formats_of(network.layers[-1]).output_fraction))
        else:
            real = vector.astype(np.float64)
            for layer in network:
                real = float_layer(layer, real)
            results.append(real)
    return np.array(results)


def assert_equal(actual: np.ndarray, expected: np.ndarray, numerics: str) -> None:
    """Chip outputs must be equal to the bit, others within their bound of the largest output."""
    if numerics == "chip":
        np.testing.assert_array_equal(actual, expected)
    else:
        bound = TOLERANCE[numerics] * np.abs(expected).max()
        np.testing.assert_allclose(actual, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("numerics", NUMERICS)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_network_gives_the_references_outputs(numerics: str, threads: int) -> None:
    """A network of layers with bias and ReLU gives what the NumPy reference gives, for any number of threads."""
    rng = np.random.default_rng(1)
    inputs = random_inputs(rng, 5, 300)
    network = eie.calibrate(random_network(rng, (300, 257, 130, 10)), inputs)
    session = InferenceSession(network, numerics=numerics, threads=threads)
    expected = expected_outputs(network, inputs, numerics)
    assert_equal(session.run(inputs), expected, numerics)
    assert_equal(session.run(inputs[0]), expected[0], numerics)


@pytest.mark.parametrize("numerics", NUMERICS)
def test_batches_of_any_size_give_what_single_inputs_give(numerics: str) -> None:
    """A batch is its inputs one by one, also where it is larger than what goes through the layers together."""
    rng = np.random.default_rng(2)
    inputs = random_inputs(rng, 37, 90)
    network = eie.calibrate(random_network(rng, (90, 70, 20)), inputs)
    session = InferenceSession(network, numerics=numerics)
    single = np.array([session.run(vector) for vector in inputs])
    for count in (1, 2, 3, 16, 17, 37):
        np.testing.assert_array_equal(session.run(inputs[:count]), single[:count])


def test_session_loads_a_model_file(tmp_path) -> None:
    """A session takes the path of a model file as well as a network."""
    rng = np.random.default_rng(3)
    network = random_network(rng, (40, 30, 5))
    eie.save(network, tmp_path / "model.safetensors")
    inputs = random_inputs(rng, 2, 40)
    loaded = InferenceSession(tmp_path / "model.safetensors", kernel="columns")
    np.testing.assert_array_equal(loaded.run(inputs), InferenceSession(network, kernel="columns").run(inputs))


def test_outputs_are_written_where_the_caller_wants_them() -> None:
    """`run` fills the array given as `out` and returns that array."""
    rng = np.random.default_rng(4)
    session = InferenceSession(random_network(rng, (40, 30)))
    inputs = random_inputs(rng, 3, 40)
    out = np.full((3, 30), np.nan, np.float32)
    assert session.run(inputs, out=out) is out
    np.testing.assert_array_equal(out, session.run(inputs))


def test_callers_from_several_threads_do_not_disturb_each_other() -> None:
    """Calls at the same time on one session each give their own inputs' outputs."""
    rng = np.random.default_rng(5)
    session = InferenceSession(random_network(rng, (200, 150, 20)), threads=2)
    inputs = random_inputs(rng, 4, 200)
    expected = session.run(inputs)
    wrong: list[int] = []

    def call(index: int) -> None:
        for _ in range(50):
            if not np.array_equal(session.run(inputs[index]), expected[index]):
                wrong.append(index)

    callers = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


def test_other_number_types_are_taken() -> None:
    """Integers, lists and float64 are converted to float32."""
    rng = np.random.default_rng(6)
    session = InferenceSession(random_network(rng, (4, 3)))
    expected = session.run(np.array([1, 2, 0, -3], np.float32))
    for same in ([1, 2, 0, -3], np.array([1, 2, 0, -3]), np.array([1.0, 2.0, 0.0, -3.0])):
        np.testing.assert_array_equal(session.run(same), expected)


@pytest.mark.parametrize(("seconds", "threads"), [([4, 3, 2.9], 2), ([1, 2, 3], 1), ([3, 2, 1], 3), ([1, 1, 1], 1)])
def test_a_session_takes_as_many_threads_as_help(
    monkeypatch: pytest.MonkeyPatch, seconds: list[float], threads: int
) -> None:
    """The fewest of those about as quick as the quickest; outputs do not depend on it."""
    rng = np.random.default_rng(6)
    network, inputs = random_network(rng, (40, 300, 20)), random_inputs(rng, 3, 40)
    turns: list[float] = []

    def measured(call) -> float:
        call()
        turns.append(seconds[len(turns) % 3])
        return turns[-1]

    monkeypatch.setattr("eie.engine.session._cores", lambda: 3)  # 1, 2 and 3 are tried
    monkeypatch.setattr("eie.engine.session._seconds", measured)
    session = InferenceSession(network, numerics="int8", threads=None)
    assert session.threads == threads
    assert len(turns) >= 3
    np.testing.assert_array_equal(session.run(inputs), InferenceSession(network, numerics="int8").run(inputs))


def test_vectors_that_are_not_contiguous_are_taken() -> None:
    """As a copy; what is not finite is named there, too."""
    rng = np.random.default_rng(6)
    session = InferenceSession(random_network(rng, (4, 3)))
    apart = np.zeros(8, np.float32)
    apart[::2] = [1, 2, 0, -3]
    np.testing.assert_array_equal(session.run(apart[::2]), session.run(np.array([1, 2, 0, -3], np.float32)))
    apart[4] = np.inf
    for vector in (apart[::2], apart[::2].copy()):
        with pytest.raises(InputError, match=r"^inputs must be finite, but number 2 of input 0 is inf$"):
            session.run(vector)


def test_all_zero_inputs_give_the_bias() -> None:
    """Zeros have no largest value to scale by; the outputs are the bias alone."""
    layer = random_layer(np.random.default_rng(7), 20, 30, bias=True)
    for numerics in ("int16", "float32"):
        session = InferenceSession(Network((layer,)), numerics=numerics)
        np.testing.assert_array_equal(session.run(np.zeros(30, np.float32)), layer.bias)


def test_chip_overflow_is_reported() -> None:
    """Sums beyond the accumulator wrap as on the chip, and a warning names the layer and their number."""
    codes = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0]])
    layer = Layer("wide", eie.encode(codes, [0.0, 1.0], n_pe=1), formats=Formats(14, 14, 16, 16))
    inputs = np.full(4, 1.9, np.float32)
    with pytest.warns(
        AccumulatorOverflow, match=r"^2 sums of layer wide did not fit the accumulator and wrapped$"
    ) as caught:
        outputs = InferenceSession(Network((layer,)), numerics="chip").run(inputs)
    assert len(caught) == 1
    values, overflows = chip_layer(layer, quantise(inputs, 14))
    assert overflows == 2
    np.testing.assert_array_equal(outputs, dequantise(values, 13))


@pytest.mark.parametrize("value_bits", [2, 5, 8, 15])
@pytest.mark.parametrize("accumulator_bits", [15, 24, 32])
def test_chip_numerics_of_any_width(value_bits: int, accumulator_bits: int) -> None:
    """Fewer value bits and other accumulators give the reference's outputs to the bit."""
    rng = np.random.default_rng(8)
    inputs = random_inputs(rng, 3, 50)
    network = eie.calibrate(
        random_network(rng, (50, 40, 7)), inputs, value_bits=value_bits, accumulator_bits=accumulator_bits
    )
    session = InferenceSession(network, numerics="chip")
    for vector in inputs:
        values = quantise(vector, formats_of(network.layers[0]).activation_fraction, value_bits)
        for layer in network:
            values = chip_layer(layer, values).values
        expected = dequantise(values, formats_of(network.layers[-1]).output_fraction)
        np.testing.assert_array_equal(session.run(vector), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"numerics": "int4"}, "numerics must be int16, int8, chip or float32, not int4"),
        ({"threads": 0}, "threads must be an integer from 1 to 256, or None, not 0"),
        ({"threads": 1.5}, "threads must be an integer from 1 to 256, or None, not 1.5"),
        (
            {"numerics": "chip"},
            "layer layer0 has no fixed-point formats: choose them with eie.calibrate(network, inputs)",
        ),
    ],
)
def test_wrong_settings_are_named(arguments: dict, message: str) -> None:
    """A session that cannot be made says what is wrong in one sentence."""
    network = random_network(np.random.default_rng(9), (4, 3))
    with pytest.raises(InputError) as caught:
        InferenceSession(network, **arguments)
    assert str(caught.value) == message


def test_formats_that_do_not_chain_are_named() -> None:
    """The chip hands activations on as they are, so a layer's format must be the one before's outputs'."""
    rng = np.random.default_rng(10)
    first = Layer("first", random_layer(rng, 5, 6).matrix, formats=Formats(10, 15))
    second = Layer("second", random_layer(rng, 4, 5).matrix, formats=Formats(11, 15))
    with pytest.raises(InputError) as caught:
        InferenceSession(Network((first, second)), numerics="chip")
    assert str(caught.value) == (
        "layer second expects activations of 16 bits with 11 fraction bits, but first before it gives 16 with 10"
    )
    third = Layer("third", random_layer(rng, 5, 6).matrix, formats=Formats(1005, 15))
    with pytest.raises(InputError) as caught:
        InferenceSession(Network((third,)), numerics="chip")
    assert str(caught.value) == "layer third: fraction bits must be within +-1000, not 1005"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros(3, np.float32), "inputs must have shape (4,) or (batch, 4), not (3,)"),
        (np.zeros((0, 4), np.float32), "inputs must have shape (4,) or (batch, 4), not (0, 4)"),
        (np.zeros((2, 2, 4), np.float32), "inputs must have shape (4,) or (batch, 4), not (2, 2, 4)"),
        (np.float32(1), "inputs must have shape (4,) or (batch, 4), not ()"),
        (["a", "b", "c", "d"], "inputs must be real numbers, not <U1"),
        (
            np.array([[0, 0, 0, 0], [0, np.nan, 0, 0]], np.float32),
            "inputs must be finite, but number 1 of input 1 is nan",
        ),
        (np.array([0, 0, 0, 1e300]), "inputs must be finite, but number 3 of input 0 is inf"),
    ],
)
def test_wrong_inputs_are_named(inputs: object, message: str) -> None:
    """Inputs of another shape or type, and NaN and infinity, are refused in one sentence."""
    session = InferenceSession(random_network(np.random.default_rng(11), (4, 3)))
    with pytest.raises(InputError) as caught:
        session.run(inputs)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("out", "kind"),
    [
        (np.zeros(3), "float64 of shape (3,)"),
        (np.zeros(4, np.float32), "float32 of shape (4,)"),
        (np.zeros(6, np.float32)[::2], "float32 of shape (3,)"),
    ],
)
def test_wrong_out_is_named(out: np.ndarray, kind: str) -> None:
    """`out` must be what the result can be written to as it is."""
    session = InferenceSession(random_network(np.random.default_rng(12), (4, 3)))
    with pytest.raises(InputError) as caught:
        session.run(np.zeros(4, np.float32), out=out)
    assert str(caught.value) == f"out must be a writable, contiguous float32 array of shape (3,), not {kind}"


def test_unknown_kernel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that does not exist is refused, whether forced by argument or by environment."""
    network = random_network(np.random.default_rng(13), (4, 3))
    message = f"layer layer0: the kernel must be {', '.join(KERNELS[:-1])} or {KERNELS[-1]}, not turbo"
    with pytest.raises(InputError) as caught:
        InferenceSession(network, kernel="turbo")
    assert str(caught.value) == message
    monkeypatch.setenv("EIE_KERNEL", "turbo")
    with pytest.raises(InputError) as caught:
        InferenceSession(network)
    assert str(caught.value) == message


def test_plan_tells_what_a_layer_reads() -> None:
    """The plan has the kernel, the layer's non-zero weights and the bytes of its layout."""
    layer = random_layer(np.random.default_rng(14), 100, 50)
    (plan,) = InferenceSession(Network((layer,)), kernel="columns").plan
    assert (plan.name, plan.kernel, plan.weights) == ("layer", "columns", layer.matrix.nnz)
    assert plan.bytes == 4 * 51 + 3 * layer.matrix.nnz
    assert plan.bytes_per_weight == plan.bytes / plan.weights


def test_inputs_have_the_shape_that_the_model_takes() -> None:
    """A batch of images as the model took them; what is not that shape is refused, and not read as if it were."""
    network = image_network()
    images = np.random.default_rng(0).normal(size=(3, 2, 8, 8)).astype(np.float32)
    session = InferenceSession(network, numerics="float32", kernel="columns")
    assert np.array_equal(session.run(images), session.run(images.reshape(3, -1)))
    assert np.array_equal(session.run(images.tolist()), session.run(images.reshape(3, -1)))
    for wrong in ((3, 8, 8, 2), (3, 2, 64), (2, 8, 8)):
        with pytest.raises(InputError) as error:
            session.run(np.zeros(wrong, np.float32))
        assert str(error.value) == f"inputs must have shape (128,) or (batch, 128) or (batch, 2, 8, 8), not {wrong}"
    layer = random_layer(np.random.default_rng(0), 5, 12)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    session = InferenceSession(layer, numerics="float32", kernel="columns")
    assert np.array_equal(session.run(x), session.run(x.reshape(2, 12)))
    with pytest.raises(InputError) as error:
        session.run(x[:, :2])
    assert str(error.value) == "inputs must have shape (12,) or (batch, 12), not (2, 2, 4)"
