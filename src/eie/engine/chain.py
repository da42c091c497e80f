"""A sequence of layers in native code: weights in the kernels' own layout, one call from inputs to outputs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import eie._native as _native
from eie.engine.int8 import int8_weights
from eie.engine.int16 import int16_weights
from eie.engine.integers import Integers
from eie.errors import InputError
from eie.model.network import Layer
from eie.model.reference import formats_of
from eie.program.constants import constants_of

__all__ = [
    "UNLIMITED",
    "AccumulatorOverflow",
    "Arguments",
    "Chain",
    "LayerPlan",
    "arguments_of",
    "check_chip_formats",
    "numbers_in",
    "warn_of_overflows",
]

_LARGEST_CHIP_FRACTION = 1000  # well within the exponent range of float64

UNLIMITED = 2**63  # bytes

Floats = npt.NDArray[np.float32]


class AccumulatorOverflow(RuntimeWarning):
    """Sums did not fit the chip's accumulators and wrapped, so these outputs are wrong (numerics `chip` only)."""


@dataclass(frozen=True)
class LayerPlan:
    """How a session runs one layer.

    `bytes` are those of its weights in the kernel's layout, read for every input or batch. Where `few_kernel` is not
    empty, the weights are in memory in its layout too, in `few_bytes`, and an input with fewer than `few_below` active
    (non-zero) numbers is multiplied by it, as it skips the others' columns. `measured_us` has what one multiplication
    took with each kernel tried at load, in microseconds (`int16`, `int8`: at the middle of the expected activity; other
    numerics: with a third of the inputs active); it is empty where one was forced.
    """

    name: str
    kernel: str
    bytes: int
    weights: int
    measured_us: dict[str, float]
    few_kernel: str = ""
    few_bytes: int = 0
    few_below: int = 0

    @property
    def bytes_per_weight(self) -> float:
        """Bytes read per non-zero weight."""
        return self.bytes / max(self.weights, 1)

    @property
    def memory_bytes(self) -> int:
        """Bytes that the layer's weights take in memory, in all their layouts."""
        return self.bytes + self.few_bytes


class Arguments(NamedTuple):
    """What native code is told of a layer besides its weights; empty or zero what other numerics need.

    `codebook` is that of integers, int16. `settings` are the fraction bits of activations and outputs, and the bits of
    values and accumulators.
    """

    codebook: Integers
    chip_bias: npt.NDArray[np.int64]
    settings: tuple[int, int, int, int]


class Chain:
    """`layers`, each one's outputs the next one's inputs, with one arithmetic; `kernel` is forced unless empty.

    `activity` is the range of the share of active inputs that each layer is laid out for; its weights may
    take `most_bytes(layer)` bytes.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        numerics: str,
        threads: int,
        kernel: str,
        *,
        activity: tuple[float, float] = (0.0, 1.0),
        most_bytes: Callable[[Layer], int] = lambda layer: UNLIMITED,
    ) -> None:
        self.inputs, self.outputs = layers[0].inputs, layers[-1].outputs
        self._counts_overflows = numerics == "chip"  # only its sums can wrap
        if numerics == "chip":
            check_chip_formats(layers)
        self.native = _native.make_network(numerics, threads)
        self._activity, self._most_bytes = activity, most_bytes
        self.plan = tuple(self._add(layer, numerics, kernel) for layer in layers)
        self._no_overflows = np.zeros(len(self.plan), np.uint64)

    def run(self, vectors: Floats, out: Floats, overflows: npt.NDArray[np.uint64] | None = None) -> bool:
        """Write the outputs for `vectors` to `out`; return whether all inputs were finite.

        `vectors` have the shape (batch, inputs) or (inputs,), `out` (batch, outputs) or (outputs,). The number of sums
        that overflowed is added to `overflows`, (layers,); if that is None, a warning is given.
        """
        warn = overflows is None and self._counts_overflows
        if overflows is None:
            overflows = np.zeros(len(self.plan), np.uint64) if self._counts_overflows else self._no_overflows
        if not self.native.run(vectors, out, overflows):
            return False
        if warn:
            warn_of_overflows(self.plan, overflows)
        return True

    def _add(self, layer: Layer, numerics: str, kernel: str) -> LayerPlan:
        matrix = layer.matrix
        starts, columns, codes = matrix.rows
        values = arguments_of(layer, numerics)
        try:
            report = self.native.add_layer(
                matrix.inputs,
                starts,
                columns,
                codes,
                matrix.code_bits,
                matrix.codebook,
                *values.codebook,
                np.zeros(0, np.float32) if layer.bias is None else np.ascontiguousarray(layer.bias),
                values.chip_bias,
                layer.relu,
                *values.settings,
                kernel,
                self._activity,
                self._most_bytes(layer),
            )
        except ValueError as error:
            raise InputError(f"layer {layer.name}: {error}") from error
        return LayerPlan(
            layer.name,
            report.kernel,
            report.bytes,
            len(codes),
            dict(report.measured),
            report.few_kernel,
            report.few_bytes,
            report.few_below,
        )


def numbers_in(layer: Layer) -> int:
    """Return how many weights, rows and columns the layer has: what its share of the memory is reckoned by."""
    return layer.matrix.nnz + layer.outputs + layer.inputs


def arguments_of(layer: Layer, numerics: str) -> Arguments:
    """Return what native code is told of the layer; raise InputError where it cannot be had in these numerics."""
    codebook, chip_bias, settings = Integers(np.zeros(0, np.int16), 1.0), np.zeros(0, np.int64), (0, 0, 16, 24)
    if numerics == "chip":
        constants = constants_of(layer)
        formats, bits = constants.formats, constants.formats.value_bits
        # Shifted up to 16 bits; the reason is in native/kernels/arithmetic.hpp.
        codebook = Integers((constants.codebook << (16 - bits)).astype(np.int16), 1.0)
        chip_bias = constants.bias
        settings = (formats.activation_fraction, formats.output_fraction, bits, formats.accumulator_bits)
    if numerics in ("int8", "int16"):
        codebook = (int8_weights if numerics == "int8" else int16_weights)(layer)
    return Arguments(codebook, chip_bias, settings)


def warn_of_overflows(plans: Sequence[LayerPlan], overflows: npt.NDArray[np.uint64]) -> None:
    """Warn of each layer of whose sums some overflowed; to be called by what a session's `run` calls."""
    for plan, count in zip(plans, overflows.tolist(), strict=True):
        if count:
            message = f"{count} sums of layer {plan.name} did not fit the accumulator and wrapped"
            warnings.warn(message, AccumulatorOverflow, stacklevel=4)


def check_chip_formats(layers: Sequence[Layer]) -> None:
    """Raise InputError where the chip's formats are out of range, or a layer's are not those of the one before."""
    for layer in layers:
        formats = formats_of(layer)
        for fraction in (formats.activation_fraction, formats.output_fraction):
            if abs(fraction) > _LARGEST_CHIP_FRACTION:
                raise InputError(
                    f"layer {layer.name}: fraction bits must be within +-{_LARGEST_CHIP_FRACTION}, not {fraction}"
                )
    for before, after in pairwise(layers):
        given, expected = formats_of(before), formats_of(after)
        if (given.output_fraction, given.value_bits) != (expected.activation_fraction, expected.value_bits):
            raise InputError(
                f"layer {after.name} expects activations of {expected.value_bits} bits with "
                f"{expected.activation_fraction} fraction bits, but {before.name} before it gives "
                f"{given.value_bits} with {given.output_fraction}"
            )
