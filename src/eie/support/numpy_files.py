"""Arrays from NumPy's files: nothing in them is unpickled, and whatever is wrong with one is one sentence."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eie.errors import InputError
from eie.support.budget import check_budget
from eie.support.output_files import existing_file

__all__ = ["read_npy", "read_npz"]


def read_npy(path: str | Path, what: str) -> npt.NDArray[Any]:
    """Read a .npy file of numbers; raise InputError, calling it `what`, where it is not one."""
    path = existing_file(path, what)
    try:
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged header can raise anything that Python's own parser does
        raise InputError(f"{what} {path} is not a whole .npy file of numbers: {_reason(error)}") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{what} {path} is an archive of arrays, expected a single .npy array")
    return _in_native_order(array)


def read_npz(path: str | Path, what: str) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of an .npz file by name; raise InputError, calling it `what`, where it is not one.

    Unpacked it may take no more than the budget.
    """
    path = existing_file(path, what)
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(one.file_size for one in archive.infolist())
            check_budget(f"unpacking {what} {path}", unpacked)
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy have no common error
        raise InputError(f"{what} {path} is not a whole .npz file of numbers: {_reason(error)}") from error
    for name, array in found.items():
        if not isinstance(array, np.ndarray):  # a member that is no .npy comes as its bytes
            raise InputError(f"{what} {path} is not a whole .npz file of numbers: {name} is no array")
    return {name: _in_native_order(array) for name, array in found.items()}


def _in_native_order(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the same numbers in this processor's order of bytes, the only one that PyTorch takes."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
