"""The chip's fixed-point arithmetic: quantise, multiply, accumulate, read out.

docs/hardware.md, A1 to A11, as plain NumPy. Values, codebook and products have B bits (16), accumulators A bits
(24); all are two's complement. A number q in format Q(f) stands for q * 2**-f; f may be negative or above B - 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eie.errors import InputError

__all__ = [
    "ACCUMULATOR_BITS",
    "VALUE_BITS",
    "Formats",
    "Integers",
    "choose_formats",
    "dequantise",
    "fraction_bits",
    "product",
    "quantise",
    "quantise_codebook",
    "saturate",
    "wrap",
]

VALUE_BITS = 16
ACCUMULATOR_BITS = 24

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Formats:
    """The Q formats of one layer: fraction bits of activations and codebook, which determine those of the outputs.

    `value_bits` is B, 2 to 16; `accumulator_bits` is A, from B to 32.
    """

    activation_fraction: int
    codebook_fraction: int
    value_bits: int = VALUE_BITS
    accumulator_bits: int = ACCUMULATOR_BITS

    def __post_init__(self) -> None:
        """Raise InputError for a width that the datapath does not support."""
        if not 2 <= self.value_bits <= 16:
            raise InputError(f"value_bits must be 2 to 16, not {self.value_bits}")
        if not self.value_bits <= self.accumulator_bits <= 32:
            raise InputError(f"accumulator_bits must be {self.value_bits} to 32, not {self.accumulator_bits}")
        for name in ("activation_fraction", "codebook_fraction"):
            if not -1100 <= getattr(self, name) <= 1100:  # beyond any float64
                raise InputError(f"{name} must be -1100 to 1100, not {getattr(self, name)}")

    @property
    def output_fraction(self) -> int:
        """Fraction bits of sums, bias and outputs: fo = fa + fw - (B - 1)."""
        return self.activation_fraction + self.codebook_fraction - (self.value_bits - 1)


def fraction_bits(values: npt.ArrayLike, value_bits: int = VALUE_BITS) -> int:
    """Return the largest f for which round(max|values| * 2**f) fits B bits; B - 1 if all values are zero."""
    array = np.asarray(values)
    largest = float(np.max(np.abs(array), initial=0.0))
    if largest == 0.0:
        return value_bits - 1
    limit = 2 ** (value_bits - 1) - 1
    fraction = math.frexp(limit)[1] - math.frexp(largest)[1] + 1
    while round(math.ldexp(largest, fraction)) > limit:
        fraction -= 1
    return fraction


def quantise(values: npt.ArrayLike, fraction: int, bits: int = VALUE_BITS) -> Integers:
    """Return `values` in Q(fraction), rounded half to even and saturated to `bits` bits."""
    scaled = np.rint(np.ldexp(np.asarray(values, np.float64), fraction))
    return np.clip(scaled, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1).astype(np.int64)


def quantise_codebook(codebook: npt.ArrayLike, fraction: int, bits: int = VALUE_BITS) -> Integers:
    """Return `codebook` in Q(fraction), saturated to +-(2**(bits-1) - 1) so that no product overflows."""
    return np.clip(quantise(codebook, fraction, bits), -(2 ** (bits - 1) - 1), None)


def dequantise(values: npt.ArrayLike, fraction: int) -> npt.NDArray[np.float64]:
    """Return the real numbers that the integers `values` in Q(fraction) stand for."""
    return np.ldexp(np.asarray(values, np.float64), -fraction)


def product(weight: npt.ArrayLike, activation: npt.ArrayLike, bits: int = VALUE_BITS) -> Integers:
    """Return the multiplier's rounded product, (w * a + 2**(B-2)) >> (B-1)."""
    exact: Integers = np.asarray(weight, np.int64) * np.asarray(activation, np.int64)
    return (exact + (1 << (bits - 2))) >> (bits - 1)


def wrap(values: npt.ArrayLike, bits: int) -> Integers:
    """Return `values` modulo 2**bits as two's complement numbers of `bits` bits."""
    half = 1 << (bits - 1)
    return ((np.asarray(values, np.int64) + half) & ((1 << bits) - 1)) - half


def saturate(values: npt.ArrayLike, bits: int) -> Integers:
    """Return `values` limited to the range of `bits`-bit two's complement numbers."""
    return np.clip(np.asarray(values, np.int64), -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def choose_formats(
    inputs: npt.ArrayLike,
    codebook: npt.ArrayLike,
    sums: npt.ArrayLike,
    *,
    activation_fraction: int | None = None,
    value_bits: int = VALUE_BITS,
    accumulator_bits: int = ACCUMULATOR_BITS,
    input_margin: int = 0,
    output_margin: int = 0,
) -> Formats:
    """Return the formats for one layer from calibration data.

    fa = f(inputs), or `activation_fraction`, the fo of the layer before, if the layer follows another one;
    fw = min(f(codebook), f(sums) + (B - 1) - fa), where `sums` are the outputs before ReLU, bias included.
    A margin of m bits leaves room for inputs or outputs 2**m times as large as those of the calibration.
    """
    if activation_fraction is None:
        activation_fraction = fraction_bits(inputs, value_bits) - input_margin
    output_fraction = fraction_bits(sums, value_bits) - output_margin
    codebook_fraction = min(
        fraction_bits(codebook, value_bits), output_fraction + (value_bits - 1) - activation_fraction
    )
    return Formats(activation_fraction, codebook_fraction, value_bits, accumulator_bits)
