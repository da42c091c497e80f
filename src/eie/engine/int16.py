"""Numerics `int16`, as plain NumPy: which integers are multiplied (`eie.engine.integers` tells what becomes of them).

Weights are integers of up to +-8191, chosen once per layer, activations of up to +-16383, chosen for each input. So any
16 products fit 32 bits, with room for what is carried from one such sum to the next. Activations get the bit more: a
weight's rounding error is the same wherever its code occurs and does not average out as theirs do, but there are few
values in a codebook, and the scale is the one that suits them best.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eie.engine.integers import IntegerOutputs, Integers, outputs_of, pixels_of, scaled_activations, scaled_weights
from eie.model.network import Layer
from eie.steps import Convolution

__all__ = ["int16_activations", "int16_convolution", "int16_layer", "int16_weights"]

_LARGEST_WEIGHT = 8191
_LARGEST_ACTIVATION = 16383


def int16_weights(layer: Layer) -> Integers:
    """Return the codebook as integers of up to +-8191, (2**code_bits,); codes that do not occur in the layer are 0.

    The largest magnitude that occurs becomes a whole number from 4096 to 8191: the best by the rule of
    `scaled_weights`.
    """
    return scaled_weights(layer, np.arange(_LARGEST_WEIGHT, 4096 - 1, -1.0))


def int16_activations(inputs: npt.NDArray[np.float32]) -> Integers:
    """Return one vector of finite float32 activations as integers, int64 (inputs,); the largest becomes 16383."""
    return scaled_activations(inputs, _LARGEST_ACTIVATION)


def int16_layer(layer: Layer, inputs: npt.NDArray[np.float32]) -> IntegerOutputs:
    """Return what the layer gives for one vector of float32 inputs."""
    return outputs_of(layer, int16_weights(layer), int16_activations(inputs))


def int16_convolution(step: Convolution, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the outputs, (outputs,), of a convolution of a compressed layer for one float32 image, (inputs,)."""
    return pixels_of(step, image, int16_weights, int16_activations)
