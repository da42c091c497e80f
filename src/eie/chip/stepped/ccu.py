"""Central control unit: broadcasts the activations that the LNZD finds, moves rows, and detects completion.

Its rules: docs/hardware.md, B3, D2, L1, L2, Q2, U2.
"""

from __future__ import annotations

from eie.chip.stepped.signals import CCU
from eie.chip.stepped.unit import Unit, Wires
from eie.program.table import StepKind

__all__ = ["Ccu"]


class Ccu(Unit):
    """Registers: what the step at hand does, the first input of its batch, and the rows of it still to be moved."""

    signals = CCU

    def __init__(self, n_pe: int) -> None:
        self._n_pe = n_pe
        self._kind = StepKind.SCAN
        self._runs = False
        self._first_input = 0
        self._rows_moved = 0
        self._rows_to_move = 0

    def start(self, first_input: int, moves: int, kind: StepKind = StepKind.SCAN) -> None:
        """Begin a step that first moves so many rows; the columns of a scan's batch begin at `first_input`."""
        self._kind = kind
        self._runs = True
        self._first_input = first_input
        self._rows_moved = 0
        self._rows_to_move = moves

    def rest(self) -> None:
        """End the step at hand: the next one has not begun."""
        self._runs = False

    def propagate(self, wires: Wires) -> None:
        """Broadcast unless a queue is full; complete when scan, queues, stages and pipelines are empty."""
        moving = self._runs and self._rows_moved < self._rows_to_move
        scans = self._kind is StepKind.SCAN
        wires["computing"] = self._runs and scans and not moving
        wires["load_enable"] = moving and self._kind in (StepKind.SCAN, StepKind.PRESET)
        wires["load_row"] = self._rows_moved
        wires["store_enable"] = moving and self._kind is StepKind.STORE
        wires["broadcast"] = wires["found"] and not wires["any_full"]
        wires["broadcast_column"] = self._first_input + wires["found_row"] * self._n_pe + wires["found_position"]
        wires["broadcast_value"] = wires["found_value"]
        empty = not (
            wires["queue_valid"].any()
            or wires["stage_valid"].any()
            or wires["weight_valid"].any()
            or wires["pipeline_busy"].any()
        )
        wires["complete"] = self._runs and not moving and (not scans or (wires["scan_finished"] and empty))

    def update(self, wires: Wires) -> None:
        """Count the rows that are moved."""
        self._rows_moved += self._rows_moved < self._rows_to_move
