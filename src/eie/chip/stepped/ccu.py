"""Central control unit: broadcasts the activations that the LNZD finds, loads batches, and detects completion.

Its rules: docs/hardware.md, B3, D2, Q2, U2.
"""

from __future__ import annotations

from eie.chip.stepped.signals import CCU
from eie.chip.stepped.unit import Unit, Wires
from eie.program.lowering import Batch

__all__ = ["Ccu"]


class Ccu(Unit):
    """Registers: the first input of the batch at hand, and the rows of it still to be loaded."""

    signals = CCU

    def __init__(self, n_pe: int) -> None:
        self._n_pe = n_pe
        self._first_input = 0
        self._rows_loaded = 0
        self._rows_to_load = 0

    def start(self, batch: Batch) -> None:
        """Begin a batch; if it loads, its source rows first come from the activation SRAM."""
        self._first_input = batch.first_input
        self._rows_loaded = 0
        self._rows_to_load = batch.rows if batch.loads else 0

    def propagate(self, wires: Wires) -> None:
        """Broadcast unless a queue is full; complete when scan, queues, stages and pipelines are empty."""
        loading = self._rows_loaded < self._rows_to_load
        wires["computing"] = not loading
        wires["load_enable"] = loading
        wires["load_row"] = self._rows_loaded
        wires["broadcast"] = wires["found"] and not wires["any_full"]
        wires["broadcast_column"] = self._first_input + wires["found_row"] * self._n_pe + wires["found_position"]
        wires["broadcast_value"] = wires["found_value"]
        wires["complete"] = wires["scan_finished"] and not (
            wires["queue_valid"].any()
            or wires["stage_valid"].any()
            or wires["weight_valid"].any()
            or wires["pipeline_busy"].any()
        )

    def update(self, wires: Wires) -> None:
        """Count the rows that are loaded."""
        self._rows_loaded += wires["load_enable"]
