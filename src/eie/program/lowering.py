"""Lowering: from a network and a hardware to the program of the chip: constants, passes, batches, memory images.

    network, hardware -> Program -> layers -> passes over rows -> batches over inputs

All implementations of the chip read this form: the recurrence, the stepped chip, traces, and the RTL's host program,
export and power stimulus. This module alone decides how a layer is divided and laid out in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.model.numerics import Integers, quantise
from eie.model.reference import calibrate, input_batch
from eie.program.constants import Constants, constants_of
from eie.program.entries import entries_by
from eie.program.hardware import Hardware

Number = TypeVar("Number", np.int64, np.bool_)

__all__ = [
    "Batch",
    "LoweredLayer",
    "Pass",
    "Program",
    "Run",
    "as_rows",
    "lower",
    "lower_layer",
    "lower_run",
    "one_input",
    "passes_of",
    "row_order",
]


@dataclass(frozen=True)
class Batch:
    """Inputs that one scan reads: `inputs` of them from `first_input` on, in `rows` rows of N from `first_row` on."""

    first_input: int
    inputs: int
    first_row: int
    rows: int

    @property
    def loads(self) -> bool:
        """Whether the chip loads it from the activation SRAM: all but a pass's first batch (docs/hardware.md, B3)."""
        return self.first_input > 0


@dataclass(frozen=True, eq=False)
class Pass:
    """A part of the matrix's rows, encoded by itself, whose outputs fit the destination file together."""

    matrix: InterleavedCSC
    first_output: int
    batches: tuple[Batch, ...]

    def pointer_banks(self) -> Integers:
        """Return the pointers as the two banks hold them (docs/hardware.md, M3), even and odd: (2, N, words)."""
        pointers = self.matrix.pointers.astype(np.int64)
        pointers = np.pad(pointers, ((0, 0), (0, pointers.shape[1] % 2)))
        return pointers.reshape(len(pointers), -1, 2).transpose(2, 0, 1)

    def weight_rows(self, pe: int, entries_per_row: int) -> npt.NDArray[np.unsignedinteger]:
        """Return one PE's weight memory, (rows, entries_per_row): entry e is in row e div entries_per_row.

        Entries have the matrix's type, little-endian, so a row's bytes are those of the memory, least significant
        first. The last row is padded with zeros.
        """
        start, end = self.matrix.slice_starts[pe : pe + 2]
        entries = self.matrix.entries[start:end]
        little_endian = entries.astype(entries.dtype.newbyteorder("<"))
        return np.pad(little_endian, (0, -len(entries) % entries_per_row)).reshape(-1, entries_per_row)


@dataclass(frozen=True, eq=False)
class LoweredLayer:
    """One layer of a program.

    `layer` is the layer of the network. Place k of a vector on the chip belongs to PE k mod N. The rows of `matrix` are
    in the order of the outputs' places, its columns in that of the inputs' places. Place k holds output
    `output_order[k]`, or output k if `output_order` is None. The bias in `constants` is in the order of places, too.
    """

    layer: Layer
    matrix: InterleavedCSC
    constants: Constants
    passes: tuple[Pass, ...]
    input_order: Integers | None = field(default=None, repr=False)
    output_order: Integers | None = field(default=None, repr=False)

    def places(self, inputs: Integers) -> Integers:
        """Return a vector of the layer's inputs, (..., inputs), in the order of their places on the chip."""
        return inputs if self.input_order is None else inputs[..., self.input_order]

    def outputs(self, places: Integers) -> Integers:
        """Return the layer's outputs, (outputs,), in their own order, from those in the order of places."""
        if self.output_order is None:
            return places
        outputs = np.empty_like(places)
        outputs[self.output_order] = places
        return outputs

    def bias_of(self, part: Pass) -> Integers:
        """Return the bias of one pass's outputs, (outputs of the pass,)."""
        return self.constants.bias[part.first_output :][: part.matrix.outputs]


@dataclass(frozen=True, eq=False)
class Program:
    """A network lowered to one chip: `layers` holds every compressed layer, in the order of use."""

    network: Network
    hardware: Hardware
    layers: tuple[LoweredLayer, ...]


class Run(NamedTuple):
    """A program and its first layer's inputs in Q(fa), (inputs,)."""

    program: Program
    activations: Integers


def passes_of(matrix: InterleavedCSC, hardware: Hardware) -> tuple[Pass, ...]:
    """Cut a matrix into passes over its rows and each into batches over its inputs.

    With `hardware.batched` both are limited to the R N activations of a register file; without, there is one pass of
    one batch. Entries are those of the hardware's rule. Raises InputError if the encoding is not valid. Rules:
    docs/hardware.md, B1, B2, P1 and P2.
    """
    matrix.validate()
    limit = hardware.register_inputs if hardware.batched else max(matrix.shape)
    batches = tuple(_batches(matrix.inputs, limit, hardware.n_pe))
    return tuple(
        Pass(entries_by(hardware.entry_rule, block), number * limit, batches)
        for number, block in enumerate(matrix.row_blocks(limit))
    )


def _batches(inputs: int, limit: int, n_pe: int) -> Iterator[Batch]:
    for first in range(0, inputs, limit):
        count = min(limit, inputs - first)
        yield Batch(first, count, first // n_pe, -(-count // n_pe))


def lower(network: Network, hardware: Hardware, calibration: npt.ArrayLike | None = None) -> Program:
    """Return the program of `network` on `hardware`; the network is split over the hardware's PEs first.

    If a layer has no formats, those of all layers are chosen from `calibration`, inputs as for `eie.calibrate`.
    Raises InputError if a layer has no formats and `calibration` is None.
    """
    network = network.interleave(hardware.n_pe)
    if calibration is not None and any(layer.formats is None for layer in network.layers):
        network = calibrate(
            network, calibration, value_bits=hardware.value_bits, accumulator_bits=hardware.accumulator_bits
        )
    layers: list[LoweredLayer] = []
    orders: dict[int, Integers | None] = {}  # of places in which a linear layer leaves its outputs, by its number
    for number, step in enumerate(network):
        before = network.layer_before(number)  # for any other the host writes every input itself
        for layer in step.layers:
            layers.append(lower_layer(layer, hardware, None if before is None else orders[before]))
            orders[number] = layers[-1].output_order
    return Program(network, hardware, tuple(layers))


def lower_run(network: Network, inputs: npt.ArrayLike, hardware: Hardware) -> Run:
    """Return the batched program of a network of linear layers, with one real input vector, (inputs,), quantised.

    If a layer has no formats, those of all layers are chosen from this input. Raises InputError for a batch, a wrong
    shape, values that are not finite, and a step that is not a linear layer.
    """
    network.chain()
    vector = one_input(network, inputs)
    program = lower(network, replace(hardware, batched=True), vector)
    formats = program.layers[0].constants.formats
    return Run(program, quantise(vector[0], formats.activation_fraction, formats.value_bits))


def lower_layer(layer: Layer, hardware: Hardware, input_order: Integers | None = None) -> LoweredLayer:
    """Return one layer lowered, encoded for the hardware's PEs; `input_order` is the order of its inputs' places."""
    constants = constants_of(layer)
    order = row_order(layer.matrix, hardware)
    matrix = layer.matrix.reorder(order, input_order)
    if order is not None:
        constants = replace(constants, bias=constants.bias[order])
    return LoweredLayer(layer, matrix, constants, passes_of(matrix, hardware), input_order, order)


def row_order(matrix: InterleavedCSC, hardware: Hardware) -> Integers | None:
    """Return the order in which the hardware's rule assigns the matrix's rows to PEs, None for the rows' own order."""
    order = hardware.row_assignment.order(matrix)
    if order is not None and not np.array_equal(np.sort(order), np.arange(matrix.outputs)):
        raise InputError(
            f"{type(hardware.row_assignment).__name__} must give each of the {matrix.outputs} rows once, and does not"
        )
    return order


def one_input(network: Network, inputs: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Return one input vector as (1, inputs). Raises InputError for a batch, a wrong shape, NaN and infinity."""
    batch = input_batch(inputs, network.inputs)
    if len(batch) != 1:
        raise InputError(f"the chip runs one input at a time, but the inputs are a batch of {len(batch)}")
    return batch


def as_rows(vector: npt.NDArray[Number], n_pe: int) -> npt.NDArray[Number]:
    """Return a vector as rows of N, the last filled up with zeros: place k is in row k div N, at PE k mod N."""
    missing = -len(vector) % n_pe
    return (np.pad(vector, (0, missing)) if missing else vector).reshape(-1, n_pe)  # np.pad copies all the same
