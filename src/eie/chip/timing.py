"""The chip's cycles, exactly: when each activation is broadcast, and when each processing element (PE) reads it.

The inputs are a matrix, a vector of activations and the hardware, the results cycles and counts. `schedule_reference`
follows the recurrence of docs/hardware.md, T3 and T4, literally. The tests compare the native recurrence
(native/timing) with it, and both with the stepped simulator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

import eie._native as _native
from eie.chip.counts import Counts
from eie.chip.memories import require_capacity
from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.model.numerics import fraction_bits, quantise
from eie.program.hardware import Hardware
from eie.program.host import HostWords, host_words
from eie.program.lowering import Batch, Pass, as_rows, passes_of, row_order
from eie.program.rules import PAPERS_SCAN, Scan, ScanRule
from eie.support.arrays import sealed

__all__ = [
    "PIPELINE_CYCLES",
    "Schedule",
    "Simulation",
    "TimedScan",
    "Workload",
    "completion",
    "place_matrix",
    "scan",
    "schedule_reference",
    "simulate_matrix",
    "simulate_pass",
    "simulate_passes",
    "timed_scans",
    "workload",
]

PIPELINE_CYCLES = 5  # from the pointer-read stage: weight memory, then four of arithmetic (docs/hardware.md, D1)

Cycles = npt.NDArray[np.int64]


class Schedule(NamedTuple):
    """`broadcast`, (K,), is the cycle of each broadcast; `enter`, (K, N), when it enters each PE's pointer stage."""

    broadcast: Cycles
    enter: Cycles


@dataclass(frozen=True, eq=False)
class Simulation:
    """Cycles and counts of one layer on the chip, *simulated*. Arrays are per PE, in cycles.

    Each cycle of a PE's pointer-read stage is one of four kinds. `busy_cycles`: it issues an entry.
    `empty_column_cycles`: it holds an activation whose column has no entry in this PE. `starved_cycles`: it is empty
    while the scan runs or the queue holds an activation. `done_early_cycles`: it is empty and no activation is left.
    `host` are the words that the host writes and reads for it, which are not in the cycles (docs/hardware.md, H2, H4).
    """

    hardware: Hardware
    cycles: int
    counts: Counts
    host: HostWords
    busy_cycles: Cycles = field(repr=False)
    empty_column_cycles: Cycles = field(repr=False)
    starved_cycles: Cycles = field(repr=False)
    done_early_cycles: Cycles = field(repr=False)

    @classmethod
    def total(cls, parts: Sequence[Simulation]) -> Simulation:
        """Return the sum of `parts`, at least one, that run one after the other on the same hardware."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            parts[0].hardware,
            sum(part.cycles for part in parts),
            sum((part.counts for part in parts[1:]), parts[0].counts),
            sum((part.host for part in parts[1:]), parts[0].host),
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
        """Time at the peak rate of one entry per arithmetic unit and cycle: issued entries / (units x clock)."""
        return self.counts.entries_issued / (self._units * self.hardware.clock_mhz)

    @property
    def load_efficiency(self) -> float:
        """Theoretical over actual time: issued entries / (units x cycles); docs/hardware.md, C7."""
        return self.counts.entries_issued / (self._units * self.cycles)

    @property
    def _units(self) -> int:
        return self.hardware.n_pe * self.hardware.arithmetic_units


def scan(activations: npt.ArrayLike, n_pe: int, rule: ScanRule = PAPERS_SCAN) -> Scan:
    """Return the scan of `activations`, (inputs,), under `rule`; zeros are skipped (docs/hardware.md, S1 to S7)."""
    active = np.asarray(activations) != 0
    return rule.scan(as_rows(active, n_pe))


def schedule_reference(
    gaps: npt.NDArray[np.integer], durations: npt.NDArray[np.int64], queue_depth: int, broadcast_stages: int = 0
) -> Schedule:
    """Return the schedule of one scan, straight from the recurrence (docs/hardware.md, T3, T4 and T6).

    `gaps`, (broadcasts,), are those of `Scan`. `durations`, (broadcasts, N), are the cycles for which the column of
    broadcast k stays in PE i's pointer stage.
    """
    n_broadcasts, n_pe = durations.shape
    broadcast = np.zeros(n_broadcasts, np.int64)
    enter = np.zeros((n_broadcasts, n_pe), np.int64)
    for k in range(n_broadcasts):
        earliest = int(gaps[k]) + (broadcast[k - 1] if k else 0)
        slot_free = enter[k - queue_depth + 1].max() + broadcast_stages if k >= queue_depth - 1 else 0
        broadcast[k] = max(earliest, slot_free)
        previous = enter[k - 1] + durations[k - 1] if k else 0
        enter[k] = np.maximum(broadcast[k] + broadcast_stages + 2, previous)
    return Schedule(broadcast, enter)


def completion(scan_ends: int, left: Cycles, last_entry_left: Cycles) -> int:
    """Return the cycle in which a scan is complete (docs/hardware.md, D2).

    `left`, (N,), is the cycle in which the last activation leaves each PE's pointer stage; `last_entry_left`, (N,),
    that in which the last entry leaves it, 0 for a PE without one. PIPELINE_CYCLES later its sum is written.
    """
    written = np.where(last_entry_left > 0, last_entry_left + PIPELINE_CYCLES, 0)
    return max(scan_ends, int(left.max(initial=0)), int(written.max(initial=0)))


class TimedScan(NamedTuple):
    """One batch of a pass, its cycles counted from its own start."""

    part: Pass
    batch: Batch
    columns: npt.NDArray[np.uint32]  # (broadcasts,), as the matrix numbers them
    scan: Scan  # its columns as the batch numbers them

    def schedule(self, hardware: Hardware, instruction_set: str = "") -> Schedule:
        """Return the cycles of all broadcasts and of their entry into each PE's pointer stage, computed natively."""
        durations = workload(self.part.matrix, hardware.arithmetic_units).durations
        stages = hardware.broadcast_stages
        broadcast, enter = _native.schedule(
            durations,
            self.columns,
            _delayed(self.scan.gaps, stages),
            hardware.n_pe,
            hardware.queue_depth,
            2 * stages,
            instruction_set,
        )
        return Schedule(broadcast - stages, enter)


def _delayed(gaps: npt.NDArray[np.uint32], stages: int) -> npt.NDArray[np.uint32]:
    """Return the gaps between the cycles in which broadcasts are `stages` cycles on, which the native code works with.

    In these cycles, v(k) = w(k) + P, the recurrence of T6 is that of T3 and T4 with a free slot known 2 P later.
    """
    if stages == 0 or len(gaps) == 0:
        return gaps
    delayed = gaps.copy()
    delayed[0] += stages
    return delayed


def timed_scans(part: Pass, values: npt.NDArray[np.int64], hardware: Hardware) -> Iterator[TimedScan]:
    """Iterate over the scans of one pass over `values`, (inputs,), in order."""
    for batch in part.batches:
        found = scan(values[batch.first_input :][: batch.inputs], hardware.n_pe, hardware.scan_rule)
        yield TimedScan(part, batch, found.columns + np.uint32(batch.first_input), found)


def simulate_matrix(
    matrix: InterleavedCSC,
    activations: npt.ArrayLike,
    hardware: Hardware | None = None,
    *,
    activation_fraction: int | None = None,
    instruction_set: str = "",
) -> Simulation:
    """Return cycles and counts of one layer: `matrix` times `activations`, the layer's inputs in order.

    Integer activations are the chip's values. Floats are quantised to Q(activation_fraction), by default the finest
    format that holds them; those that become zero are not broadcast. `instruction_set` limits the native code to
    "portable" or "avx2"; the result is the same. The matrix is split over the hardware's PEs, by default as many as it
    is encoded for. Raises InputError if the shapes do not agree, for values that are not finite, and, with
    `hardware.strict`, for a layer too large for the memories.
    """
    hardware = Hardware(n_pe=matrix.n_pe) if hardware is None else hardware
    passes, values = place_matrix(matrix, activations, hardware, activation_fraction)
    return simulate_passes(passes, values, hardware, instruction_set)


def place_matrix(
    matrix: InterleavedCSC, activations: npt.ArrayLike, hardware: Hardware, activation_fraction: int | None = None
) -> tuple[tuple[Pass, ...], npt.NDArray[np.int64]]:
    """Return a matrix's passes on the hardware, and its inputs as the chip's values; arguments as `simulate_matrix`."""
    matrix = matrix.interleave(hardware.n_pe)
    values = _chip_values(activations, matrix.inputs, hardware.value_bits, activation_fraction)
    return passes_of(matrix.reorder(row_order(matrix, hardware)), hardware), values


def simulate_passes(
    passes: Sequence[Pass],
    values: npt.NDArray[np.int64],
    hardware: Hardware,
    instruction_set: str = "",
    *,
    kept: bool = False,
) -> Simulation:
    """Return cycles and counts of a layer's passes over `values`, (inputs,), in the order of their places.

    `kept` tells whether the layer before has left the values in the register file.
    """
    if hardware.strict:
        require_capacity(passes, hardware)
    total = Simulation.total([simulate_pass(part, values, hardware, instruction_set) for part in passes])
    return replace(total, host=host_words(passes, hardware, kept=kept))


def simulate_pass(
    part: Pass, values: npt.NDArray[np.int64], hardware: Hardware, instruction_set: str = ""
) -> Simulation:
    """Return cycles and counts of one pass over `values`, (inputs,).

    The accumulators and the weight-memory row buffer are kept from batch to batch.
    """
    matrix = part.matrix
    prepared = workload(matrix, hardware.arithmetic_units)
    cycles = loaded_rows = 0
    done_early = np.zeros(matrix.n_pe, np.int64)
    broadcast: list[npt.NDArray[np.uint32]] = []
    for timed in timed_scans(part, values, hardware):
        if timed.batch.loads:
            loaded_rows += timed.batch.rows
        last_broadcast, left, last_entry_left = _native.recurrence(
            prepared.durations,
            timed.columns,
            _delayed(timed.scan.gaps, hardware.broadcast_stages),
            matrix.pointers,
            hardware.queue_depth,
            2 * hardware.broadcast_stages,
            instruction_set,
        )
        scan_ends = timed.scan.ends(last_broadcast - hardware.broadcast_stages)
        batch_cycles = completion(scan_ends, left, last_entry_left)
        done_early += batch_cycles - np.maximum(left, scan_ends)
        cycles += batch_cycles
        broadcast.append(timed.columns)
    columns = broadcast[0] if len(broadcast) == 1 else np.concatenate(broadcast)
    entries_per_row = hardware.entries_per_row(matrix.entry_bits)
    reads, issued, empty = _native.traffic(prepared.pointers, columns, entries_per_row)
    busy = issued
    if hardware.arithmetic_units > 1:
        busy = prepared.durations[columns, : matrix.n_pe].sum(axis=0, dtype=np.int64) - empty
    counts = Counts(
        entries=matrix.n_entries,
        nnz=prepared.nnz,
        broadcasts=len(columns),
        ptr_reads=len(columns) * matrix.n_pe,
        entries_issued=int(issued.sum()),
        macs=int(prepared.weights[columns].sum()),
        spmat_reads=int(reads.sum()),
        activation_reads=loaded_rows * matrix.n_pe,
    )
    cycles += loaded_rows
    starved = cycles - busy - empty - done_early
    return Simulation(hardware, cycles, counts, host_words([part], hardware), busy, empty, starved, done_early)


class Workload(NamedTuple):
    """The data of a matrix that the recurrence reads."""

    durations: npt.NDArray[np.uint8] | npt.NDArray[np.uint32]  # (inputs, lanes) cycles, 1 or more; lanes >= n_pe
    weights: npt.NDArray[np.int64]  # (inputs,) entries that are not padding, all PEs
    nnz: int  # their sum
    pointers: npt.NDArray[np.uint32]  # (inputs + 1, n_pe), those of the matrix by column


_workloads: WeakKeyDictionary[InterleavedCSC, dict[int, Workload]] = WeakKeyDictionary()


def workload(matrix: InterleavedCSC, arithmetic_units: int = 1) -> Workload:
    """Return the workload of `matrix`, computed at the first call for it and kept.

    A PE with several arithmetic units issues that many entries of a column per cycle.
    """
    known = _workloads.setdefault(matrix, {})
    if arithmetic_units not in known:
        matrix.validate()
        durations, weights = _native.workload(matrix.entries, matrix.pointers, matrix.code_bits, arithmetic_units)
        by_column = sealed(np.ascontiguousarray(matrix.pointers.T))
        known[arithmetic_units] = Workload(sealed(durations), sealed(weights), int(weights.sum()), by_column)
    return known[arithmetic_units]


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
