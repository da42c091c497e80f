"""Broadcasts through registers: the queues and the control unit with credits (docs/hardware.md, T6).

A broadcast passes `stages` registers on its way to the queues. The control unit counts for each PE what it has sent and
not been told to be taken: the taking passes as many registers on its way back. A full count holds all broadcasts back,
as a full queue does without stages.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eie.chip.stepped.act_queue import ActQueue
from eie.chip.stepped.ccu import Ccu
from eie.chip.stepped.signals import ACT_QUEUE, CCU, Direction, Signal
from eie.chip.stepped.unit import Wires

__all__ = ["CreditCcu", "CreditQueue"]

IN_FLIGHT = Signal("in_flight", Direction.OUTPUT, "1", "a broadcast is on its way to the queues")


class CreditCcu(Ccu):
    """Is not complete while a broadcast is on its way."""

    signals = (*CCU, replace(IN_FLIGHT, direction=Direction.THROUGH))

    def propagate(self, wires: Wires) -> None:
        """Broadcast unless some PE has no credit left; complete when nothing is anywhere."""
        super().propagate(wires)
        wires["complete"] = wires["complete"] and not wires["in_flight"]


class CreditQueue(ActQueue):
    """Rings behind `stages` registers; `any_full` tells that some PE's count is full.

    Registers: the broadcasts on their way, the takes on their way back, and the count of each PE.
    """

    signals = (*ACT_QUEUE, IN_FLIGHT)

    def __init__(self, n_pe: int, depth: int, stages: int) -> None:
        super().__init__(n_pe, depth)
        self._stages = stages
        self.start()

    def start(self) -> None:
        """Begin a scan: the queues are empty, and every credit is there, told or not."""
        self._coming: list[tuple[int, int] | None] = [None] * self._stages
        self._told = [np.zeros(len(self._pes), bool)] * self._stages
        self._sent = np.zeros(len(self._pes), np.int64)

    def propagate(self, wires: Wires) -> None:
        """Drive the oldest entries, and whether any count is full."""
        super().propagate(wires)
        wires["any_full"] = bool((self._sent >= self._depth - 1).any())
        wires["in_flight"] = any(one is not None for one in self._coming)

    def update(self, wires: Wires) -> None:
        """Move everything on by a register; write what has arrived into every ring."""
        arrived = self._coming[-1]
        column, value = arrived or (0, 0)
        super().update(
            {
                "take": wires["take"],
                "broadcast": arrived is not None,
                "broadcast_column": column,
                "broadcast_value": value,
            }
        )
        self._sent += int(wires["broadcast"]) - self._told[-1]
        sent = (wires["broadcast_column"], wires["broadcast_value"]) if wires["broadcast"] else None
        self._coming = [sent, *self._coming[:-1]]
        self._told = [wires["take"], *self._told[:-1]]
