"""The units' signals as a value change dump, for GTKWave and its like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy.typing as npt

from eie.chip.trace.recording import COMMENT, record_signals
from eie.chip.trace.states import Window
from eie.model.network import Network
from eie.program.hardware import Hardware
from eie.support.extras import needed_for
from eie.support.output_files import atomic_write

if TYPE_CHECKING:
    from vcd import VCDWriter
    from vcd.writer import Variable

__all__ = ["write_vcd"]


class _Vcd:
    def __init__(self, writer: VCDWriter) -> None:
        self._writer = writer

    def variable(self, scope: str, name: str, bits: int) -> Variable[int]:
        return self._writer.register_var(scope, name, "wire", size=bits, init=0)

    def change(self, variable: Variable[int], cycle: int, value: int) -> None:
        self._writer.change(variable, cycle, value)


def write_vcd(network: Network, inputs: npt.ArrayLike, hardware: Hardware, path: Path, window: Window) -> int:
    """Run `network` on the stepped chip and write its signals within `window`; return the cycles run.

    Raises MissingExtra without pyvcd, and InputError for PEs that the chip does not have.
    """
    with needed_for("a .vcd trace"):
        from vcd import VCDWriter

    with atomic_write(path) as temporary, temporary.open("w") as file:
        writer = VCDWriter(file, timescale="1 ns", comment=COMMENT)
        cycles = record_signals(network, inputs, hardware, window, _Vcd(writer))
        writer.close(cycles)
    return cycles
