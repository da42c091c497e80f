"""Units for a scan rule other than the paper's: an LNZD that follows it, and broadcasts of several activations a cycle.

The queue and the central control unit handle a group of activations per cycle where the paper's handle one. The first
activation of a group waits for a slot in every queue, and the others wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from eie.chip.stepped.act_queue import ActQueue
from eie.chip.stepped.ccu import Ccu
from eie.chip.stepped.lnzd import Lnzd
from eie.chip.stepped.signals import ACT_QUEUE, CCU, Direction, Signal
from eie.chip.stepped.unit import Wires
from eie.model.numerics import Integers
from eie.program.rules import Scan, ScanRule

__all__ = ["GroupCcu", "GroupQueue", "PlannedLnzd"]


ROOM = Signal("room", Direction.OUTPUT, "log2(Q)", "free slots of the fullest queue")


class PlannedLnzd(Lnzd):
    """A detector that follows `rule.scan` of the source file, read with `read_source`, one cycle of the scan at a time.

    Registers: the scan's current cycle, and the number of broadcasts made.
    """

    def __init__(self, n_pe: int, rule: ScanRule, read_source: Callable[[int], Integers]) -> None:
        self._rule = rule
        self._read_source = read_source
        super().__init__(n_pe)

    def start(self, rows: int) -> None:
        """Begin a scan of `rows` rows."""
        self._rows = rows
        self._scan: Scan | None = None
        self._source = np.zeros(0, np.int64)
        self._scan_cycle = 0
        self._made = 0

    def propagate(self, wires: Wires) -> None:
        """Drive the activations that the rule broadcasts in the scan's current cycle and that are still waiting."""
        columns = np.zeros(0, np.int64)
        finished = False
        if self._scan is not None:
            end = int(np.searchsorted(self._scan.cycles, self._scan_cycle, side="right"))
            columns = self._scan.columns[self._made : end].astype(np.int64)
            finished = self._scan_cycle >= self._scan.end
        wires["found"] = len(columns) > 0
        wires["found_row"], wires["found_position"] = np.divmod(columns, self._n_pe)
        wires["found_value"] = self._source[columns]
        wires["row_address"] = 0
        wires["scan_finished"] = finished

    def update(self, wires: Wires) -> None:
        """Move to the scan's next cycle when all activations of the current one have been broadcast."""
        if not wires["computing"]:
            return
        if self._scan is None:
            self._source = self._read_source(self._rows).ravel()
            self._scan = self._rule.scan((self._source != 0).reshape(-1, self._n_pe))
        self._made += wires["broadcast"]
        self._scan_cycle += wires["broadcast"] == len(wires["found_row"])


class GroupCcu(Ccu):
    """Broadcasts as many of the activations found as every queue has slots for; `broadcast` counts them."""

    signals = (*CCU, replace(ROOM, direction=Direction.THROUGH))

    def propagate(self, wires: Wires) -> None:
        """Broadcast the first of the group, in order."""
        super().propagate(wires)
        wires["broadcast"] = min(len(wires["found_row"]), wires["room"])


class GroupQueue(ActQueue):
    """A ring that accepts several activations per cycle; `room` is the number of free slots of the fullest ring."""

    signals = (*ACT_QUEUE, ROOM)

    def propagate(self, wires: Wires) -> None:
        """Drive the oldest entries, and the free slots of the fullest ring."""
        super().propagate(wires)
        wires["room"] = self._depth - 1 - int(self._count.max())

    def update(self, wires: Wires) -> None:
        """Write the broadcasts into every ring, and remove the entries that were taken."""
        for column, value in zip(
            wires["broadcast_column"][: wires["broadcast"]], wires["broadcast_value"], strict=False
        ):
            self._columns[self._write] = column
            self._values[self._write] = value
            self._write = (self._write + 1) % self._depth
        self._read = (self._read + wires["take"]) % self._depth
        self._count += wires["broadcast"] - wires["take"]
