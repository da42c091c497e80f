"""The outputs of a layer in float64, as plain NumPy, and the choice of its Q formats from them.

The outputs in the chip's fixed point are in `eie.program.arithmetic`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy  # imports its submodules on first use; most commands use none

from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.model.network import Batch, Layer, Network, Step, flow
from eie.model.numerics import Formats, choose_formats

__all__ = ["calibrate", "float_layer", "float_sums", "formats_of", "input_batch"]


def float_sums(layer: Layer, inputs: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return W a + b in float64, before ReLU; (..., outputs) for `inputs` of shape (..., inputs)."""
    starts, columns, codes = layer.matrix.rows
    weights = scipy.sparse.csr_array(
        (layer.matrix.codebook.astype(np.float64)[codes], columns, starts), layer.matrix.shape
    )
    sums = np.asarray(weights @ inputs.astype(np.float64).T).T
    return sums if layer.bias is None else sums + layer.bias.astype(np.float64)


def float_layer(layer: Layer, inputs: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the layer's outputs in float64; (..., outputs) for `inputs` of shape (..., inputs)."""
    sums = float_sums(layer, inputs)
    return np.maximum(sums, 0.0) if layer.relu else sums


def formats_of(layer: Layer) -> Formats:
    """Return the layer's formats; raise InputError if none have been chosen."""
    if layer.formats is None:
        raise InputError(
            f"layer {layer.name} has no fixed-point formats: choose them with eie.calibrate(network, inputs)"
        )
    return layer.formats


def input_batch(inputs: npt.ArrayLike, expected: int) -> npt.NDArray[np.floating]:
    """Return `inputs`, one vector of `expected` numbers or a batch of them, as (batch, expected) floats.

    Raises InputError for another shape, a type that is not a real number, and NaN or infinite values.
    """
    array = np.asarray(inputs)
    if array.dtype.kind not in "fiub":
        raise InputError(f"inputs must be real numbers, not {array.dtype}")
    if array.ndim not in (1, 2) or array.shape[-1] != expected or array.shape[0] == 0:
        raise InputError(f"inputs must have shape ({expected},) or (batch, {expected}), not {array.shape}")
    batch = np.atleast_2d(array.astype(np.float64) if array.dtype.kind != "f" else array)
    if not np.isfinite(batch).all():
        item, place = np.argwhere(~np.isfinite(batch))[0]
        raise InputError(f"inputs must be finite, but number {place} of input {item} is {batch[item, place]}")
    return batch


def calibrate(
    network: Network | Layer | InterleavedCSC,
    inputs: npt.ArrayLike,
    *,
    value_bits: int = 16,
    accumulator_bits: int = 24,
    input_margin: int = 0,
    output_margin: int = 0,
) -> Network:
    """Return a network, a layer or a matrix as a network with each layer's Q formats chosen from `inputs`.

    `inputs` are one vector or a (batch, inputs) array. A layer's activations get the finest format that holds its
    inputs, or, where it follows another layer directly, the format of that one's outputs; each codebook the finest
    that fits it and the sums seen (`eie.model.numerics.choose_formats`). A layer inside another step gets them from
    all that the step multiplies with it.
    """
    network = Network.of(network)
    vectors: Batch = input_batch(inputs, network.inputs).astype(np.float64)
    largest_input: dict[str, float] = {}
    largest_sum: dict[str, float] = {}

    def multiply(layer: Layer, batch: Batch) -> Batch:
        sums = float_sums(layer, batch)
        for largest, values in ((largest_input, batch), (largest_sum, sums)):
            largest[layer.name] = max(largest.get(layer.name, 0.0), float(np.abs(values).max(initial=0.0)))
        return np.maximum(sums, 0.0) if layer.relu else sums

    steps: list[Step] = []

    def run_step(number: int, vectors: Batch) -> Batch:
        step = network.steps[number]
        outputs = step.run(vectors, multiply)
        before = network.layer_before(number)
        fraction = None if before is None else formats_of(steps[before].layers[0]).output_fraction
        layers = [
            replace(
                layer,
                formats=choose_formats(
                    largest_input.get(layer.name, 0.0),
                    layer.matrix.codebook[np.unique(layer.matrix.codes)],  # what no weight uses sets no scale
                    largest_sum.get(layer.name, 0.0),
                    activation_fraction=fraction,
                    value_bits=value_bits,
                    accumulator_bits=accumulator_bits,
                    input_margin=input_margin,
                    output_margin=output_margin,
                ),
            )
            for layer in step.layers
        ]
        steps.append(step.with_layers(layers))
        return outputs

    flow(network.reads, vectors, run_step)
    return replace(network, steps=tuple(steps))
