"""Layers in integers, as plain NumPy: what numerics `int8` and `int16` share.

For a layer with codes k(r, c) into a codebook w, and activations a:

    y(r) = unit_w * unit_a * sum over c of q_w[k(r, c)] * q_a[c] + b(r)

q_w are integers chosen once per layer, q_a integers chosen for each input. Sums are exact, so no order of adding
changes them, and are rounded once, to float32. A convolution's input is its image: all its windows have the same unit.
The kernels in `native/kernels` give these outputs to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eie.model.network import Layer
from eie.steps import Convolution

__all__ = ["IntegerOutputs", "Integers", "outputs_of", "pixels_of", "scaled_activations", "scaled_weights"]


class Integers(NamedTuple):
    """Real numbers as `values` times `unit`."""

    values: npt.NDArray[np.signedinteger]
    unit: float


class IntegerOutputs(NamedTuple):
    """A layer's integer sums and its outputs, bias and ReLU applied: int64 and float32, (outputs,)."""

    sums: npt.NDArray[np.int64]
    outputs: npt.NDArray[np.float32]


def scaled_weights(layer: Layer, scales: npt.NDArray[np.float64]) -> Integers:
    """Return the codebook as int16, (2**code_bits,); codes that do not occur in the layer are 0.

    The unit is the largest magnitude that occurs over one of `scales`: the one with which a row's expected squared
    error is least, or the first of these. For n weights a row, each off by some e of the layer's, that error is
    n * mean(e)**2 + mean(e**2): activations behind a ReLU are all positive, so errors of one sign add up.
    """
    codes = layer.matrix.rows.codes
    codebook = layer.matrix.codebook.astype(np.float64)
    occurrences = np.bincount(codes, minlength=len(codebook))
    real = np.where(occurrences > 0, codebook, 0.0)
    magnitude = float(np.abs(real).max())
    if magnitude == 0:
        return Integers(np.zeros(len(real), np.int16), 1.0)
    used = np.flatnonzero(occurrences)
    relative, share = real[used] / magnitude, occurrences[used] / len(codes)
    errors = np.rint(relative * scales[:, None]) / scales[:, None] - relative
    # Sums along an axis and no matrix product, whose rounding would depend on the processor's library.
    mean = len(codes) / layer.outputs
    best = scales[(mean * (errors * share).sum(axis=1) ** 2 + (errors**2 * share).sum(axis=1)).argmin()]
    return Integers(np.rint(real / magnitude * best).astype(np.int16), magnitude / float(best))


def scaled_activations(inputs: npt.NDArray[np.float32], most: int) -> Integers:
    """Return one vector of finite float32 activations as integers, int64 (inputs,); `most` is the largest magnitude."""
    largest = np.abs(inputs).max(initial=np.float32(0))
    if largest == 0:
        return Integers(np.zeros(len(inputs), np.int64), 1.0)
    # Float32 throughout, as the kernels do. What is next to nothing is lifted: its scale would not be a float32.
    lift = np.float32(2.0**96 if largest < np.float32(1e-30) else 1)
    factor = np.float32(most) / (largest * lift)
    return Integers(np.rint(inputs * lift * factor).astype(np.int64), float(largest) / most)


def outputs_of(layer: Layer, weights: Integers, activations: Integers) -> IntegerOutputs:
    """Return what the layer gives for one vector of activations."""
    starts, columns, codes = layer.matrix.rows
    running = np.cumsum(weights.values[codes].astype(np.int64) * activations.values[columns])
    running = np.concatenate((np.zeros(1, np.int64), running))
    sums = running[starts[1:]] - running[starts[:-1]]
    outputs = sums.astype(np.float32) * np.float32(weights.unit * activations.unit)
    if layer.bias is not None:
        outputs = outputs + layer.bias
    return IntegerOutputs(sums, np.where(outputs > 0, outputs, np.float32(0)) if layer.relu else outputs)


def pixels_of(
    step: Convolution,
    image: npt.NDArray[np.float32],
    weights_of: Callable[[Layer], Integers],
    activations_of: Callable[[npt.NDArray[np.float32]], Integers],
) -> npt.NDArray[np.float32]:
    """Return the outputs, (outputs,), of a convolution of a compressed layer for one float32 image, (inputs,)."""
    (layer,) = step.layers
    values, unit = activations_of(image)
    windows = step.window.over(step.image.of(values.astype(np.float64)))[0].transpose(1, 2, 0, 3, 4)
    weights = weights_of(layer)
    pixels = [
        outputs_of(layer, weights, Integers(window.astype(np.int64), unit)).outputs
        for window in windows.reshape(-1, layer.inputs)
    ]
    return np.stack(pixels, axis=1).reshape(-1)
