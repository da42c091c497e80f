"""Numerics `int8`, as plain NumPy: which integers are multiplied, how they are summed, what the sums stand for.

For a layer with codes k(r, c) into a codebook w, and activations a:

    y(r) = unit_w * unit_a * sum over c of q_w[k(r, c)] * q_a[c] + b(r)

q_w are integers of up to +-127, chosen once per layer. q_a are chosen for each input: 0 to 254 where no activation is
negative, as behind a ReLU, and otherwise -127 to 127. Sums are exact in 32 bits. A convolution's input is its image:
all its windows have the same unit. The kernels in `native/kernels` give these outputs to the bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eie.errors import InputError
from eie.model.network import Layer
from eie.steps import Convolution

__all__ = [
    "MOST_ROW_WEIGHTS",
    "Int8Outputs",
    "Integers",
    "int8_activations",
    "int8_convolution",
    "int8_layer",
    "int8_weights",
]

_LARGEST_WEIGHT = 127
_LARGEST_ACTIVATION = 254
_LARGEST_SIGNED_ACTIVATION = 127
MOST_ROW_WEIGHTS = (2**31 - 1) // (_LARGEST_WEIGHT * _LARGEST_ACTIVATION)  # whose sum fits 32 bits, whatever they are


class Integers(NamedTuple):
    """Real numbers as `values` times `unit`."""

    values: npt.NDArray[np.signedinteger]
    unit: float


class Int8Outputs(NamedTuple):
    """A layer's integer sums and its outputs, bias and ReLU applied: int64 and float32, (outputs,)."""

    sums: npt.NDArray[np.int64]
    outputs: npt.NDArray[np.float32]


def int8_weights(layer: Layer) -> Integers:
    """Return the codebook as int8, (2**code_bits,); codes that do not occur in the layer are 0.

    The unit is the largest magnitude that occurs over a number from 64 to 127, in steps of 1/16: the one with which a
    row's expected squared error is least, or the largest of these. For n weights a row, each off by some e of the
    layer's, that error is n * mean(e)**2 + mean(e**2): activations behind a ReLU are all positive, so errors of one
    sign add up. Raises InputError where a row has too many weights for 32-bit sums.
    """
    starts, _, codes = layer.matrix.rows
    counts = np.diff(starts)
    longest = int(counts.argmax())
    if counts[longest] > MOST_ROW_WEIGHTS:
        raise InputError(
            f"layer {layer.name}: numerics int8 sums at most {MOST_ROW_WEIGHTS} weights a row in 32 bits, but row "
            f"{longest} has {counts[longest]}; use int16"
        )
    codebook = layer.matrix.codebook.astype(np.float64)
    occurrences = np.bincount(codes, minlength=len(codebook))
    real = np.where(occurrences > 0, codebook, 0.0)
    magnitude = float(np.abs(real).max())
    if magnitude == 0:
        return Integers(np.zeros(len(real), np.int8), 1.0)
    scales = np.arange(16 * _LARGEST_WEIGHT, 16 * 64 - 1, -1) / 16
    used = np.flatnonzero(occurrences)
    relative, share = real[used] / magnitude, occurrences[used] / len(codes)
    errors = np.rint(relative * scales[:, None]) / scales[:, None] - relative
    # Sums along an axis and no matrix product, whose rounding would depend on the processor's library.
    best = scales[(counts.mean() * (errors * share).sum(axis=1) ** 2 + (errors**2 * share).sum(axis=1)).argmin()]
    return Integers(np.rint(real / magnitude * best).astype(np.int8), magnitude / float(best))


def int8_activations(inputs: npt.NDArray[np.float32]) -> Integers:
    """Return one vector of finite float32 activations as integers, int64 (inputs,).

    The largest magnitude becomes 254, or 127 where any activation is negative.
    """
    most = _LARGEST_SIGNED_ACTIVATION if (inputs < 0).any() else _LARGEST_ACTIVATION
    largest = np.abs(inputs).max(initial=np.float32(0))
    if largest == 0:
        return Integers(np.zeros(len(inputs), np.int64), 1.0)
    # Float32 throughout, as the kernels do. What is next to nothing is lifted: its scale would not be a float32.
    lift = np.float32(2.0**96 if largest < np.float32(1e-30) else 1)
    factor = np.float32(most) / (largest * lift)
    return Integers(np.rint(inputs * lift * factor).astype(np.int64), float(largest) / most)


def int8_layer(layer: Layer, inputs: npt.NDArray[np.float32]) -> Int8Outputs:
    """Return what the layer gives for one vector of float32 inputs."""
    return _outputs(layer, int8_weights(layer), int8_activations(inputs))


def int8_convolution(step: Convolution, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the outputs, (outputs,), of a convolution of a compressed layer for one float32 image, (inputs,)."""
    (layer,) = step.layers
    values, unit = int8_activations(image)
    windows = step.window.over(step.image.of(values.astype(np.float64)))[0].transpose(1, 2, 0, 3, 4)
    weights = int8_weights(layer)
    pixels = [
        _outputs(layer, weights, Integers(window.astype(np.int64), unit)).outputs
        for window in windows.reshape(-1, layer.inputs)
    ]
    return np.stack(pixels, axis=1).reshape(-1)


def _outputs(layer: Layer, weights: Integers, activations: Integers) -> Int8Outputs:
    starts, columns, codes = layer.matrix.rows
    running = np.cumsum(weights.values[codes].astype(np.int64) * activations.values[columns])
    running = np.concatenate((np.zeros(1, np.int64), running))
    sums = running[starts[1:]] - running[starts[:-1]]
    outputs = sums.astype(np.float32) * np.float32(weights.unit * activations.unit)
    if layer.bias is not None:
        outputs = outputs + layer.bias
    return Int8Outputs(sums, np.where(outputs > 0, outputs, np.float32(0)) if layer.relu else outputs)
