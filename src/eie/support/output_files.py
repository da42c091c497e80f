"""Atomic writing of files, and checks of input paths."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eie.errors import InputError

__all__ = ["atomic_write", "existing_file"]


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds, remove it if it fails.

    Raises InputError if the folder is missing or cannot be written, or the disk is full.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {path.parent} does not exist")
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder, expected the name of a file")
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp gives 0600; a result is an ordinary file
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def existing_file(path: str | Path, what: str) -> Path:
    """Return `path` as a Path; raise InputError, calling it `what`, if it is not an existing file."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{what} {path} is a folder, expected a file")
    if not path.is_file():
        raise InputError(f"{what} {path} does not exist")
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
