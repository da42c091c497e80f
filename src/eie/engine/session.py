"""A network ready to run on this CPU: weights in the kernels' own layout, one native call from inputs to outputs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eie import _native
from eie.engine.reference import formats_of, input_batch
from eie.errors import InputError
from eie.network import Layer, Network
from eie.numerics import quantise, quantise_codebook
from eie.storage import load

__all__ = ["KERNELS", "NUMERICS", "AccumulatorOverflow", "InferenceSession", "LayerPlan"]

NUMERICS = ("int16", "chip", "float32")
KERNELS = tuple(_native.kernel_names())  # of this build; native/kernels/README.md tells what each is
_LARGEST_CHIP_FRACTION = 1000  # well within what a float64 can be scaled by

Floats = npt.NDArray[np.float32]


class AccumulatorOverflow(RuntimeWarning):
    """Sums did not fit the chip's accumulators and wrapped, so that these outputs are wrong (numerics `chip` only)."""


@dataclass(frozen=True)
class LayerPlan:
    """How a session runs one layer.

    `bytes` are those of its weights in the kernel's layout, read for every input or batch. `measured_us` has what one
    multiplication took with each kernel tried at load, in microseconds; it is empty where one was forced.
    """

    name: str
    kernel: str
    bytes: int
    weights: int
    measured_us: dict[str, float]

    @property
    def bytes_per_weight(self) -> float:
        """Bytes read per non-zero weight."""
        return self.bytes / max(self.weights, 1)


class InferenceSession:
    """Runs a network on this CPU.

    `network` is a `Network` or the path of a model file. `numerics` is `int16` (16-bit integers, scales chosen per
    call; the default), `chip` (the chip's arithmetic, bit for bit; needs a calibrated network) or `float32`. `threads`
    is how many threads share a call; with 1 none is started. `kernel` forces one of KERNELS for every layer; otherwise
    the environment variable EIE_KERNEL does, and otherwise each layer gets the one measured fastest. Kernels round
    `int16` weights differently, so two such sessions can differ within that accuracy.

    `run` may be called from several threads at once. Raises InputError for anything that is not as described.
    """

    def __init__(
        self, network: Network | str | Path, *, numerics: str = "int16", threads: int = 1, kernel: str | None = None
    ) -> None:
        if numerics not in NUMERICS:
            raise InputError(f"numerics must be {', '.join(NUMERICS[:-1])} or {NUMERICS[-1]}, not {numerics}")
        if not isinstance(threads, int) or not 1 <= threads <= 256:
            raise InputError(f"threads must be an integer from 1 to 256, not {threads!r}")
        self.network = network if isinstance(network, Network) else load(network)
        self.numerics = numerics
        self.threads = threads
        if numerics == "chip":
            _check_chip_formats(self.network.layers)
        forced = kernel or os.environ.get("EIE_KERNEL", "")
        self._native = _native.make_network(numerics, threads)
        self.plan = tuple(self._add(layer, forced) for layer in self.network)
        self._inputs, self._outputs = self.network.inputs, self.network.outputs
        self._no_overflows = np.zeros(len(self.plan), np.uint64)  # only the chip's numerics count any

    def run(self, inputs: npt.ArrayLike, out: Floats | None = None) -> Floats:
        """Return the network's outputs for one input vector, or for a batch of them one row each, as float32.

        With `out`, a C-contiguous float32 array of the outputs' shape, the result is written there and returned.
        Native code allocates nothing after the first call.
        """
        if isinstance(inputs, np.ndarray) and inputs.dtype == np.float32 and inputs.flags.c_contiguous:
            array = inputs  # native code looks for NaN and infinity on the way
            if array.ndim not in (1, 2) or array.shape[-1] != self._inputs or array.shape[0] == 0:
                input_batch(array, self._inputs)  # says what is wrong
        else:
            batch = input_batch(inputs, self._inputs)
            with np.errstate(over="ignore"):  # too large a number becomes infinity, which native code reports
                array = np.ascontiguousarray(batch, np.float32).reshape(np.shape(inputs))
        shape = (*array.shape[:-1], self._outputs)
        if out is None:
            out = np.empty(shape, np.float32)
        elif out.dtype != np.float32 or out.shape != shape or not (out.flags.c_contiguous and out.flags.writeable):
            given = f"{out.dtype} of shape {out.shape}"
            raise InputError(f"out must be a writable, contiguous float32 array of shape {shape}, not {given}")
        overflows = np.zeros(len(self.plan), np.uint64) if self.numerics == "chip" else self._no_overflows
        if not self._native.run(array, out, overflows):
            input_batch(array, self._inputs)  # names the first that is NaN or infinite
        if self.numerics == "chip" and overflows.any():
            for plan, count in zip(self.plan, overflows.tolist(), strict=True):
                if count:
                    message = f"{count} sums of layer {plan.name} did not fit the accumulator and wrapped"
                    warnings.warn(message, AccumulatorOverflow, stacklevel=2)
        return out

    def _add(self, layer: Layer, kernel: str) -> LayerPlan:
        matrix = layer.matrix
        starts, columns, codes = matrix.rows
        chip_codebook = np.zeros(0, np.int16)
        chip_bias = np.zeros(0, np.int64)
        settings = (0, 0, 16, 24)
        if self.numerics == "chip":
            formats = formats_of(layer)
            bits = formats.value_bits
            # Shifted up to 16 bits: native/kernels/arithmetic.hpp tells why.
            shifted = quantise_codebook(matrix.codebook, formats.codebook_fraction, bits) << (16 - bits)
            chip_codebook = shifted.astype(np.int16)
            if layer.bias is not None:
                chip_bias = quantise(layer.bias, formats.output_fraction, formats.accumulator_bits)
            settings = (formats.activation_fraction, formats.output_fraction, bits, formats.accumulator_bits)
        try:
            report = self._native.add_layer(
                matrix.inputs,
                starts,
                columns,
                codes,
                matrix.code_bits,
                matrix.codebook,
                chip_codebook,
                np.zeros(0, np.float32) if layer.bias is None else np.ascontiguousarray(layer.bias),
                chip_bias,
                layer.relu,
                *settings,
                kernel,
            )
        except ValueError as error:
            raise InputError(f"layer {layer.name}: {error}") from error
        return LayerPlan(layer.name, report.kernel, report.bytes, len(codes), dict(report.measured))


def _check_chip_formats(layers: Sequence[Layer]) -> None:
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
