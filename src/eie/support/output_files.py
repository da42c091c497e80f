"""Atomic writing of files, and checks of input paths."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from eie.errors import InputError

__all__ = ["atomic_folder", "atomic_write", "existing_file", "require_folder", "require_output"]


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds, remove it if it fails.

    Raises InputError if the folder is missing or cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        _require_place(path)
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


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder; rename it to `folder`, which must not exist yet, if the block succeeds.

    Raises InputError if `folder` exists, cannot be made, or the disk is full; nothing is left of it then.
    """
    if folder.exists():
        raise InputError(f"{folder} exists already: name a new folder")
    if not folder.parent.is_dir():
        raise InputError(f"cannot write {folder}: the folder {folder.parent} does not exist")
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            target = Path(temporary) / folder.name
            target.mkdir()
            yield target
            target.rename(folder)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error


def require_output(path: Path | None, what: str, endings: Sequence[str] = ()) -> None:
    """Raise InputError where `path`, which an error calls `what`, cannot be written or has none of the `endings`.

    For a command to call before it works for long; None, an output that is not asked for, is as it should be.
    """
    if path is None:
        return
    if endings and path.suffix.lower() not in endings:
        expected = f"{', '.join(endings[:-1])} or {endings[-1]}" if len(endings) > 1 else endings[0]
        raise InputError(f"the name of {what} must end in {expected}, not {path.name}")
    _require_place(path)
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write {path}: the folder {path.parent} is read-only")


def require_folder(path: Path | None) -> None:
    """Raise InputError where the folder `path` is not there and cannot be made; None is as it should be."""
    if path is None or path.is_dir():
        return
    if path.exists():
        raise InputError(f"cannot write into {path}: it is a file, expected a folder")
    above = next(one for one in path.absolute().parents if one.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise InputError(f"cannot make the folder {path}: {above} is no folder that can be written")


def _require_place(path: Path) -> None:
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {path.parent} does not exist")
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder, expected the name of a file")


def existing_file(path: str | Path, what: str) -> Path:
    """Return `path` as a Path; raise InputError, calling it `what`, if it is not an existing file."""
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{what} {path} is a folder, expected a file")
        if not path.is_file():
            raise InputError(f"{what} {path} does not exist")
    except OSError as error:  # a name too long, say
        raise InputError(f"{what} {path} cannot be read: {error.strerror}") from error
    if not os.access(path, os.R_OK):
        raise InputError(f"{what} {path} cannot be read: permission denied")
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
