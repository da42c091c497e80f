"""The fixed-point arithmetic of docs/hardware.md, A1 to A11."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie.errors import InputError
from eie.model.numerics import (
    Formats,
    choose_formats,
    dequantise,
    fraction_bits,
    product,
    quantise,
    quantise_codebook,
    saturate,
    wrap,
)

values = st.floats(-1e30, 1e30, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-30)


@given(st.integers(-32767, 32767), st.integers(-32768, 32767))
def test_product_is_the_exact_one_rounded_half_up(weight: int, activation: int) -> None:
    """The multiplier adds half a unit and shifts: floor(w a / 2^15 + 1/2), which never needs more than 16 bits."""
    exact = Fraction(weight * activation, 2**15) + Fraction(1, 2)
    assert int(product(weight, activation)) == exact.__floor__()
    assert -32768 <= int(product(weight, activation)) <= 32767


@given(st.integers(-(2**40), 2**40), st.integers(2, 32))
def test_wrap_is_congruent_and_in_range(value: int, bits: int) -> None:
    """A wrapped sum differs from the sum by a multiple of 2^A and fits A bits."""
    wrapped = int(wrap(value, bits))
    assert (wrapped - value) % 2**bits == 0
    assert -(2 ** (bits - 1)) <= wrapped < 2 ** (bits - 1)


@given(st.lists(st.integers(-32768, 32767), max_size=50), st.randoms())
def test_wrapping_addition_does_not_depend_on_order(terms: list[int], random: object) -> None:
    """Hardware and software may add in whatever order they like."""
    forward = backward = 0
    for term in terms:
        forward = int(wrap(forward + term, 17))
    for term in reversed(terms):
        backward = int(wrap(backward + term, 17))
    assert forward == backward == int(wrap(sum(terms), 17))


@given(values, st.integers(4, 16))
def test_fraction_bits_is_the_finest_that_fits(value: float, bits: int) -> None:
    """One more fraction bit would push the largest magnitude out of B bits."""
    limit = 2 ** (bits - 1) - 1
    fraction = fraction_bits([value, 0.0], bits)
    if value == 0:
        assert fraction == bits - 1
    else:
        scaled = abs(Fraction(value))
        assert round(scaled * Fraction(2) ** fraction) <= limit < round(scaled * Fraction(2) ** (fraction + 1))


def test_quantise_rounds_half_to_even_and_saturates() -> None:
    """0.5 and 1.5 units go to 0 and 2; what does not fit goes to the end of the range."""
    assert quantise([0.25, 0.75, -0.25, 1e9, -1e9], 1).tolist() == [0, 2, 0, 32767, -32768]
    assert quantise_codebook([-1e9, 1e9], 0).tolist() == [-32767, 32767]


def test_formats_may_have_negative_fractions() -> None:
    """Values beyond B bits of integers have fewer than no fraction bits, and come back."""
    fraction = fraction_bits([1e9])
    assert fraction == -15
    assert dequantise(quantise([1e9], fraction), fraction) == pytest.approx([1e9], rel=1e-4)


def test_saturate_limits() -> None:
    """Read-out keeps what fits and limits what does not."""
    assert saturate([40000, -40000, 5], 16).tolist() == [32767, -32768, 5]


def test_choose_formats_ties_the_output_format() -> None:
    """fo = fa + fw - 15, and the sums seen fit it."""
    formats = choose_formats([3.0], [0.0, 0.4], [100.0])
    assert formats.activation_fraction == 13
    assert formats.output_fraction == min(fraction_bits([0.4]), 8 + 15 - 13) + 13 - 15
    chained = choose_formats([], [0.0, 0.4], [100.0], activation_fraction=formats.output_fraction, output_margin=1)
    assert chained.activation_fraction == formats.output_fraction
    assert chained.output_fraction <= fraction_bits([100.0]) - 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"value_bits": 17}, "value_bits must be 2 to 16, not 17"),
        ({"accumulator_bits": 8}, "accumulator_bits must be 16 to 32, not 8"),
        ({"activation_fraction": 5000}, "activation_fraction must be -1100 to 1100, not 5000"),
    ],
)
def test_formats_out_of_range(arguments: dict[str, int], sentence: str) -> None:
    """A width the datapath does not have is refused, naming it."""
    with pytest.raises(InputError) as error:
        Formats(**({"activation_fraction": 0, "codebook_fraction": 0} | arguments))
    assert str(error.value) == sentence
