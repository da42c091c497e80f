"""Activation read and write: two register files that swap roles, and the SRAM behind them.

Its rules: docs/hardware.md, A7, A8, B3, H3, L1, M1, M2.
"""

from __future__ import annotations

import numpy as np

from eie.chip.stepped.signals import ACT_RW
from eie.chip.stepped.unit import Unit, Wires
from eie.model.numerics import Integers, saturate

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
        self._sram = np.zeros((0, n_pe), np.int64)
        self._first_row = 0

    def write_sram(self, rows: Integers) -> None:
        """I/O mode: fill the SRAM with the rows that batches are loaded from."""
        self._sram = rows.copy()

    def write_source(self, rows: Integers, source: int) -> None:
        """I/O mode: fill the first rows of the source file, which is file `source`."""
        self._files[source, : len(rows)] = rows

    def preset(self, rows: Integers, source: int) -> None:
        """I/O mode: set the destination file's accumulators to the bias, the others to zero."""
        self._files[1 - source] = 0
        self._files[1 - source, : len(rows)] = rows

    def read_destination(self, rows: int, source: int) -> Integers:
        """I/O mode: the destination file's first rows, A bits each."""
        return self._files[1 - source, :rows].copy()

    def start(self, first_row: int, source: int, relu: bool) -> None:
        """Begin a step: file `source` is read, through ReLU or not, and loaded; SRAM rows begin at `first_row`."""
        self._source = source
        self._relu = relu
        self._first_row = first_row

    def read_sram(self, first_row: int, rows: int) -> Integers:
        """Return rows of the SRAM, (rows, N)."""
        return self._sram[first_row : first_row + rows].copy()

    def source_values(self, rows: int) -> Integers:
        """Return the source file's first rows as they are read: saturated, after ReLU; (rows, N)."""
        return self._read(slice(rows))

    def propagate(self, wires: Wires) -> None:
        """Read a source row, saturated and after ReLU, and an accumulator per PE."""
        entries = self._files.shape[1]
        wires["source_row"] = self._read(min(wires["row_address"], entries - 1))
        wires["read_value"] = self._files[1 - self._source][wires["read_row"], self._pes]

    def update(self, wires: Wires) -> None:
        """Write the sums of the fourth stage; load a source row, or store one."""
        valid = wires["write_valid"]
        if valid.any():
            pes = np.broadcast_to(self._pes, valid.shape)[valid]
            self._files[1 - self._source, wires["write_row"][valid], pes] = wires["write_value"][valid]
        if wires["load_enable"]:
            self._files[self._source, wires["load_row"]] = self._sram[self._first_row + wires["load_row"]]
        if wires["store_enable"]:
            self._sram[self._first_row + wires["load_row"]] = self._read(wires["load_row"])

    def _read(self, rows: int | slice) -> Integers:
        values = saturate(self._files[self._source, rows], self._value_bits)
        return np.maximum(values, 0) if self._relu else values
