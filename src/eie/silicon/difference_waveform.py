"""The cycles around a difference as a value change dump: the RTL's signals beside the stepped simulator's."""

from __future__ import annotations

from pathlib import Path

from eie.errors import InputError
from eie.silicon.cosimulation import Verification
from eie.silicon.record import COMPARED
from eie.support.extras import needed_for
from eie.support.output_files import atomic_write

__all__ = ["CYCLES_AROUND", "write_waveform"]

CYCLES_AROUND = 50


def write_waveform(found: Verification, path: Path) -> None:
    """Write the compared signals of both, CYCLES_AROUND cycles before and after the first difference.

    Raises InputError where there is none, MissingExtra without pyvcd.
    """
    if found.difference is None:
        raise InputError("there is no difference to write a waveform of")
    with needed_for("a waveform"):
        from vcd import VCDWriter

    first = max(0, found.difference.cycle - CYCLES_AROUND)
    with atomic_write(path) as temporary, temporary.open("w") as file:
        writer = VCDWriter(file, timescale="1 ns", comment=f"1 ns is a cycle; {found.difference}", init_timestamp=first)
        variables = []
        sizes = found.parameters.signal_sizes()
        for source, cycles in (("rtl", found.rtl_trace), ("stepped", found.stepped_trace)):
            for name, signal in COMPARED.items():
                places = cycles.dtype[name].shape
                for pe in range(places[0]) if places else (None,):
                    scope = source if pe is None else f"{source}.pe{pe}"
                    variables.append(
                        (cycles[name], pe, writer.register_var(scope, name, "wire", size=signal.bits(sizes), init=0))
                    )
        last = found.difference.cycle + CYCLES_AROUND
        for cycle in range(first, min(last, len(found.rtl_trace), len(found.stepped_trace))):
            for values, pe, variable in variables:
                writer.change(variable, cycle, int(values[cycle] if pe is None else values[cycle, pe]))
        writer.close()
