"""Activation queue: a ring per PE between the broadcast and the PE's own pace.

Its rules: docs/hardware.md, Q1 to Q4.
"""

from __future__ import annotations

import numpy as np

from eie.chip.stepped.signals import ACT_QUEUE
from eie.chip.stepped.unit import Unit, Wires

__all__ = ["ActQueue"]


class ActQueue(Unit):
    """Registers: `depth` slots per PE; one place to write, as all PEs get every broadcast; read places and counts."""

    signals = ACT_QUEUE

    def __init__(self, n_pe: int, depth: int) -> None:
        self._depth = depth
        self._pes = np.arange(n_pe)
        self._columns = np.zeros((depth, n_pe), np.int64)
        self._values = np.zeros((depth, n_pe), np.int64)
        self._write = 0
        self._read = np.zeros(n_pe, np.int64)
        self._count = np.zeros(n_pe, np.int64)

    def propagate(self, wires: Wires) -> None:
        """Show the oldest entries, and whether any ring is full: with one slot left."""
        wires["any_full"] = bool((self._count >= self._depth - 1).any())
        wires["queue_valid"] = self._count > 0
        wires["queue_count"] = self._count.copy()
        wires["head_column"] = self._columns[self._read, self._pes]
        wires["head_value"] = self._values[self._read, self._pes]

    def update(self, wires: Wires) -> None:
        """Write the broadcast into every ring, and let go of what was taken."""
        take = wires["take"]
        if wires["broadcast"]:
            self._columns[self._write] = wires["broadcast_column"]
            self._values[self._write] = wires["broadcast_value"]
            self._write = (self._write + 1) % self._depth
        self._read = (self._read + take) % self._depth
        self._count += int(wires["broadcast"]) - take
