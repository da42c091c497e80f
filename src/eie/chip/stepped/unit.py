"""The base of every unit: registers, outputs computed from registers and wires, and a clock edge."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import TopologicalSorter
from typing import Any, ClassVar

from eie.chip.stepped.signals import Direction, Signal

__all__ = ["Unit", "Wires", "in_order_of_dependence"]

Wires = dict[str, Any]  # a signal's value: an int or bool, or an array over the PEs


class Unit:
    """One unit of the chip, for all PEs. It reads other units only through the wires in its table of signals."""

    signals: ClassVar[tuple[Signal, ...]]

    def propagate(self, wires: Wires) -> None:
        """Drive the unit's outputs from its registers and its `through` inputs; change no register."""
        raise NotImplementedError

    def update(self, wires: Wires) -> None:
        """Clock edge: update the registers from the wires."""
        raise NotImplementedError


def in_order_of_dependence(units: Sequence[Unit]) -> list[Unit]:
    """Return the units so that each comes after those whose outputs it passes through in the same cycle."""
    driver = {s.name: unit for unit in units for s in unit.signals if s.direction is Direction.OUTPUT}
    graph = {unit: {driver[s.name] for s in unit.signals if s.direction is Direction.THROUGH} for unit in units}
    return list(TopologicalSorter(graph).static_order())
