"""The signals between the chip's units: one table per unit, the same for the stepped simulator and the RTL.

A width is a number of bits, a letter, or log2 of one, the bits that number so many things: N processing elements (PEs),
R register-file entries, Q slots of a queue, B value bits, A accumulator bits, P pointer bits, C code bits, I index
bits, X bits of an input's number. What is `per PE` exists N times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from eie.model.network import Network
from eie.program.hardware import Hardware

__all__ = [
    "ACT_QUEUE",
    "ACT_RW",
    "ARITHM_UNIT",
    "CCU",
    "LNZD",
    "PTR_READ",
    "SPMAT_READ",
    "TABLES",
    "Direction",
    "Signal",
    "address_bits",
    "bank_words",
    "signal_sizes",
]


class Direction(StrEnum):
    """How a unit uses a signal."""

    OUTPUT = "output"  # driven in propagate()
    THROUGH = "through"  # an input that some output depends on in the same cycle
    INPUT = "input"  # an input that only the registers take, at the clock edge


@dataclass(frozen=True)
class Signal:
    """One signal of a unit: its name, which is the same in every unit it joins, direction, width and meaning.

    `when` names the signal that must be high for this one to mean something; without, it always does. `shown` tells
    whether it is a port of the RTL's chip, for a trace.
    """

    name: str
    direction: Direction
    width: str
    meaning: str
    per_pe: bool = False
    when: str = ""
    shown: bool = False

    def bits(self, sizes: Mapping[str, int]) -> int:
        """Return its width, of one PE, where `sizes` are the letters' values."""
        if self.width.startswith("log2("):
            return address_bits(sizes[self.width[5:-1]])
        return int(self.width) if self.width.isdigit() else sizes[self.width]


def address_bits(count: int) -> int:
    """Return the bits of a number that tells `count` things apart, at least 1."""
    return max(1, (count - 1).bit_length())


def bank_words(hardware: Hardware, network: Network) -> int:
    """Return the pointers in each of a PE's two banks: as the hardware says, or as many as the network needs."""
    inputs = max(layer.inputs for layer in network.layers)
    return max(hardware.pointer_bytes * 8 // hardware.pointer_bits // 2, inputs // 2 + 1)


def signal_sizes(hardware: Hardware, network: Network) -> dict[str, int]:
    """Return the letters' values for the chip of `hardware`, its memories large enough for `network`."""
    matrices = [layer.matrix for layer in network.layers]
    entries = max(int(matrix.pointers[:, -1].max()) for matrix in matrices)
    return {
        "N": hardware.n_pe,
        "R": hardware.register_entries,
        "Q": hardware.queue_depth,
        "B": hardware.value_bits,
        "A": hardware.accumulator_bits,
        "P": max(hardware.pointer_bits, entries.bit_length()),
        "C": max(matrix.code_bits for matrix in matrices),
        "I": max(matrix.index_bits for matrix in matrices),
        "X": address_bits(2 * bank_words(hardware, network)),
    }


def _output(
    name: str, width: str, meaning: str, *, per_pe: bool = False, when: str = "", shown: bool = False
) -> Signal:
    return Signal(name, Direction.OUTPUT, width, meaning, per_pe, when, shown)


def _through(signal: Signal) -> Signal:
    return replace(signal, direction=Direction.THROUGH)


def _input(signal: Signal) -> Signal:
    return replace(signal, direction=Direction.INPUT)


_computing = _output("computing", "1", "a scan may go on; low while a batch is loaded", shown=True)
_load_enable = _output("load_enable", "1", "a register file takes a row from the activation SRAM", shown=True)
_load_row = _output("load_row", "log2(R)", "the row that is loaded or stored")
_store_enable = _output("store_enable", "1", "the activation SRAM takes a row of a register file")
_broadcast = _output("broadcast", "1", "an activation goes to all PEs in this cycle", shown=True)
_broadcast_column = _output(
    "broadcast_column", "X", "its number among the layer's inputs", when="broadcast", shown=True
)
_broadcast_value = _output("broadcast_value", "B", "its value", when="broadcast", shown=True)
_complete = _output("complete", "1", "nothing of the scan is left anywhere", shown=True)

_found = _output("found", "1", "the row register holds a non-zero at or after the scan position", shown=True)
_found_row = _output("found_row", "log2(R)", "the row in the register")
_found_position = _output("found_position", "log2(N)", "the position of the first such non-zero", when="found")
_found_value = _output("found_value", "B", "its value", when="found")
_row_address = _output("row_address", "log2(R)", "the row to be loaded next")
_scan_finished = _output("scan_finished", "1", "every row has been loaded and looked through", shown=True)

_any_full = _output("any_full", "1", "some PE's queue has queue_depth - 1 entries", shown=True)
_queue_valid = _output("queue_valid", "1", "the queue is not empty", per_pe=True, shown=True)
_queue_count = _output("queue_count", "log2(Q)", "entries in the queue", per_pe=True, shown=True)
_head_column = _output("head_column", "X", "the oldest entry's input", per_pe=True, when="queue_valid")
_head_value = _output("head_value", "B", "the oldest entry's value", per_pe=True, when="queue_valid")

_take = _output(
    "take", "1", "the pointer stage takes the queue's oldest entry at the next edge", per_pe=True, shown=True
)
_stage_valid = _output("stage_valid", "1", "the pointer stage is occupied", per_pe=True, shown=True)
_entry_valid = _output("entry_valid", "1", "an entry is issued", per_pe=True, shown=True)
_entry_address = _output("entry_address", "P", "its place in the weight memory", per_pe=True, when="entry_valid")
_entry_activation = _output(
    "entry_activation", "B", "the activation that it is multiplied by", per_pe=True, when="stage_valid"
)
_entry_first = _output("entry_first", "1", "it is the first of its column", per_pe=True)

_weight_valid = _output("weight_valid", "1", "the weight-memory stage holds an entry", per_pe=True, shown=True)
_row_read = _output("row_read", "1", "its memory row was not in the buffer and has been read", per_pe=True, shown=True)
_weight_code = _output("weight_code", "C", "the entry's code", per_pe=True, when="weight_valid")
_weight_index = _output("weight_index", "I", "the entry's relative index", per_pe=True, when="weight_valid")
_weight_activation = _output(
    "weight_activation", "B", "the activation that goes with it", per_pe=True, when="weight_valid"
)
_weight_first = _output("weight_first", "1", "it is the first of its column", per_pe=True, when="weight_valid")

_pipeline_busy = _output(
    "pipeline_busy", "1", "some of the four arithmetic stages holds an entry", per_pe=True, shown=True
)
_read_row = _output("read_row", "log2(R)", "the accumulator that the second stage reads", per_pe=True)
_write_valid = _output("write_valid", "1", "the fourth stage writes at the next edge", per_pe=True, shown=True)
_write_row = _output("write_row", "log2(R)", "the accumulator that it writes", per_pe=True, when="write_valid")
_write_value = _output("write_value", "A", "the sum that it writes", per_pe=True, when="write_valid")

_source_row = _output("source_row", "B", "the source file's row at row_address, saturated, after ReLU", per_pe=True)
_read_value = _output("read_value", "A", "the destination file's accumulator at read_row", per_pe=True)

CCU = (
    _computing,
    _load_enable,
    _load_row,
    _store_enable,
    _broadcast,
    _broadcast_column,
    _broadcast_value,
    _complete,
    *map(
        _through,
        (
            _found,
            _found_row,
            _found_position,
            _found_value,
            _scan_finished,
            _any_full,
            _queue_valid,
            _stage_valid,
            _weight_valid,
            _pipeline_busy,
        ),
    ),
)
LNZD = (
    _found,
    _found_row,
    _found_position,
    _found_value,
    _row_address,
    _scan_finished,
    *map(_input, (_computing, _broadcast, _source_row)),
)
ACT_QUEUE = (
    _any_full,
    _queue_valid,
    _queue_count,
    _head_column,
    _head_value,
    *map(_input, (_broadcast, _broadcast_column, _broadcast_value, _take)),
)
PTR_READ = (
    _take,
    _stage_valid,
    _entry_valid,
    _entry_address,
    _entry_activation,
    _entry_first,
    _through(_queue_valid),
    *map(_input, (_head_column, _head_value)),
)
SPMAT_READ = (
    _weight_valid,
    _row_read,
    _weight_code,
    _weight_index,
    _weight_activation,
    _weight_first,
    *map(_input, (_entry_valid, _entry_address, _entry_activation, _entry_first)),
)
ARITHM_UNIT = (
    _pipeline_busy,
    _read_row,
    _write_valid,
    _write_row,
    _write_value,
    *map(_input, (_weight_valid, _weight_code, _weight_index, _weight_activation, _weight_first, _read_value)),
)
ACT_RW = (
    _source_row,
    _read_value,
    *map(_through, (_row_address, _read_row)),
    *map(_input, (_write_valid, _write_row, _write_value, _load_enable, _load_row, _store_enable)),
)

TABLES = {
    "ccu": CCU,
    "lnzd": LNZD,
    "act_queue": ACT_QUEUE,
    "ptr_read": PTR_READ,
    "spmat_read": SPMAT_READ,
    "arithm_unit": ARITHM_UNIT,
    "act_rw": ACT_RW,
}
