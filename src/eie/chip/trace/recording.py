"""Recording of the units' signals, cycle by cycle, while the stepped chip runs, for a waveform writer."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eie.chip.stepped import run_stepped
from eie.chip.stepped.signals import TABLES, Direction, Signal, signal_sizes
from eie.chip.stepped.unit import Wires
from eie.chip.trace.states import Window
from eie.errors import InputError
from eie.model.network import Network
from eie.program.hardware import Hardware

__all__ = ["COMMENT", "WaveformWriter", "record_signals"]

COMMENT = "EIE, stepped simulator; 1 ns is a cycle"


class WaveformWriter(Protocol):
    """A file format for signals; every variable is 0 until its first change."""

    def variable(self, scope: str, name: str, bits: int) -> Any:
        """Declare a variable in a scope such as `eie.pe0.act_queue`; variables of a scope come one after the other."""

    def change(self, variable: Any, cycle: int, value: int) -> None:
        """Give a variable a new value from `cycle` on; cycles never decrease."""


def record_signals(
    network: Network, inputs: npt.ArrayLike, hardware: Hardware, window: Window, writer: WaveformWriter
) -> int:
    """Run `network` on the stepped chip and write its signals within `window`; return the cycles run.

    Raises InputError for PEs outside the chip's, and for a machine whose rules are not the paper's: its signals carry
    several activations or entries at once.
    """
    for name in hardware.changed_rules:
        if name != "row_assignment":
            raise InputError(f"a waveform shows the paper's machine, but {name} is {getattr(hardware, name)!r}")
    sizes = signal_sizes(hardware, network.interleave(hardware.n_pe))
    variables: list[tuple[Any, Signal, int | None, int]] = []
    for pe in (None, *window.pes(hardware.n_pe)):
        for unit, table in TABLES.items():
            scope = f"eie.{unit}" if pe is None else f"eie.pe{pe}.{unit}"
            for signal in table:
                if signal.direction is Direction.OUTPUT and signal.per_pe == (pe is not None):
                    bits = signal.bits(sizes)
                    variables.append((writer.variable(scope, signal.name, bits), signal, pe, (1 << bits) - 1))
    last = [0] * len(variables)
    cycles = 0

    def observe(cycle: int, wires: Wires) -> None:
        nonlocal cycles
        cycles = cycle + 1
        if cycle < window.first_cycle or (window.end_cycle is not None and cycle >= window.end_cycle):
            return
        for place, (variable, signal, pe, mask) in enumerate(variables):
            value = _value(wires, signal, pe) & mask
            if value != last[place]:
                writer.change(variable, cycle, value)
                last[place] = value

    run_stepped(network, inputs, hardware, observe)
    return cycles


def _value(wires: Wires, signal: Signal, pe: int | None) -> int:
    value = wires[signal.name]
    return int(value if pe is None else np.asarray(value)[pe])
