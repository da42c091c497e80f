"""Consecutive steps of a network in native code: one call from the first one's inputs to the last one's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

import eie._native as _native
from eie.encoding import csc
from eie.engine.chain import Chain, LayerPlan, arguments_of, check_chip_formats, warn_of_overflows
from eie.errors import InputError
from eie.model.network import Layer, Step
from eie.steps import Activation, Affine, Convolution, Dense, Pooling, Recurrent

__all__ = ["FUNCTIONS", "Plan", "is_native"]

FUNCTIONS = ("relu", "sigmoid", "tanh", "softmax", "log_softmax")  # native/kernels/steps.cpp
_MOST_CHIP_TAPS = 2**15  # of a filter: its sum fits 32 bits

Floats = npt.NDArray[np.float32]


def is_native(step: Step, numerics: str) -> bool:
    """Return whether a plan can have the step.

    In `chip` that is only so where native code gives the very bits that NumPy does.
    """
    match step:
        case Layer() | Affine(rows=1) | Pooling(kind="max") | Activation(function="relu"):
            return True
        case Convolution(product=Layer() as layer) if numerics == "chip":
            return int(np.diff(layer.matrix.rows.starts).max()) <= _MOST_CHIP_TAPS
        case Activation(rows=1, function=function):
            return numerics != "chip" and function in FUNCTIONS
        case Dense() | Convolution() | Recurrent() | Pooling():
            return numerics != "chip"
    return False


class Plan:
    """`steps`, each one's outputs the next one's inputs; all of them `is_native`.

    `chain_of` makes the native code of linear layers in a row; `most_bytes` gives what a layer's weights may take.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        numerics: str,
        threads: int,
        chain_of: Callable[[list[Layer]], Chain],
        most_bytes: Callable[[Layer], int],
    ) -> None:
        self.inputs, self.outputs = steps[0].inputs, steps[-1].outputs
        self._numerics, self._chain_of, self._most_bytes = numerics, chain_of, most_bytes
        self._native = _native.Plan([self.inputs], threads)
        self._names: list[str] = []  # of the steps of the native plan
        plans: list[LayerPlan] = []
        value = 0
        waiting: list[Layer] = []  # linear layers in a row, which become one step
        for step in [*map(_simplest, steps), None]:
            if isinstance(step, Layer):
                waiting.append(step)
                continue
            if waiting:
                chain = chain_of(waiting)
                plans += chain.plan
                value = self._native.add_layers([value], chain.native)
                self._names.append(waiting[0].name)
                waiting = []
            if step is not None:
                value, found = self._add(step, value)
                plans += found
                self._names.append(step.name)
        self.plan = tuple(plans)
        try:
            self._native.finish([value], csc.MAX_BYTES)
        except ValueError as error:
            raise InputError(f"network with {steps[0].name}: {error}") from error

    def run(self, vectors: Floats, out: Floats) -> bool:
        """Write the outputs for `vectors`, (batch, inputs) or (inputs,), to `out`; return whether all were finite.

        Raises InputError where numbers on the way overflowed.
        """
        overflows = np.zeros(self._native.layers, np.uint64)
        done = self._native.run([vectors], [out], overflows)
        if done == _native.PLAN_BAD_INPUT or (done != _native.PLAN_DONE and not np.isfinite(vectors).all()):
            return False
        if done != _native.PLAN_DONE:
            raise InputError(f"the inputs of layer {self._names[done]} overflowed: some are NaN or infinite")
        if self._numerics == "chip":  # only its sums can wrap
            warn_of_overflows(self.plan, overflows)
        return True

    def _add(self, step: Step, value: int) -> tuple[int, tuple[LayerPlan, ...]]:
        """Add one step; return the number of its value and how its layers run."""
        native, sources = self._native, [value]
        match step:
            case Convolution():
                return self._add_convolution(step, value)
            case Recurrent(product=Layer() as layer):
                chain = self._chain_of([layer])
                cell = (step.cell == "lstm", step.steps, step.features, step.last_only)
                return native.add_recurrent(sources, *cell, chain.native), chain.plan
            case Recurrent(product=Dense() as dense):
                cell = (step.cell == "lstm", step.steps, step.features, step.last_only)
                return native.add_dense_recurrent(sources, *cell, dense.weights, dense.bias), ()
            case Pooling(image=image, window=window):
                sizes = ((image.channels, image.height, image.width), window.kernel, window.stride, window.padding)
                return native.add_pooling(sources, *sizes, step.kind == "max"), ()
            case Affine():
                return native.add_affine(sources, step.pixels, step.scale, step.shift), ()
            case Activation():
                return native.add_function(sources, step.function, step.size), ()
            case Dense():
                return native.add_dense(sources, step.weights, step.bias, step.relu), ()
        raise TypeError(type(step))

    def _add_convolution(self, step: Convolution, value: int) -> tuple[int, tuple[LayerPlan, ...]]:
        image, window, product = step.image, step.window, step.product
        reals, integers = np.zeros(0, np.float32), np.zeros(0, np.int16)
        if isinstance(product, Layer):
            numerics = self._numerics
            if numerics == "chip":
                check_chip_formats([product])
            starts, columns, codes = product.matrix.rows
            values = arguments_of(product, numerics)
            if numerics == "chip":
                integers = values.chip_codebook[codes]
            elif numerics == "int8":
                integers = values.int8_codebook.values.astype(np.int16)[codes]
            else:
                reals = product.matrix.codebook[codes]
            unit, chip_bias, settings = values.int8_codebook.unit, values.chip_bias, values.settings
        else:  # weights that are not compressed are multiplied as they are
            numerics, unit, chip_bias, settings = "float32", 1.0, np.zeros(0, np.int64), (0, 0, 16, 24)
            rows, places = np.nonzero(product.weights)
            starts = np.searchsorted(rows, np.arange(product.outputs + 1)).astype(np.int64)
            columns, reals = places.astype(np.uint32), product.weights[rows, places]
        try:
            value, kernel, size = self._native.add_convolution(
                [value],
                numerics,
                (image.channels, image.height, image.width),
                window.kernel,
                window.stride,
                window.padding,
                (1, 1),
                1,
                starts,
                columns,
                reals,
                integers,
                unit,
                np.zeros(0, np.float32) if product.bias is None else np.ascontiguousarray(product.bias),
                chip_bias,
                product.relu,
                *settings,
                csc.MAX_BYTES // 4,
            )
        except ValueError as error:
            raise InputError(f"convolution {step.name}: {error}") from error
        if not isinstance(product, Layer):
            return value, ()
        if size > (most := self._most_bytes(product)):
            raise InputError(
                f"layer {product.name}: the weights take {size} bytes at least, but their share of the weights' memory "
                f"is {most}"
            )
        return value, (LayerPlan(product.name, kernel, size, len(columns), {}),)


def _simplest(step: Step) -> Step:
    """Return a convolution whose window is the whole image as its product, any other step as it is."""
    if isinstance(step, Convolution) and (step.window.kernel, step.window.padding) == (
        (step.image.height, step.image.width),
        (0, 0),
    ):
        return step.product
    return step
