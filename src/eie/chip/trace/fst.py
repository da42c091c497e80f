"""The units' signals in GTKWave's fast signal trace: the content of the value change dump, compressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt

from eie.chip.trace.recording import COMMENT, record_signals
from eie.chip.trace.states import Window
from eie.errors import InputError
from eie.model.network import Network
from eie.program.hardware import Hardware
from eie.support.extras import require
from eie.support.output_files import atomic_write

__all__ = ["write_fst"]


class _Fst:
    """Opens and closes scopes as variables are declared; a variable has the value 0 at time 0 unless changed then."""

    def __init__(self, path: Path) -> None:
        from pylibfst import ffi, lib

        self._lib, self._null = lib, ffi.NULL
        self._context = lib.fstWriterCreate(str(path).encode(), 1)
        if self._context == ffi.NULL:
            raise InputError(f"cannot write {path}: the FST library has not opened it")
        lib.fstWriterSetTimescaleFromString(self._context, b"1ns")
        lib.fstWriterSetComment(self._context, COMMENT.encode())
        self._scope: list[str] = []
        self._time = -1  # nothing is written yet
        self._begin: dict[tuple[Any, int], int] = {}  # values at time 0

    def variable(self, scope: str, name: str, bits: int) -> tuple[Any, int]:
        parts = scope.split(".")
        while self._scope != parts[: len(self._scope)]:
            self._lib.fstWriterSetUpscope(self._context)
            self._scope.pop()
        for part in parts[len(self._scope) :]:
            self._lib.fstWriterSetScope(self._context, self._lib.FST_ST_VCD_MODULE, part.encode(), self._null)
            self._scope.append(part)
        handle = self._lib.fstWriterCreateVar(
            self._context, self._lib.FST_VT_VCD_WIRE, self._lib.FST_VD_IMPLICIT, bits, name.encode(), 0
        )
        self._begin[handle, bits] = 0
        return handle, bits

    def change(self, variable: tuple[Any, int], cycle: int, value: int) -> None:
        if cycle == 0:
            self._begin[variable] = value
            return
        self._advance(cycle)
        self._emit(variable, value)

    def close(self, cycles: int) -> None:
        self._advance(cycles)
        self._lib.fstWriterClose(self._context)

    def _advance(self, cycle: int) -> None:
        if self._time < 0:
            self._time = 0
            self._lib.fstWriterEmitTimeChange(self._context, 0)
            for variable, value in self._begin.items():
                self._emit(variable, value)
        if cycle != self._time:
            self._time = cycle
            self._lib.fstWriterEmitTimeChange(self._context, cycle)

    def _emit(self, variable: tuple[Any, int], value: int) -> None:
        self._lib.fstWriterEmitValueChange32(self._context, *variable, value)


def write_fst(network: Network, inputs: npt.ArrayLike, hardware: Hardware, path: Path, window: Window) -> int:
    """Run `network` on the stepped chip and write its signals within `window`; return the cycles run.

    Raises MissingExtra without pylibfst, and InputError for PEs that the chip does not have.
    """
    require("an .fst trace", "pylibfst")
    with atomic_write(path) as temporary:
        writer = _Fst(temporary)
        cycles = 0
        try:
            cycles = record_signals(network, inputs, hardware, window, writer)
        finally:
            writer.close(cycles)  # also after an error: it holds memory and open files
    return cycles
