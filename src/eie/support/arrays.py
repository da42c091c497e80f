"""Arrays that stay as they were checked: nobody holds a view through which they could be written."""

from __future__ import annotations

from mmap import mmap
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

__all__ = ["owned", "sealed"]

Array = TypeVar("Array", bound=npt.NDArray[Any])


def owned(array: Array) -> Array:
    """Return `array`, C-contiguous and read-only for good; a copy of it where anyone else could write to its memory.

    Not copied is what is a view of read-only memory, as of a file mapped for reading, or what this has returned before.
    """
    if array.flags.c_contiguous and _is_written_by_nobody(array):
        return array
    return cast("Array", sealed(np.array(array, order="C")))


def sealed(array: Array) -> Array:
    """Return `array`, which nobody else holds, as an array that cannot be made writable again."""
    return cast("Array", np.asarray(_Sealed(array)))


class _Sealed:
    """What the arrays that `sealed` returns are views of, and by which they are known."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array = array  # keeps the memory
        interface = array.__array_interface__
        self.__array_interface__ = interface | {"data": (interface["data"][0], True)}  # True: read-only


def _is_written_by_nobody(array: npt.NDArray[Any]) -> bool:
    base: Any = array
    while isinstance(base, np.ndarray) and not base.flags.writeable:
        base = base.base
    owner = base.obj if isinstance(base, memoryview) else base
    if isinstance(owner, mmap):
        with memoryview(owner) as memory:
            return memory.readonly
    return isinstance(owner, _Sealed | bytes)  # even a read-only array can be made writable by who owns its memory
