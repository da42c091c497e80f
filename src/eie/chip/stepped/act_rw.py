"""Activation read and write: two register files that swap roles, and the SRAM behind them.

Its rules: docs/hardware.md, A7, A8, B3, H3, M1, M2.
"""

from __future__ import annotations

import numpy as np

from eie.chip.stepped.signals import ACT_RW
from eie.chip.stepped.unit import Unit, Wires
from eie.numerics import Integers, saturate

__all__ = ["ActRw"]


class ActRw(Unit):
    """Registers: two files of R accumulators per PE, (R, N), source and destination. The SRAM holds rows of values."""

    signals = ACT_RW

    def __init__(self, n_pe: int, entries: int, value_bits: int) -> None:
        self._pes = np.arange(n_pe)
        self._value_bits = value_bits
        self._files = np.zeros((2, entries, n_pe), np.int64)
        self._source = 0
        self._relu = False
        self._sram_rows = np.zeros((entries, n_pe), np.int64)

    def write_source(self, rows: Integers) -> None:
        """I/O mode: fill the source file's first rows; what the host writes is not put through ReLU."""
        self._files[self._source, : len(rows)] = rows
        self._relu = False

    def write_batch(self, rows: Integers) -> None:
        """Choose the SRAM's rows that the next batch is loaded from, one a cycle."""
        self._sram_rows = rows
        self._relu = False

    def preset(self, rows: Integers) -> None:
        """Set the destination file's accumulators: the bias, or zeros."""
        self._files[1 - self._source] = 0
        self._files[1 - self._source, : len(rows)] = rows

    def read_destination(self, rows: int) -> Integers:
        """I/O mode: the destination file's first rows, A bits each."""
        return self._files[1 - self._source, :rows].copy()

    def swap(self, relu: bool) -> None:
        """Make the destination the source; `relu` is the layer's that has written it."""
        self._source = 1 - self._source
        self._relu = relu

    def propagate(self, wires: Wires) -> None:
        """Read a source row, saturated and after ReLU, and an accumulator per PE."""
        source, destination = self._files[self._source], self._files[1 - self._source]
        row = source[min(wires["row_address"], len(source) - 1)]
        row = saturate(row, self._value_bits)
        wires["source_row"] = np.maximum(row, 0) if self._relu else row
        wires["read_value"] = destination[wires["read_row"], self._pes]

    def update(self, wires: Wires) -> None:
        """Write the sums of the fourth stage; load a source row."""
        valid = wires["write_valid"]
        if valid.any():
            pes = self._pes[valid]
            self._files[1 - self._source, wires["write_row"][valid], pes] = wires["write_value"][valid]
        if wires["load_enable"]:
            self._files[self._source, wires["load_row"]] = self._sram_rows[wires["load_row"]]
