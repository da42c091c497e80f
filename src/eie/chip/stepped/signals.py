"""The signals between the chip's units: one table per unit, the same for the stepped simulator and the RTL.

A width is an expression in the chip's parameters: N processing elements (PEs), R register-file entries, B value bits,
A accumulator bits, P pointer bits, C code bits, I index bits, X bits of an input's number. What is `per PE` exists N
times.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ACT_QUEUE", "ACT_RW", "ARITHM_UNIT", "CCU", "LNZD", "PTR_READ", "SPMAT_READ", "Direction", "Signal"]


class Direction(StrEnum):
    """How a unit uses a signal."""

    OUTPUT = "output"  # driven in propagate()
    THROUGH = "through"  # an input that some output depends on in the same cycle
    INPUT = "input"  # an input that only the registers take, at the clock edge


@dataclass(frozen=True)
class Signal:
    """One signal of a unit: its name, which is the same in every unit it joins, direction, width and meaning."""

    name: str
    direction: Direction
    width: str
    per_pe: bool
    meaning: str


def _output(name: str, width: str, meaning: str, per_pe: bool = False) -> Signal:
    return Signal(name, Direction.OUTPUT, width, per_pe, meaning)


def _through(signal: Signal) -> Signal:
    return Signal(signal.name, Direction.THROUGH, signal.width, signal.per_pe, signal.meaning)


def _input(signal: Signal) -> Signal:
    return Signal(signal.name, Direction.INPUT, signal.width, signal.per_pe, signal.meaning)


_computing = _output("computing", "1", "a scan may go on; low while a batch is loaded")
_load_enable = _output("load_enable", "1", "the source file takes a row from the activation SRAM")
_load_row = _output("load_row", "log2(R)", "which row")
_broadcast = _output("broadcast", "1", "an activation goes to all PEs in this cycle")
_broadcast_column = _output("broadcast_column", "X", "its number among the layer's inputs")
_broadcast_value = _output("broadcast_value", "B", "its value")
_complete = _output("complete", "1", "nothing of the scan is left anywhere")

_found = _output("found", "1", "the row register holds a non-zero at or after the scan position")
_found_row = _output("found_row", "log2(R)", "the row in the register")
_found_position = _output("found_position", "log2(N)", "the position of the first such non-zero")
_found_value = _output("found_value", "B", "its value")
_row_address = _output("row_address", "log2(R)", "the row to be loaded next")
_scan_finished = _output("scan_finished", "1", "every row has been loaded and looked through")

_any_full = _output("any_full", "1", "some PE's queue has queue_depth - 1 entries")
_queue_valid = _output("queue_valid", "1", "the queue is not empty", per_pe=True)
_queue_count = _output("queue_count", "log2(queue_depth)", "entries in the queue", per_pe=True)
_head_column = _output("head_column", "X", "the oldest entry's input", per_pe=True)
_head_value = _output("head_value", "B", "the oldest entry's value", per_pe=True)

_take = _output("take", "1", "the pointer stage takes the queue's oldest entry at the next edge", per_pe=True)
_stage_valid = _output("stage_valid", "1", "the pointer stage is occupied", per_pe=True)
_entry_valid = _output("entry_valid", "1", "an entry is issued", per_pe=True)
_entry_address = _output("entry_address", "P", "its place in the weight memory", per_pe=True)
_entry_activation = _output("entry_activation", "B", "the activation that it is multiplied by", per_pe=True)
_entry_first = _output("entry_first", "1", "it is the first of its column", per_pe=True)

_weight_valid = _output("weight_valid", "1", "the weight-memory stage holds an entry", per_pe=True)
_row_read = _output("row_read", "1", "its memory row was not in the buffer and has been read", per_pe=True)
_weight_code = _output("weight_code", "C", "the entry's code", per_pe=True)
_weight_index = _output("weight_index", "I", "the entry's relative index", per_pe=True)
_weight_activation = _output("weight_activation", "B", "the activation that goes with it", per_pe=True)
_weight_first = _output("weight_first", "1", "it is the first of its column", per_pe=True)

_pipeline_busy = _output("pipeline_busy", "1", "some of the four arithmetic stages holds an entry", per_pe=True)
_read_row = _output("read_row", "log2(R)", "the accumulator that the second stage reads", per_pe=True)
_write_valid = _output("write_valid", "1", "the fourth stage writes at the next edge", per_pe=True)
_write_row = _output("write_row", "log2(R)", "the accumulator that it writes", per_pe=True)
_write_value = _output("write_value", "A", "the sum that it writes", per_pe=True)

_source_row = _output("source_row", "B", "the source file's row at row_address, saturated, after ReLU", per_pe=True)
_read_value = _output("read_value", "A", "the destination file's accumulator at read_row", per_pe=True)

CCU = (
    _computing,
    _load_enable,
    _load_row,
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
    *map(_input, (_write_valid, _write_row, _write_value, _load_enable, _load_row)),
)
