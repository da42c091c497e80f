"""The size of a program's code, measured: compiled for size where there is a compiler, its machine code counted."""

from __future__ import annotations

import shlex
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from eie.errors import InputError, ToolError

__all__ = ["CodeSize", "code_size"]

_FLAGS = ("-std=c99", "-Os")
_EXECUTABLE = 4  # SHF_EXECINSTR


@dataclass(frozen=True)
class CodeSize:
    """Bytes of machine code, without constants, and the command line that made it."""

    bytes: int
    command: str


def code_size(source: Path, compiler: str | None = None) -> CodeSize | None:
    """Compile `source` with the command `compiler` and return the size of its code.

    None stands for `cc`; where that is not there, or does not make ELF files, the answer is None. Raises InputError
    where a named compiler is not there, and ToolError where it fails.
    """
    try:
        command = shlex.split(compiler or "cc")
    except ValueError as error:
        raise InputError(f"the compiler must be a command with its flags, not {compiler}: {error}") from error
    if not command or shutil.which(command[0]) is None:
        if compiler is None:
            return None
        raise InputError(f"the compiler {compiler} is not installed: name one with its flags, such as gcc -m32")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "program.o"
        done = subprocess.run(
            [*command, *_FLAGS, "-c", str(source), "-o", str(out)], capture_output=True, text=True, check=False
        )
        if done.returncode or not out.is_file():
            if compiler is None:
                return None
            reason = next(
                (line for line in done.stderr.splitlines() if "error" in line), f"exit code {done.returncode}"
            )
            raise ToolError(f"{command[0]} does not compile the program: {reason}")
        found = _code_bytes(out.read_bytes())
    return None if found is None else CodeSize(found, shlex.join([*command, *_FLAGS]))


def _code_bytes(data: bytes) -> int | None:
    """Return the bytes of an ELF file's sections that hold machine code; None for another kind of file."""
    if data[:4] != b"\x7fELF":
        return None
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
    (table,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", data, 40 if wide else 32)
    entry_bytes, entries = struct.unpack_from(f"{order}HH", data, 58 if wide else 46)
    total = 0
    for place in range(table, table + entries * entry_bytes, entry_bytes):
        if wide:
            flags, size = (
                struct.unpack_from(f"{order}Q", data, place + 8)[0],
                struct.unpack_from(f"{order}Q", data, place + 32)[0],
            )
        else:
            flags, size = (
                struct.unpack_from(f"{order}I", data, place + 8)[0],
                struct.unpack_from(f"{order}I", data, place + 20)[0],
            )
        total += size if flags & _EXECUTABLE else 0
    return total
