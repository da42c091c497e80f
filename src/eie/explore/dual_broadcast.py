"""A leading non-zero detector that broadcasts two activations a cycle: what it would save.

The machine differs from the paper's in one rule. The non-zeros of a row of the scan are taken in pairs, and the second
of a pair may be broadcast in the same cycle as the first, each into a slot of every queue; all else, one column at a
time per PE included, is as in docs/hardware.md, S1 to D3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eie.chip import Hardware
from eie.chip.timing import Scan, scan, schedule
from eie.csc import InterleavedCSC

__all__ = ["cycles_in_pairs", "paired"]

WRITTEN_AFTER = 5  # from the pointer-read stage to the end of the last entry's write (docs/hardware.md, D1)


def paired(single: Scan, n_pe: int) -> Scan:
    """The same scan with the second of each pair within a row broadcast no cycle later than the first."""
    row = single.columns // n_pe
    place = np.arange(len(row))
    first_of_row = np.maximum.accumulate(np.where(np.diff(row, prepend=-1) != 0, place, 0))
    second = (place - first_of_row) % 2 == 1
    return single._replace(gaps=np.where(second, 0, single.gaps).astype(np.uint32))


def cycles_in_pairs(matrix: InterleavedCSC, values: NDArray[np.generic], hardware: Hardware) -> int:
    """Cycles of a layer in one scan (`batched` off), activations taken in pairs; a value is broadcast if it "
    "is not 0."""
    columns = paired(scan(values, hardware.n_pe), hardware.n_pe)
    if len(columns.columns) == 0:
        return columns.rows + 1
    made = schedule(matrix, columns, hardware.queue_depth)
    entries = matrix.counts.T[columns.columns].astype(np.int64)
    leaves = made.enter[-1] + np.maximum(1, entries[-1])
    written = np.where(entries > 0, made.enter + entries + WRITTEN_AFTER, 0)
    return max(int(made.broadcast[-1]) + columns.tail, int(leaves.max()), int(written.max()))
