"""The units' signals in GTKWave's fast signal trace: the content of the value change dump, compressed."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eie.chip.trace.recording import COMMENT, record_signals
from eie.chip.trace.states import Window
from eie.errors import EieError, InputError
from eie.model.network import Network
from eie.program.hardware import Hardware
from eie.support.extras import require
from eie.support.output_files import atomic_write

__all__ = ["write_fst"]

# Blocks of the file (fstapi.h): kind, 8 bytes of length, and in the header the times of begin and end, 8 bytes each.
_HEADER, _GEOMETRY, _HIERARCHY = b"\x00", b"\x03", {b"\x04", b"\x06", b"\x07"}
_HEADER_BYTES = 25


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

    Raises MissingExtra without pylibfst, and InputError for PEs that are not there and a file that is not whole.
    """
    require("an .fst trace", "pylibfst")
    with atomic_write(path) as temporary:
        # In a process of its own: the library maps its temporary files, and dies of a bus error where a disk is full.
        job = pickle.dumps((network, np.asarray(inputs), hardware, temporary, window))
        done = subprocess.run(
            [sys.executable, "-c", f"from {__name__} import _child; _child()"],
            input=job,
            capture_output=True,
            check=False,
        )
        Path(f"{temporary}.hier").unlink(missing_ok=True)  # the library's own, left where it died
        found = pickle.loads(done.stdout) if done.returncode == 0 else None
        if isinstance(found, EieError):
            raise found
        if not isinstance(found, int) or not _is_whole(temporary, found):
            raise InputError(f"cannot write {path}: the FST library lost a part of it, as it does where a disk is full")
    return found


def _child() -> None:
    """Do the work that stdin says, and say on stdout how many cycles were run, or what was wrong."""
    found: int | EieError
    try:
        found = _record(*pickle.load(sys.stdin.buffer))
    except EieError as error:
        found = error
    sys.stdout.buffer.write(pickle.dumps(found))


def _record(network: Network, inputs: npt.NDArray[Any], hardware: Hardware, path: Path, window: Window) -> int:
    writer = _Fst(path)
    cycles = 0
    try:
        cycles = record_signals(network, inputs, hardware, window, writer)
    finally:
        writer.close(cycles)  # it holds memory and files of its own, whatever has happened
    return cycles


def _is_whole(path: Path, cycles: int) -> bool:
    """Whether the file's blocks, each its kind and length first, are all there; the library tells of no error.

    The first is the header, with the time of the end; geometry and hierarchy come last.
    """
    size, at, end, kinds = path.stat().st_size, 0, -1, []
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            block = file.read(_HEADER_BYTES)
            kinds.append(block[:1])
            if at == 0:
                end = int.from_bytes(block[17:25], "big")
            at += 1 + int.from_bytes(block[1:9], "big")
    return (
        at == size and end == cycles and kinds[:1] == [_HEADER] and _GEOMETRY in kinds and bool(_HIERARCHY & {*kinds})
    )
