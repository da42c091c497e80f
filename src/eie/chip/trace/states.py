"""The state of every PE in every cycle, from the recurrence's schedule, for traces.

`activity` maps simulated layers and the hardware to a matrix of states, (PEs, cycles), with queue occupancies and
broadcasts. The states are those of the pointer-read stage (docs/hardware.md, C6).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from eie.chip.simulation import LayerSimulation
from eie.chip.timing import completion, timed_scans, workload
from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.model.numerics import Integers
from eie.program.hardware import Hardware

__all__ = ["LARGEST_CELLS", "Activity", "State", "Window", "activity"]

LARGEST_CELLS = 50_000_000  # PEs times cycles held at once: 150 MB


class State(IntEnum):
    """The state of a PE's pointer-read stage in a cycle."""

    STARVED = 0  # empty while the scan runs or the queue is not
    BUSY = 1  # issues a weight
    PADDING = 2  # issues a padding entry
    EMPTY_COLUMN = 3  # holds an activation whose column has no entry here
    DRAINED = 4  # nothing left to do


@dataclass(frozen=True)
class Window:
    """The cycles and PEs to trace, ends excluded; None stands for the end of the run or the last PE."""

    first_cycle: int = 0
    end_cycle: int | None = None
    first_pe: int = 0
    end_pe: int | None = None

    def pes(self, n_pe: int) -> range:
        """The window's PEs on a chip of `n_pe`. Raises InputError if there is none."""
        return self._range("PEs", self.first_pe, self.end_pe, n_pe)

    def cycles(self, cycles: int) -> range:
        """The window's cycles in a run of `cycles`. Raises InputError if there is none."""
        return self._range("cycles", self.first_cycle, self.end_cycle, cycles)

    @staticmethod
    def _range(what: str, first: int, end: int | None, available: int) -> range:
        found = range(available)[first:end] if first >= 0 and (end is None or end >= 0) else range(0)
        if not found:
            shown = f"{first}:{'' if end is None else end}"
            raise InputError(f"the {what} {shown} select none of 0:{available}")
        return found


@dataclass(frozen=True, eq=False)
class Activity:
    """`states` uint8 and `queue` uint16 (occupied slots), both (PEs, cycles), of the window's PEs and cycles.

    `broadcasts` are (cycle, input, value) rows; `layers` the cycle in which each layer begins, with its name.
    """

    hardware: Hardware
    pes: range
    cycles: range
    states: npt.NDArray[np.uint8]
    queue: npt.NDArray[np.uint16]
    broadcasts: Integers
    layers: tuple[tuple[int, str], ...]


def activity(layers: Sequence[LayerSimulation], hardware: Hardware, window: Window | None = None) -> Activity:
    """Return the states of `layers`, one after the other, within `window`.

    Raises InputError for a window outside the run, for one of more than LARGEST_CELLS PEs times cycles, and for a
    layer that runs more than once, such as that of a convolution.
    """
    for layer in layers:
        if layer.runs > 1:
            raise InputError(
                f"layer {layer.layer.name} runs {layer.runs} times for one input, and a trace shows those that run once"
            )
    window = window or Window()
    pes = window.pes(hardware.n_pe)
    cycles = window.cycles(sum(layer.simulation.cycles for layer in layers))
    if len(pes) * len(cycles) > LARGEST_CELLS:
        raise InputError(
            f"a trace of {len(pes)} PEs and {len(cycles):,} cycles has {len(pes) * len(cycles):,} states, "
            f"expected at most {LARGEST_CELLS:,}: name fewer cycles or PEs"
        )
    states = np.full((len(pes), len(cycles)), State.STARVED, np.uint8)
    queue = np.zeros((len(pes), len(cycles)), np.uint16)
    broadcasts, begins = [], []
    began = 0
    for layer in layers:
        begins.append((began, layer.layer.name))
        for part in _scans(layer, hardware, began):
            _fill(states, part, pes, cycles)
            _fill_queue(queue, part, pes, cycles)
            rows = np.stack((part.broadcast, part.inputs, part.values), axis=1)
            broadcasts.append(rows[(part.broadcast >= cycles.start) & (part.broadcast < cycles.stop)])
        began += layer.simulation.cycles
    return Activity(hardware, pes, cycles, states, queue, np.concatenate(broadcasts), tuple(begins))


@dataclass(frozen=True, eq=False)
class _Scan:
    """One scan with its cycles counted from the start of the run."""

    matrix: InterleavedCSC
    arithmetic_units: int  # of each PE
    columns: Integers  # columns of the matrix
    inputs: Integers  # the layer's inputs in these columns
    values: Integers
    broadcast: Integers
    queued: Integers  # first cycle in which the broadcast is in the queues
    enter: Integers  # (broadcasts, N)
    leave: Integers  # (broadcasts, N)
    ends: int  # first cycle in which the scan is finished
    complete: int  # first cycle of the next scan


def _scans(layer: LayerSimulation, hardware: Hardware, began: int) -> Iterator[_Scan]:
    values = layer.lowered.places(layer.activations)
    inputs = layer.lowered.places(np.arange(len(values)))
    for part in layer.lowered.passes:
        for timed in timed_scans(part, values, hardware):
            began += timed.batch.rows if timed.batch.loads else 0
            made = timed.schedule(hardware)
            columns = timed.columns.astype(np.int64)
            counts = part.matrix.counts[:, columns].T.astype(np.int64)
            durations = workload(part.matrix, hardware.arithmetic_units).durations[columns, : hardware.n_pe]
            leave = made.enter + durations
            scan_ends = timed.scan.ends(int(made.broadcast[-1]) if len(columns) else 0)
            last_entry_left = np.where(counts > 0, leave, 0).max(axis=0, initial=0)
            cycles = completion(scan_ends, leave.max(axis=0, initial=0), last_entry_left)
            yield _Scan(
                part.matrix,
                hardware.arithmetic_units,
                columns,
                inputs[columns],
                values[columns],
                made.broadcast + began,
                made.broadcast + hardware.broadcast_stages + 1 + began,
                made.enter + began,
                leave + began,
                scan_ends + began,
                cycles + began,
            )
            began += cycles


def _fill(states: npt.NDArray[np.uint8], part: _Scan, pes: range, cycles: range) -> None:
    matrix = part.matrix
    codes = matrix.codes
    for row, pe in enumerate(pes):
        counts = matrix.counts[pe, part.columns].astype(np.int64)
        enter = part.enter[:, pe]
        empty = enter[counts == 0]
        states[row, _within(empty, cycles)] = State.EMPTY_COLUMN
        # Every issued entry: its cycle, and its place in the PE's slice.
        offset = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        issued = np.repeat(enter, counts) + offset // part.arithmetic_units
        first = matrix.slice_starts[pe] + matrix.pointers[pe, part.columns].astype(np.int64)
        weight = codes[np.repeat(first, counts) + offset] != 0
        states[row, _within(issued[~weight], cycles)] = State.PADDING
        states[row, _within(issued[weight], cycles)] = State.BUSY
        left = int(part.leave[-1, pe]) if len(enter) else 0
        drained = range(max(part.ends, left), part.complete)
        states[row, max(drained.start - cycles.start, 0) : max(drained.stop - cycles.start, 0)] = State.DRAINED


def _fill_queue(queue: npt.NDArray[np.uint16], part: _Scan, pes: range, cycles: range) -> None:
    """Count occupied slots: one more from when a broadcast is in the queue, one less from when it enters the stage."""
    for row, pe in enumerate(pes):
        change = np.zeros(part.complete + 1, np.int64)
        np.add.at(change, np.minimum(part.queued, part.complete), 1)
        np.add.at(change, np.minimum(part.enter[:, pe], part.complete), -1)
        occupied = np.cumsum(change)[cycles.start : min(cycles.stop, part.complete)]
        queue[row, : len(occupied)] += occupied.astype(np.uint16)


def _within(cycle: Integers, cycles: range) -> Integers:
    inside: Integers = cycle[(cycle >= cycles.start) & (cycle < cycles.stop)] - cycles.start
    return inside
