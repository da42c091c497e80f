"""Leading non-zero detector: finds the next activation to broadcast, a row of N of them at a time.

Its rules: docs/hardware.md, S1 to S7, U3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eie.chip.stepped.signals import LNZD
from eie.chip.stepped.unit import Unit, Wires

__all__ = ["Lnzd", "leading_nonzero"]


def leading_nonzero(candidates: npt.NDArray[np.bool_]) -> tuple[bool, int]:
    """Return whether any candidate is true, and the position of the first, computed by the quadtree of detectors.

    Each node passes on the first of its four children that has found a candidate. There are ceil(N/4) nodes at the
    leaves, and ceil(n/4) nodes above each level of n, up to one root.
    """
    found = candidates
    position = np.arange(len(candidates))
    while len(found) > 1:
        nodes = -(-len(found) // 4)
        children = np.zeros((nodes, 4), bool)
        children.flat[: len(found)] = found
        child = children.argmax(axis=1)
        position = position[np.minimum(4 * np.arange(nodes) + child, len(position) - 1)]
        found = children[np.arange(nodes), child]
    return bool(found[0]), int(position[0])


class Lnzd(Unit):
    """Registers: the row being scanned, the scan position in it, and the number of the row to load next."""

    signals = LNZD

    def __init__(self, n_pe: int) -> None:
        self._n_pe = n_pe
        self._positions = np.arange(n_pe)
        self.start(0)

    def start(self, rows: int) -> None:
        """Begin a scan of `rows` rows; the first is loaded at the next edge."""
        self._rows = rows
        self._next_row = 0
        self._row_valid = False
        self._row = np.zeros(self._n_pe, np.int64)
        self._position = 0

    def expect(self, rows: int) -> None:
        """Take the number of rows of the scan that starts next."""
        self._rows = rows

    def propagate(self, wires: Wires) -> None:
        """Find the first non-zero at or after the scan position."""
        found, position = False, 0
        if self._row_valid:
            found, position = leading_nonzero((self._row != 0) & (self._positions >= self._position))
        wires["found"] = found
        wires["found_row"] = self._next_row - 1 if self._row_valid else 0
        wires["found_position"] = position
        wires["found_value"] = int(self._row[position])
        wires["row_address"] = self._next_row
        wires["scan_finished"] = not self._row_valid and self._next_row == self._rows

    def update(self, wires: Wires) -> None:
        """Move past the broadcast activation; load the next row when this one has no non-zero left to broadcast."""
        if not wires["computing"]:
            return
        last = wires["broadcast"] and wires["found_position"] == self._n_pe - 1
        if last or not wires["found"]:
            self._position = 0
            self._row_valid = self._next_row < self._rows
            if self._row_valid:
                self._row = wires["source_row"]
                self._next_row += 1
        elif wires["broadcast"]:
            self._position = wires["found_position"] + 1
