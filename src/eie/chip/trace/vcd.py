"""The units' signals as a value change dump, for GTKWave and its like: written while the stepped chip runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eie.chip.hardware import Hardware
from eie.chip.stepped import run_stepped, signals
from eie.chip.stepped.signals import Direction, Signal
from eie.chip.stepped.unit import Wires
from eie.chip.trace.activity import Window
from eie.errors import MissingExtra
from eie.files import atomic_write
from eie.network import Network

__all__ = ["write_vcd"]

_TABLES = ("CCU", "LNZD", "ACT_QUEUE", "PTR_READ", "SPMAT_READ", "ARITHM_UNIT", "ACT_RW")
BITS = 32  # of every variable wider than one: simulators' viewers show numbers, not widths


def write_vcd(network: Network, inputs: npt.ArrayLike, hardware: Hardware, path: Path, window: Window) -> int:
    """Run `network` on the stepped chip and write its signals within `window`; return the cycles run.

    Raises MissingExtra without pyvcd, and InputError for PEs that are not there.
    """
    if importlib.util.find_spec("vcd") is None:
        raise MissingExtra("a .vcd trace", "pyvcd", "trace")
    from vcd import VCDWriter

    pes = window.pes(hardware.n_pe)
    cycles = 0
    with atomic_write(path) as temporary, temporary.open("w") as file:
        writer = VCDWriter(file, timescale="1 ns", comment="EIE, stepped simulator; 1 ns is a cycle")
        variables = []
        for table in _TABLES:
            for signal in getattr(signals, table):
                if signal.direction is not Direction.OUTPUT:
                    continue
                size = 1 if signal.width == "1" else BITS
                for pe in pes if signal.per_pe else (None,):
                    scope = f"eie.{table.lower()}" if pe is None else f"eie.pe{pe}.{table.lower()}"
                    variable = writer.register_var(scope, signal.name, "wire", size=size, init=0)
                    variables.append((variable, signal, pe, size))

        def observe(cycle: int, wires: Wires) -> None:
            nonlocal cycles
            cycles = cycle + 1
            if cycle < window.first_cycle or (window.end_cycle is not None and cycle >= window.end_cycle):
                return
            for variable, signal, pe, size in variables:
                writer.change(variable, cycle, _value(wires, signal, pe) & ((1 << size) - 1))

        run_stepped(network, inputs, hardware, observe)
        writer.close(cycles)
    return cycles


def _value(wires: Wires, signal: Signal, pe: int | None) -> int:
    value = wires[signal.name]
    return int(value if pe is None else np.asarray(value)[pe])
