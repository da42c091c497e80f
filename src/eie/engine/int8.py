"""Numerics `int8`, as plain NumPy: which integers are multiplied (`eie.engine.integers` tells what becomes of them).

Weights are integers of up to +-127, chosen once per layer. Activations are chosen for each input: 0 to 254 where none
is negative, as behind a ReLU, and otherwise -127 to 127. Sums fit 32 bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eie.engine.integers import IntegerOutputs, Integers, outputs_of, pixels_of, scaled_activations, scaled_weights
from eie.errors import InputError
from eie.model.network import Layer
from eie.steps import Convolution

__all__ = ["MOST_ROW_WEIGHTS", "int8_activations", "int8_convolution", "int8_layer", "int8_weights"]

_LARGEST_WEIGHT = 127
_LARGEST_ACTIVATION = 254
_LARGEST_SIGNED_ACTIVATION = 127
MOST_ROW_WEIGHTS = (2**31 - 1) // (_LARGEST_WEIGHT * _LARGEST_ACTIVATION)  # whose sum fits 32 bits, whatever they are


def int8_weights(layer: Layer) -> Integers:
    """Return the codebook as integers of up to +-127, (2**code_bits,); codes that do not occur in the layer are 0.

    The largest magnitude that occurs becomes a number from 64 to 127, in steps of 1/16: the best by the rule of
    `scaled_weights`. Raises InputError where a row has too many weights for 32-bit sums.
    """
    counts = np.diff(layer.matrix.rows.starts)
    longest = int(counts.argmax())
    if counts[longest] > MOST_ROW_WEIGHTS:
        raise InputError(
            f"layer {layer.name}: numerics int8 sums at most {MOST_ROW_WEIGHTS} weights a row in 32 bits, but row "
            f"{longest} has {counts[longest]}; use int16"
        )
    return scaled_weights(layer, np.arange(16 * _LARGEST_WEIGHT, 16 * 64 - 1, -1) / 16)


def int8_activations(inputs: npt.NDArray[np.float32]) -> Integers:
    """Return one vector of finite float32 activations as integers, int64 (inputs,).

    The largest magnitude becomes 254, or 127 where any activation is negative.
    """
    return scaled_activations(inputs, _LARGEST_SIGNED_ACTIVATION if (inputs < 0).any() else _LARGEST_ACTIVATION)


def int8_layer(layer: Layer, inputs: npt.NDArray[np.float32]) -> IntegerOutputs:
    """Return what the layer gives for one vector of float32 inputs."""
    return outputs_of(layer, int8_weights(layer), int8_activations(inputs))


def int8_convolution(step: Convolution, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the outputs, (outputs,), of a convolution of a compressed layer for one float32 image, (inputs,)."""
    return pixels_of(step, image, int8_weights, int8_activations)
