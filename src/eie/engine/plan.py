"""Consecutive steps of a network in native code: one call from what they read to what is read of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

import eie._native as _native
from eie.encoding import csc
from eie.engine.chain import Chain, LayerPlan, arguments_of, check_chip_formats, warn_of_overflows
from eie.errors import InputError
from eie.model.network import NETWORK_INPUT, Batch, Layer, Network, Step
from eie.model.reference import float_layer
from eie.steps import (
    Activation,
    Affine,
    Attention,
    Convolution,
    Dense,
    Embedding,
    Gather,
    Matmul,
    Normalisation,
    Pooling,
    Product,
    Recurrent,
    Reduction,
    Rows,
    Sum,
)

__all__ = ["Plan", "is_native", "simplest", "together"]

_MOST_CHIP_TAPS = 2**15  # of a filter: its sum fits 32 bits
# Steps whose native numbers are NumPy's but for rounding.
_REAL = (
    Activation | Attention | Convolution | Embedding | Matmul | Normalisation | Pooling | Recurrent | Reduction | Rows
)

Floats = npt.NDArray[np.float32]


def is_native(step: Step, numerics: str) -> bool:
    """Return whether a plan can have the step.

    In `chip` that is only so where native code gives the very bits that NumPy does.
    """
    if isinstance(step, Pooling) and step.window.dilation != (1, 1):
        return False
    match step:
        case Layer() | Affine() | Sum() | Product() | Gather() | Pooling(kind="max") | Activation(function="relu"):
            return True
        case Convolution(product=Layer() as layer) if numerics == "chip":
            return int(np.diff(layer.matrix.rows.starts).max()) <= _MOST_CHIP_TAPS
        case Rows(product=Layer()) | Embedding(product=Dense()):
            return True
        case Dense():
            return numerics != "chip" and step.groups == 1
    return numerics != "chip" and isinstance(step, _REAL)


class Plan:
    """Steps `numbers` of `network`, which follow each other and all are native.

    `chain_of` makes the native code of linear layers in a row; `most_bytes` gives what a layer's weights may take.
    `reads` are the steps before these whose outputs they read, NETWORK_INPUT among them; `gives` those of theirs that
    are read after them, or the network's last, and `lengths` how many numbers these have.
    """

    def __init__(
        self,
        network: Network,
        numbers: Sequence[int],
        numerics: str,
        threads: int,
        chain_of: Callable[[list[Layer]], Chain],
        most_bytes: Callable[[Layer], int],
    ) -> None:
        steps, first, end = network.steps, numbers[0], numbers[-1] + 1
        after = {source for sources in network.reads[end:] for source in sources}
        self.name = steps[first].name
        self.reads = tuple(sorted({source for k in numbers for source in network.reads[k] if source < first}))
        self.gives = tuple(k for k in numbers if k in after or k == len(steps) - 1)
        self.lengths = tuple(steps[k].outputs for k in self.gives)
        self._chains: list[Chain] = []

        def kept_chain_of(layers: list[Layer]) -> Chain:
            self._chains.append(chain_of(layers))
            return self._chains[-1]

        self._numerics, self._chain_of, self._most_bytes = numerics, kept_chain_of, most_bytes
        self._native = _native.Plan([_length(network, source) for source in self.reads], threads)
        self._network, self._numbers = network, numbers
        self._first_cache = network.cache_of(first).start
        self._firsts: list[int] = []  # the number of each step of the native plan, of several layers the first
        plans: list[LayerPlan] = []
        values = {source: value for value, source in enumerate(self.reads)}
        runs = together(network, numbers)
        for run in runs:
            sources = [values[source] for source in network.reads[run[0]]]
            simple = [simplest(steps[k]) for k in run]
            layers = [step for step in simple if isinstance(step, Layer)]
            if layers:
                chain = kept_chain_of(layers)
                value, found = self._native.add_layers(sources, chain.native), chain.plan
            else:
                value, found = self._add(simple[0], sources)
            values[run[-1]] = value
            plans += found
            self._firsts.append(run[0])
        self.plan = tuple(plans)
        # A chain alone is called directly.
        self._chain = chain if len(runs) == 1 and layers and len(network.reads[numbers[0]]) == 1 else None
        # What to call with a vector, its outputs and None where that is all that there is to do.
        self.quick = self._chain.native.run if self._chain is not None and numerics != "chip" else None
        try:
            self._native.finish([values[k] for k in self.gives], csc.MAX_BYTES)
        except ValueError as error:
            raise InputError(f"network with {self.name}: {error}") from error

    def run(self, vectors: Sequence[Floats], out: Sequence[Floats], cache: Floats | None = None) -> bool:
        """Write what the steps give for `vectors`, what they read, to `out`; return whether all were finite.

        Each is (batch, length) or (length,). `cache` is the network's, which changes. Raises InputError where numbers
        on the way overflowed, or are none that a step takes.
        """
        if self._chain is not None:
            return self._chain.run(vectors[0], out[0])
        overflows = np.zeros(self._native.layers, np.uint64)
        done = self._native.run(vectors, out, overflows, cache, self._first_cache)
        if done != _native.PLAN_DONE:
            if done == _native.PLAN_BAD_INPUT or not all(np.isfinite(vector).all() for vector in vectors):
                return False
            self._refuse(self._firsts[done], vectors, cache)
        if self._numerics == "chip":  # only its sums can wrap
            warn_of_overflows(self.plan, overflows)
        return True

    def _refuse(self, number: int, vectors: Sequence[Floats], cache: Floats | None) -> None:
        """Raise InputError for what step `number` was given, as the step itself says it."""
        network, step = self._network, self._network.steps[number]
        if isinstance(step, Attention) and cache is not None:
            step.check_room(np.atleast_2d(cache)[:, network.cache_of(number)])
        if isinstance(step, Embedding):
            values: dict[int, Batch] = dict(zip(self.reads, map(np.atleast_2d, vectors), strict=True))
            for k in range(self._numbers[0], number + 1):
                read = np.concatenate([values[source] for source in network.reads[k]], axis=1)
                values[k] = network.steps[k].run(read, float_layer)
        raise InputError(f"the inputs of layer {simplest(step).name} overflowed: some are NaN or infinite")

    def use_threads(self, threads: int) -> None:
        """Let at most `threads` threads share a call from now on."""
        self._native.use_threads(threads)
        for chain in self._chains:
            chain.native.use_threads(threads)

    def _add(self, step: Step, sources: list[int]) -> tuple[int, tuple[LayerPlan, ...]]:
        """Add one step; return the number of its value and how its layers run."""
        native = self._native
        match step:
            case Convolution():
                return self._add_convolution(step, sources)
            case Rows(product=Layer() as layer):
                chain = self._chain_of([layer])
                return native.add_rows(sources, step.rows, chain.native), chain.plan
            case Rows(product=Dense() as dense):
                return native.add_dense_rows(sources, step.rows, dense.weights, dense.bias, dense.relu), ()
            case Sum() | Product():
                return native.add_combination(sources, step.size, step.terms, isinstance(step, Sum)), ()
            case Gather():
                return native.add_gather(sources, step.size, step.index), ()
            case Matmul():
                return native.add_matmul(sources, step.count, step.rows, step.inner, step.columns), ()
            case Attention():
                attended = (step.rows, step.heads, step.width, step.capacity)
                return native.add_attention(sources, *attended, step.scale), ()
            case Normalisation():
                return native.add_normalisation(sources, step.rows, step.size, step.epsilon, step.centred), ()
            case Reduction():
                return native.add_reduction(sources, step.rows, step.size, step.function), ()
            case Embedding(product=Dense() as dense):
                table = np.ascontiguousarray(dense.weights.T)
                return native.add_dense_embedding(sources, step.places, table, dense.bias), ()
            case Embedding(product=Layer() as layer):
                return self._add_embedding(step, layer, sources)
            case Recurrent(product=Layer() as layer):
                chain = self._chain_of([layer])
                return native.add_recurrent(sources, *_cell(step), chain.native), chain.plan
            case Recurrent(product=Dense() as dense):
                return native.add_dense_recurrent(sources, *_cell(step), dense.weights, dense.bias), ()
            case Pooling(image=image, window=window):
                sizes = ((image.channels, image.height, image.width), window.kernel, window.stride, window.padding)
                return native.add_pooling(sources, *sizes, step.kind == "max"), ()
            case Affine():
                return native.add_affine(sources, step.rows, step.pixels, step.scale, step.shift), ()
            case Activation():
                return native.add_function(sources, step.function, step.size, step.rows), ()
            case Dense():
                return native.add_dense(sources, step.weights, step.bias, step.relu), ()
        raise TypeError(type(step))

    def _add_embedding(self, step: Embedding, layer: Layer, sources: list[int]) -> tuple[int, tuple[LayerPlan, ...]]:
        """Add a lookup of a compressed matrix's columns; nothing is multiplied, so nothing is rounded."""
        starts, rows, codes = layer.matrix.by_column
        bias = np.zeros(layer.outputs, np.float32) if layer.bias is None else layer.bias
        size = starts.nbytes + rows.nbytes + codes.nbytes
        value = self._native.add_embedding(sources, step.places, starts, rows, codes, layer.matrix.codebook, bias)
        return value, self._one_plan(layer, "lookup", size)

    def _add_convolution(self, step: Convolution, sources: list[int]) -> tuple[int, tuple[LayerPlan, ...]]:
        image, window, product = step.image, step.window, step.product
        reals, integers = np.zeros(0, np.float32), np.zeros(0, np.int16)
        if isinstance(product, Layer):
            numerics = self._numerics
            if numerics == "chip":
                check_chip_formats([product])
            starts, columns, codes = product.matrix.rows
            values = arguments_of(product, numerics)
            if numerics == "float32":
                reals = product.matrix.codebook[codes]
            else:
                integers = values.codebook.values[codes].astype(np.int16)
            unit, chip_bias, settings = values.codebook.unit, values.chip_bias, values.settings
        else:  # weights that are not compressed are multiplied as they are
            numerics, unit, chip_bias, settings = "float32", 1.0, np.zeros(0, np.int64), (0, 0, 16, 24)
            rows, places = np.nonzero(product.weights)
            starts = np.searchsorted(rows, np.arange(product.outputs + 1)).astype(np.int64)
            first = rows * product.groups // product.outputs * product.weights.shape[1]  # of the row's group
            columns, reals = (first + places).astype(np.uint32), product.weights[rows, places]
        try:
            value, kernel, size = self._native.add_convolution(
                sources,
                numerics,
                (image.channels, image.height, image.width),
                window.kernel,
                window.stride,
                window.padding,
                window.dilation,
                1,  # a group: what is outside those of the product has no weight
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
        return value, self._one_plan(product, kernel, size)

    def _one_plan(self, layer: Layer, kernel: str, size: int) -> tuple[LayerPlan]:
        """Return how a layer runs that has one layout, of `size` bytes; raise InputError where it may not take them."""
        if size > (most := self._most_bytes(layer)):
            raise InputError(
                f"layer {layer.name}: the weights take {size} bytes at least, but their share of the weights' memory "
                f"is {most}"
            )
        return (LayerPlan(layer.name, kernel, size, layer.matrix.nnz, {}),)


def _cell(step: Recurrent) -> tuple[bool, int, int, bool, bool, bool]:
    return step.cell == "lstm", step.steps, step.features, step.last_only, step.takes_state, step.gives_memory


def _length(network: Network, source: int) -> int:
    return network.inputs if source == NETWORK_INPUT else network.steps[source].outputs


def together(network: Network, numbers: Sequence[int]) -> list[list[int]]:
    """Return the steps, by number, as runs: linear layers of which each alone reads the one before are one run."""
    readers = Counter(source for sources in network.reads for source in sources)
    runs: dict[int, list[int]] = {}  # by the last number
    for number in numbers:
        before = network.layer_before(number)
        run = runs.pop(before) if before in runs and readers[before] == 1 else []
        runs[number] = [*run, number]
    return sorted(runs.values())


def simplest(step: Step) -> Step:
    """Return a convolution whose window is the whole image as its product, any other step as it is."""
    if not isinstance(step, Convolution) or (isinstance(step.product, Dense) and step.product.groups > 1):
        return step
    whole = (step.image.height, step.image.width), (0, 0)
    return step.product if (step.window.kernel, step.window.padding) == whole else step
