"""The rules of the machine that a user may replace: which rows each PE gets, and how the LNZD scans a vector.

The paper's machine is the default of both. Another one is a small frozen dataclass given to `Hardware`; the recurrence,
the stepped chip, costs and sweeps follow it, and the RTL, which has the paper's rules only, refuses it by name.
docs/how-to/change-the-machine.md leads through one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from heapq import heapify, heapreplace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError

__all__ = [
    "PAPERS_SCAN",
    "ROUND_ROBIN",
    "BalancedRows",
    "InOrderScan",
    "RoundRobin",
    "RowAssignment",
    "Scan",
    "ScanRule",
]

Integers = npt.NDArray[np.int64]


class RowAssignment(ABC):
    """A rule that assigns the rows of a matrix to the processing elements. Subclasses are frozen dataclasses."""

    @abstractmethod
    def order(self, matrix: InterleavedCSC) -> Integers | None:
        """Return the rows in the order of assignment, (outputs,), or None for their own order.

        Row `order[k]` goes to PE k mod N, N being `matrix.n_pe`; `matrix.rows` has the weights by row.
        """


@dataclass(frozen=True)
class RoundRobin(RowAssignment):
    """The paper's rule: row i belongs to PE i mod N (docs/hardware.md, E1)."""

    def order(self, matrix: InterleavedCSC) -> None:
        """Return None: the rows stay as they are."""
        return


@dataclass(frozen=True)
class BalancedRows(RowAssignment):
    """Rows assigned so that all PEs hold about the same number of weights.

    Rows are assigned from the heaviest to the lightest, each to the PE with the fewest weights that may take another
    row; a PE's rows keep their order. This balances the load over all columns, not within one column.
    """

    def order(self, matrix: InterleavedCSC) -> Integers:
        """Return the order in which round robin gives every PE about the same number of weights."""
        weights, n_pe = np.diff(matrix.rows.starts), matrix.n_pe
        rows = len(weights)
        places = [len(range(pe, rows, n_pe)) for pe in range(n_pe)]
        dealt: list[list[int]] = [[] for _ in range(n_pe)]
        least = [(0, pe) for pe in range(n_pe) if places[pe]]
        heapify(least)
        full = int(weights.sum()) + 1  # more than any PE's load, so a full PE is never chosen
        for row in np.argsort(-weights, kind="stable").tolist():
            while len(dealt[least[0][1]]) == places[least[0][1]]:
                heapreplace(least, (full, least[0][1]))
            load, pe = least[0]
            dealt[pe].append(row)
            heapreplace(least, (load + int(weights[row]), pe))
        order = np.empty(rows, np.int64)
        for pe, own in enumerate(dealt):
            order[pe::n_pe] = sorted(own)
        return order


class Scan(NamedTuple):
    """One scan of a source vector, as it would run if no activation queue were ever full.

    `columns`, uint32 (broadcasts,), are the inputs broadcast, in order; `cycles`, int64 (broadcasts,), are the cycles
    of the broadcasts; `end` is the first cycle in which the scan is finished. A full queue delays a broadcast and all
    that follows by the same number of cycles.
    """

    columns: npt.NDArray[np.uint32]
    cycles: Integers
    end: int

    @property
    def gaps(self) -> npt.NDArray[np.uint32]:
        """Least cycles since the broadcast before; the first one's since cycle 0. Shape (broadcasts,)."""
        return np.diff(self.cycles, prepend=0).astype(np.uint32)

    def ends(self, last_broadcast: int) -> int:
        """Return the cycle in which the scan is finished when its last broadcast was made in cycle `last_broadcast`."""
        return self.end if len(self.cycles) == 0 else last_broadcast + self.end - int(self.cycles[-1])


class ScanRule(ABC):
    """A rule by which the leading non-zero detector scans a source vector. Subclasses are frozen dataclasses."""

    @abstractmethod
    def scan(self, active: npt.NDArray[np.bool_]) -> Scan:
        """Return the scan of a vector laid out in rows of N; `active`, (rows, N), is true where it is not zero.

        Cycle 0 is the one before the first row is loaded. Columns must ascend; cycles must be 1 or more and not
        decrease. A full queue delays all broadcasts of the same cycle or later.
        """


@dataclass(frozen=True)
class InOrderScan(ScanRule):
    """A row of N activations at a time, `per_cycle` of its non-zeros broadcast in a cycle; the paper's is 1.

    A row takes a cycle for each `per_cycle` non-zeros, and one more unless its last non-zero stands at position N - 1
    (docs/hardware.md, S1 to S7).
    """

    per_cycle: int = 1

    def __post_init__(self) -> None:
        """Check the number of broadcasts."""
        if isinstance(self.per_cycle, bool) or not isinstance(self.per_cycle, int) or not 1 <= self.per_cycle <= 64:
            raise InputError(f"broadcasts per cycle must be an integer from 1 to 64, not {self.per_cycle!r}")

    def scan(self, active: npt.NDArray[np.bool_]) -> Scan:
        """Return the scan of one vector."""
        columns = np.flatnonzero(active)
        found = np.count_nonzero(active, axis=1)
        first = np.cumsum(found) - found  # among the columns, each row's first
        row = columns // active.shape[1]
        groups = -(-found // self.per_cycle)
        row_cycles = groups + ~active[:, -1]
        row_begins = 1 + np.cumsum(row_cycles) - row_cycles
        place = (np.arange(len(columns)) - first[row]) // self.per_cycle
        return Scan(columns.astype(np.uint32), row_begins[row] + place, 1 + int(row_cycles.sum()))


ROUND_ROBIN = RoundRobin()
PAPERS_SCAN = InOrderScan()
