"""One cycle's record of the chip's signals: what the RTL and the stepped simulator are compared by.

Its fields are the signals that the tables of `chip/stepped/signals.py` show at the chip's ports.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from eie.chip.stepped.signals import TABLES, Direction, Signal
from eie.chip.stepped.unit import Wires

__all__ = ["COMPARED", "fields_macro", "record_of", "record_type", "unit_of"]

# In the order in which a difference is looked for in a cycle: the control unit's signals follow from the others'.
_DRIVER = {
    signal: unit
    for unit in sorted(TABLES, key=lambda unit: unit == "ccu")
    for signal in TABLES[unit]
    if signal.direction is Direction.OUTPUT and signal.shown
}
COMPARED = {signal.name: signal for signal in _DRIVER}


def unit_of(name: str) -> str:
    """Return the unit that drives a compared signal."""
    return _DRIVER[COMPARED[name]]


def record_type(n_pe: int) -> np.dtype[np.void]:
    """Return one cycle's record as the harness writes it."""
    return np.dtype(
        [(s.name, f"<u{_bytes(s)}", (n_pe,)) if s.per_pe else (s.name, f"<u{_bytes(s)}") for s in COMPARED.values()]
    )


def record_of(wires: Wires, record: np.dtype[np.void], sizes: Mapping[str, int]) -> np.ndarray:
    """Return the stepped chip's wires of one cycle as a record, 0 for what means nothing in it; (1,)."""
    one = np.zeros(1, record)
    for name, signal in COMPARED.items():
        if not signal.when or wires[signal.when]:
            one[name] = np.asarray(wires[name]) & ((1 << signal.bits(sizes)) - 1)
    return one


def fields_macro(sizes: Mapping[str, int]) -> str:
    """Return the record for the harness: FIELD(port, how many, bits of each, bytes of each) for each field in order."""
    places = {True: sizes["N"], False: 1}
    fields = (f"  FIELD({s.name}, {places[s.per_pe]}, {s.bits(sizes)}, {_bytes(s)})" for s in COMPARED.values())
    return "#define EIE_RECORD(FIELD) \\\n" + " \\\n".join(fields) + "\n"


def _bytes(signal: Signal) -> int:
    return 1 if signal.width == "1" else 4
