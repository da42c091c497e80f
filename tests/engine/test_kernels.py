from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eie
from eie import _native
from eie.engine import KERNELS, NUMERICS, InferenceSession
from eie.engine.int8 import int8_layer
from eie.engine.int16 import int16_layer
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.model.numerics import dequantise, quantise
from eie.model.reference import float_layer, formats_of
from eie.program.arithmetic import chip_layer
from engine.layers import numerics_of, random_inputs, random_layer, session_or_skip
from strategies import examples

EXACT = {"int8": int8_layer, "int16": int16_layer}  # their references


def assert_equals_reference(layer: Layer, inputs: np.ndarray, numerics: str, kernel: str, threads: int = 1) -> None:
    """Run a layer on a batch and compare with the NumPy reference: integers to the bit, others by their rounding."""
    network = eie.calibrate(Network((layer,)), inputs)
    outputs = session_or_skip(network, numerics, kernel, threads).run(inputs)
    if numerics == "chip":
        formats = formats_of(network.layers[0])
        for vector, output in zip(inputs, outputs, strict=True):
            values = chip_layer(network.layers[0], quantise(vector, formats.activation_fraction)).values
            np.testing.assert_array_equal(output, dequantise(values, formats.output_fraction))
        return
    if numerics in EXACT:
        np.testing.assert_array_equal(outputs, [EXACT[numerics](layer, vector).outputs for vector in inputs])
        return
    dense = np.abs(layer.matrix.dense().astype(np.float64))
    for vector, output in zip(inputs.astype(np.float64), outputs, strict=True):
        bound = 1e-6 * (dense @ np.abs(vector)) + 1e-6
        assert (np.abs(output - float_layer(layer, vector)) <= bound).all()


# (outputs, inputs, density, skew): every remainder of tiles and windows, tiny, empty, dense, uneven
SHAPES = [
    (1, 1, 1.0, 0.0),
    (10, 100, 0.3, 0.0),
    (128, 64, 0.1, 0.0),
    (129, 65, 0.5, 0.0),
    (257, 300, 0.04, 0.0),
    (300, 257, 1.0, 0.0),
    (600, 1000, 0.09, 0.6),
    (513, 40, 0.25, 1.5),
    (20, 5000, 0.09, 0.0),
    (70, 900, 0.0, 0.0),
]


@pytest.mark.parametrize(("kernel", "numerics"), [(k, n) for k in KERNELS for n in numerics_of(k)])
@pytest.mark.parametrize(("outputs", "inputs", "density", "skew"), SHAPES)
def test_kernel_equals_reference(
    outputs: int, inputs: int, density: float, skew: float, kernel: str, numerics: str
) -> None:
    """Every kernel gives the reference's outputs in every numerics, for one input, a pair and an odd batch."""
    rng = np.random.default_rng(outputs + inputs)
    layer = random_layer(rng, outputs, inputs, density=density, skew=skew, bias=True, relu=True)
    for count in (1, 2, 3):
        assert_equals_reference(layer, random_inputs(rng, count, inputs), numerics, kernel)


@pytest.mark.parametrize("kernel", KERNELS)
@examples(25)
@given(data=st.data())
def test_kernel_equals_reference_on_any_layer(kernel: str, data: st.DataObject) -> None:
    """Random shapes, densities, code widths, activities and threads: the same outputs as the reference."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    layer = random_layer(
        rng,
        data.draw(st.integers(1, 400), label="outputs"),
        data.draw(st.integers(1, 400), label="inputs"),
        density=data.draw(st.floats(0, 1), label="density"),
        code_bits=data.draw(st.integers(1, 4), label="code bits"),
        skew=data.draw(st.sampled_from([0.0, 0.6, 2.0]), label="skew"),
    )
    active = data.draw(st.sampled_from([0.05, 0.4, 1.0]), label="active")
    inputs = random_inputs(rng, data.draw(st.integers(1, 4), label="batch"), layer.inputs, active)
    numerics = data.draw(st.sampled_from(numerics_of(kernel)), label="numerics")
    assert_equals_reference(layer, inputs, numerics, kernel, data.draw(st.integers(1, 3), label="threads"))


@pytest.mark.parametrize("kernel", KERNELS)
def test_clustered_weights_are_all_counted(kernel: str) -> None:
    """Rows whose weights lie in a few places, and one row far longer than the others, lose no weight."""
    rng = np.random.default_rng(20)
    codes = np.zeros((300, 2000), np.uint8)
    for row in range(300):
        codes[row, rng.integers(0, 1900) + np.arange(90)] = rng.integers(1, 16, 90)
    codes[17] = rng.integers(1, 16, 2000)
    codebook = np.concatenate(([0], np.linspace(-1, 1, 15))).astype(np.float32)
    layer = Layer("clustered", eie.encode(codes, codebook))
    for numerics in numerics_of(kernel):
        assert_equals_reference(layer, random_inputs(rng, 2, 2000, 1.0), numerics, kernel)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_largest_weights_and_activations_do_not_overflow(kernel: str, sign: int) -> None:
    """All weights and all activations at their largest: the sums are exact in every numerics."""
    codes = np.ones((130, 1500), np.uint8)
    layer = Layer("full", eie.encode(codes, np.array([0, sign], np.float32)))
    inputs = np.full((1, 1500), -3.0, np.float32)
    for numerics in numerics_of(kernel):
        assert_equals_reference(layer, inputs, numerics, kernel)


def test_wide_codes_and_many_inputs_have_no_window() -> None:
    """Codes of 8 bits, and more inputs than a window's stragglers can name, go to kernels that have no such limit."""
    rng = np.random.default_rng(21)
    wide = random_layer(rng, 30, 40, code_bits=8)
    long_codes = np.zeros((2, 1_100_000), np.uint8)
    long_codes[:, ::9973] = 1
    long = Layer("long", eie.encode(long_codes, np.array([0, 1], np.float32), n_pe=1))
    for layer in (wide, long):
        (plan,) = InferenceSession(Network((layer,))).plan
        assert not any("window" in kernel for kernel in plan.measured_us)
        for numerics in NUMERICS:
            assert_equals_reference(layer, random_inputs(rng, 1, layer.inputs), numerics, "columns")
        for numerics in numerics_of("bitmask"):
            assert_equals_reference(layer, random_inputs(rng, 1, layer.inputs), numerics, "bitmask")


@pytest.mark.parametrize("kernel", [name for name in KERNELS if "window" not in name])
@pytest.mark.parametrize("code_bits", [5, 8])
def test_kernel_equals_reference_with_wide_codes(kernel: str, code_bits: int) -> None:
    """Kernels that take any code width give the reference's outputs with codes of more than 4 bits, in any batch."""
    rng = np.random.default_rng(26)
    for outputs, inputs, density in ((1, 3, 1.0), (70, 33, 0.5), (300, 130, 0.2)):
        layer = random_layer(rng, outputs, inputs, density=density, code_bits=code_bits, bias=True)
        for numerics in numerics_of(kernel):
            for count in (1, 7):
                assert_equals_reference(layer, random_inputs(rng, count, inputs), numerics, kernel)


def test_layer_that_keeps_most_weights_is_laid_out_densely() -> None:
    """Where nearly every weight is there, int8 keeps 4 bits for each position, and fewer bytes than any window."""
    layer = random_layer(np.random.default_rng(27), 512, 512, density=0.9)
    session_or_skip(Network((layer,)), "int8", "dense-avx512")
    (plan,) = InferenceSession(Network((layer,)), numerics="int8", activity=(1.0, 1.0)).plan
    assert plan.kernel == "dense-avx512"
    assert plan.bytes == 512 * 512 / 2


@pytest.mark.parametrize("kernel", [name for name in KERNELS if name.startswith(("bitmask", "dense-columns"))])
def test_columns_that_are_many_and_long(kernel: str) -> None:
    """More rows than a part has, numbers of active columns around those taken together, all at their largest."""
    rng = np.random.default_rng(28)
    codebook = np.array([0, 1, -1, 0.5], np.float32)
    codes = np.where(rng.random((4200, 70)) < 0.7, rng.integers(1, 4, (4200, 70)), 0)
    layer = Layer("tall", eie.encode(codes, codebook))
    for active in (1, 2, 15, 16, 17, 32, 33, 65, 70):
        inputs = np.zeros((2, 70), np.float32)
        inputs[0, :active] = 3
        inputs[1, -active:] = rng.choice([-3, 3], active)
        for numerics in numerics_of(kernel):
            assert_equals_reference(layer, inputs, numerics, kernel)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("skew", [0.0, 0.6])
def test_accuracy_on_layers_as_they_are_in_use(kernel: str, skew: float) -> None:
    """On a layer of some hundred rows, int8 is within 6e-3 of the largest output, int16 2e-4, float32 1e-5."""
    rng = np.random.default_rng(25)
    layer = random_layer(rng, 500, 1200, density=0.1, skew=skew)
    inputs = np.maximum(random_inputs(rng, 4, 1200), 0)
    expected = np.array([float_layer(layer, vector.astype(np.float64)) for vector in inputs])
    bounds = {"int8": 6e-3, "int16": 2e-4, "float32": 1e-5}
    for numerics, bound in ((n, bounds[n]) for n in numerics_of(kernel) if n in bounds):
        outputs = session_or_skip(Network((layer,)), numerics, kernel).run(inputs)
        assert np.abs(outputs - expected).max() < bound * np.abs(expected).max()


@pytest.mark.parametrize("kernel", [name for name in KERNELS if name.startswith("window")])
def test_forced_kernel_that_cannot_take_the_layer_is_named(kernel: str) -> None:
    """Forcing a window kernel on wide codes is an error, never another kernel in silence."""
    network = Network((random_layer(np.random.default_rng(22), 30, 40, code_bits=8),))
    numerics = numerics_of(kernel)[0]
    session_or_skip(Network((random_layer(np.random.default_rng(22), 30, 40),)), numerics, kernel)
    with pytest.raises(InputError) as caught:
        InferenceSession(network, numerics=numerics, kernel=kernel)
    assert str(caught.value) == (
        f"layer layer: the kernel {kernel} takes codes of at most 4 bits and at most 1048575 inputs, "
        "not 8 bits and 40 inputs"
    )


def test_instruction_set_can_be_held_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """EIE_INSTRUCTION_SET=portable leaves the portable kernels alone, and a forced one is refused with the reason."""
    monkeypatch.setenv("EIE_INSTRUCTION_SET", "portable")
    network = Network((random_layer(np.random.default_rng(23), 30, 40),))
    assert InferenceSession(network, numerics="float32").plan[0].kernel == "columns"
    for kernel in KERNELS:
        if kernel not in ("columns", "bitmask"):
            with pytest.raises(InputError, match=r"or EIE_INSTRUCTION_SET, allows portable$"):
                InferenceSession(network, numerics=numerics_of(kernel)[0], kernel=kernel)


def test_the_byte_dot_product_is_an_instruction_set_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held down to vnni, int8 takes its window, the other numerics AVX2's; held down to avx2, the window is refused."""
    monkeypatch.setenv("EIE_INSTRUCTION_SET", "vnni")
    network = Network((random_layer(np.random.default_rng(23), 300, 400),))
    session_or_skip(network, "int8", "window-vnni")
    assert _native.instruction_set() == "vnni"
    kernels = {
        numerics: InferenceSession(network, numerics=numerics).plan[0].measured_us
        for numerics in ("int16", "int8", "float32")
    }
    for numerics, tried in kernels.items():
        assert ("window-vnni" in tried) == (numerics == "int8")
        assert ("window-avx2" in tried) == (numerics != "int8")
    monkeypatch.setenv("EIE_INSTRUCTION_SET", "avx2")
    with pytest.raises(InputError, match=r"window-vnni needs vnni, but this processor, or .*, allows avx2$"):
        InferenceSession(network, numerics="int8", kernel="window-vnni")


def test_kernels_are_refused_for_other_numerics() -> None:
    """A kernel that the numerics do not have is named, with those it is for."""
    network = Network((random_layer(np.random.default_rng(23), 30, 40),))
    with pytest.raises(InputError, match=r"^layer layer: the kernel bitmask has no numerics but int8 and int16$"):
        InferenceSession(network, numerics="float32", kernel="bitmask")
    if "dense-avx512" in KERNELS:
        with pytest.raises(InputError, match=r"^layer layer: the kernel dense-avx512 has no numerics but int8$"):
            InferenceSession(network, kernel="dense-avx512")
        with pytest.raises(InputError, match=r"the kernel window-bytes-avx512 has no numerics but int16$"):
            InferenceSession(network, numerics="int8", kernel="window-bytes-avx512")


def test_fastest_kernel_measured_is_the_one_used() -> None:
    """The plan has a time for each kernel tried, and the layer runs on the quickest."""
    network = Network((random_layer(np.random.default_rng(24), 300, 300),))
    (plan,) = InferenceSession(network, numerics="float32").plan
    assert plan.kernel == min(plan.measured_us, key=plan.measured_us.__getitem__)
    assert set(plan.measured_us) <= set(KERNELS)
