"""The chip's cycles, exactly: which activation is broadcast when, and when each processing element (PE) takes it up.

A matrix, a vector of activations and the hardware go in; cycles and counts come out. The rules are section 4 of the
hardware contract. `schedule_reference` is the recurrence as it is read there; the native one (native/timing) is held
equal to it by the tests, and both to the stepped simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from eie import _native
from eie.chip.counts import Counts
from eie.chip.hardware import Hardware
from eie.chip.memories import require_capacity
from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.model.numerics import fraction_bits, quantise
from eie.support.arrays import sealed

__all__ = [
    "Scan",
    "Schedule",
    "Simulation",
    "Workload",
    "scan",
    "schedule",
    "schedule_reference",
    "simulate_matrix",
    "simulate_pass",
    "workload",
]

Cycles = npt.NDArray[np.int64]


class Scan(NamedTuple):
    """The leading non-zero detector's way through one source vector of `rows` rows of N activations."""

    columns: npt.NDArray[np.uint32]  # (broadcasts,) inputs that are not zero, in order
    gaps: npt.NDArray[np.uint32]  # (broadcasts,) least cycles since the broadcast before; the first: since cycle 0
    rows: int
    tail: int  # cycles from the last broadcast to the end of the scan


class Schedule(NamedTuple):
    """Cycles of every broadcast: `broadcast` (K,), and `enter` (K, N), when PE i's pointer stage takes it up."""

    broadcast: Cycles
    enter: Cycles


@dataclass(frozen=True, eq=False)
class Simulation:
    """What one layer takes on the chip. Arrays are per PE, in cycles; *simulated*.

    At the pointer-read stage each PE spends its `cycles` in one of four ways: `busy_cycles`, an entry is issued;
    `empty_column_cycles`, the column at hand has no entry here; `starved_cycles`, nothing to do while the scan runs or
    the queue is not empty; `done_early_cycles`, nothing left to do.
    """

    hardware: Hardware
    cycles: int
    counts: Counts
    busy_cycles: Cycles = field(repr=False)
    empty_column_cycles: Cycles = field(repr=False)
    starved_cycles: Cycles = field(repr=False)
    done_early_cycles: Cycles = field(repr=False)

    @classmethod
    def total(cls, parts: Sequence[Simulation]) -> Simulation:
        """Return what `parts`, at least one, take after each other on the same hardware."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            parts[0].hardware,
            sum(part.cycles for part in parts),
            sum((part.counts for part in parts[1:]), parts[0].counts),
            *(
                np.sum([getattr(part, name) for part in parts], axis=0)
                for name in ("busy_cycles", "empty_column_cycles", "starved_cycles", "done_early_cycles")
            ),
        )

    @property
    def latency_us(self) -> float:
        """Actual time: cycles / clock."""
        return self.cycles / self.hardware.clock_mhz

    @property
    def theoretical_us(self) -> float:
        """Time at the peak rate of one entry per PE and cycle: issued entries / (N x clock)."""
        return self.counts.entries_issued / (self.hardware.n_pe * self.hardware.clock_mhz)

    @property
    def load_efficiency(self) -> float:
        """Theoretical over actual time: issued entries / (N x cycles)."""
        return self.counts.entries_issued / (self.hardware.n_pe * self.cycles)


def scan(activations: npt.ArrayLike, n_pe: int) -> Scan:
    """Return the scan of `activations`, of which zeros are skipped (contract, section 4, LNZD)."""
    vector = np.asarray(activations)
    rows = -(-len(vector) // n_pe)
    columns = np.flatnonzero(vector)
    if len(columns) == 0:
        return Scan(columns.astype(np.uint32), columns.astype(np.uint32), rows, 0)
    row, position = np.divmod(columns, n_pe)
    row_step = np.diff(row, prepend=-1)  # the row register loads row 0 at edge 1
    at_end = position == n_pe - 1  # the next row is loaded at the same edge
    follows_end = np.concatenate(([True], at_end[:-1]))
    gaps = np.where(row_step == 0, 1, row_step + np.where(follows_end, 0, 1))
    tail = 1 + (0 if at_end[-1] else 1) + rows - 1 - int(row[-1])
    return Scan(columns.astype(np.uint32), gaps.astype(np.uint32), rows, tail)


def schedule_reference(columns: Scan, counts: npt.NDArray[np.int64], queue_depth: int) -> Schedule:
    """Return the schedule of one scan, straight from the contract's recurrence.

    `counts` is n(k, i), shape (broadcasts, N): the entries of PE i in the column of broadcast k.
    """
    n_broadcasts, n_pe = counts.shape
    broadcast = np.zeros(n_broadcasts, np.int64)
    enter = np.zeros((n_broadcasts, n_pe), np.int64)
    for k in range(n_broadcasts):
        earliest = int(columns.gaps[k]) + (broadcast[k - 1] if k else 0)
        slot_free = enter[k - queue_depth + 1].max() if k >= queue_depth - 1 else 0
        broadcast[k] = max(earliest, slot_free)
        previous = enter[k - 1] + np.maximum(1, counts[k - 1]) if k else 0
        enter[k] = np.maximum(broadcast[k] + 2, previous)
    return Schedule(broadcast, enter)


def schedule(matrix: InterleavedCSC, columns: Scan, queue_depth: int, instruction_set: str = "") -> Schedule:
    """Return the schedule of one scan of `matrix`'s columns, computed natively."""
    return Schedule(
        *_native.schedule(workload(matrix).durations, *columns[:2], matrix.n_pe, queue_depth, instruction_set)
    )


def simulate_matrix(
    matrix: InterleavedCSC,
    activations: npt.ArrayLike,
    hardware: Hardware | None = None,
    *,
    activation_fraction: int | None = None,
    instruction_set: str = "",
) -> Simulation:
    """Return cycles and counts of one layer: `matrix` times `activations`, the layer's inputs in order.

    Integer activations are the chip's values as they are; floats are quantised to Q(activation_fraction), by default
    the finest format that holds them, and those that become zero are not broadcast. `instruction_set` caps what the
    native code uses ("portable", "avx2"); the result is the same.
    A matrix encoded for another number of PEs is split over the hardware's, by default as many as it is encoded for.
    Raises InputError where the shapes do not agree, for values that are not finite, and, with `hardware.strict`, for a
    layer that the memories do not hold.
    """
    hardware = Hardware(n_pe=matrix.n_pe) if hardware is None else hardware
    matrix = matrix.interleave(hardware.n_pe)
    values = _chip_values(activations, matrix.inputs, hardware.value_bits, activation_fraction)
    registers = hardware.register_entries * hardware.n_pe if hardware.batched else max(matrix.shape)
    parts = []
    for block in matrix.row_blocks(registers):
        if hardware.strict:
            require_capacity(block, hardware)
        parts.append(simulate_pass(block, values, hardware, registers, instruction_set))
    return Simulation.total(parts)


def simulate_pass(
    matrix: InterleavedCSC,
    values: npt.NDArray[np.int64],
    hardware: Hardware,
    batch_inputs: int,
    instruction_set: str = "",
) -> Simulation:
    """Return cycles and counts of one pass: all of `matrix`, `values` in batches of `batch_inputs` inputs.

    The accumulators and the weight-memory row buffer are kept from batch to batch; outputs are not limited here.
    """
    matrix.validate()
    batches = [
        _Batch(first, scan(values[first : first + batch_inputs], hardware.n_pe))
        for first in range(0, matrix.inputs, batch_inputs)
    ]
    prepared = workload(matrix)
    cycles = 0
    done_early = np.zeros(matrix.n_pe, np.int64)
    for batch in batches:
        part = batch.scan
        if batch.first > 0:
            cycles += part.rows  # the source file is loaded from the activation SRAM
        last_broadcast, left, last_entry_left = _native.recurrence(
            prepared.durations,
            batch.columns,
            part.gaps,
            matrix.pointers,
            hardware.queue_depth,
            instruction_set,
        )
        scan_ends = last_broadcast + part.tail if len(part.columns) else part.rows + 1
        # 5: from the pointer-read stage to the end of the last entry's write (contract, section 4, drain)
        last_written = np.where(last_entry_left > 0, last_entry_left + 5, 0)
        batch_cycles = max(scan_ends, int(left.max()), int(last_written.max()))
        done_early += batch_cycles - np.maximum(left, scan_ends)
        cycles += batch_cycles
    columns = np.concatenate([batch.columns for batch in batches])
    entries_per_row = hardware.entries_per_row(matrix.code_bits + matrix.index_bits)
    reads, issued, empty = _native.traffic(matrix.pointers, columns, entries_per_row)
    counts = Counts(
        entries=matrix.n_entries,
        nnz=int(prepared.weights.sum()),
        broadcasts=len(columns),
        ptr_reads=len(columns) * matrix.n_pe,
        entries_issued=int(issued.sum()),
        macs=int(prepared.weights[columns].sum()),
        spmat_reads=int(reads.sum()),
    )
    starved = cycles - issued - empty - done_early
    return Simulation(hardware, cycles, counts, issued, empty, starved, done_early)


class _Batch(NamedTuple):
    first: int  # the batch's first input
    scan: Scan  # of the batch by itself

    @property
    def columns(self) -> npt.NDArray[np.uint32]:
        """The broadcast columns as the matrix numbers them."""
        return self.scan.columns + np.uint32(self.first)


class Workload(NamedTuple):
    """A matrix as the recurrence reads it."""

    durations: npt.NDArray[np.uint8] | npt.NDArray[np.uint32]  # (inputs, lanes) max(1, entries), lanes >= n_pe
    weights: npt.NDArray[np.int64]  # (inputs,) entries that are not padding, all PEs


_workloads: WeakKeyDictionary[InterleavedCSC, Workload] = WeakKeyDictionary()


def workload(matrix: InterleavedCSC) -> Workload:
    """Return what the recurrence needs of `matrix`, worked out the first time it is asked for."""
    if matrix not in _workloads:
        matrix.validate()
        durations, weights = _native.workload(matrix.entries, matrix.pointers, matrix.code_bits)
        _workloads[matrix] = Workload(sealed(durations), sealed(weights))
    return _workloads[matrix]


def _chip_values(
    activations: npt.ArrayLike, inputs: int, value_bits: int, activation_fraction: int | None
) -> npt.NDArray[np.int64]:
    vector = np.asarray(activations)
    if vector.shape != (inputs,):
        raise InputError(f"activations must have shape ({inputs},), the layer's inputs, not {vector.shape}")
    if vector.dtype.kind in "iub":
        return vector.astype(np.int64)
    if vector.dtype.kind != "f":
        raise InputError(f"activations must be numbers, not {vector.dtype}")
    if not np.isfinite(vector).all():
        raise InputError(
            f"activations must be finite, but number {int(np.flatnonzero(~np.isfinite(vector))[0])} is "
            f"{vector[~np.isfinite(vector)][0]}"
        )
    fraction = fraction_bits(vector, value_bits) if activation_fraction is None else activation_fraction
    return quantise(vector, fraction, value_bits)
