"""Arrays that cannot change after they were checked: no other code has a view that could write to them."""

from __future__ import annotations

from mmap import mmap
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

__all__ = ["owned", "sealed"]

Array = TypeVar("Array", bound=npt.NDArray[Any])


def owned(array: Array) -> Array:
    """Return `array`, C-contiguous and permanently read-only; it is copied if other code could write to its memory.

    A view of read-only memory, such as a file mapped for reading, and an array returned before are not copied.
    """
    if array.flags.c_contiguous and _is_written_by_nobody(array):
        return array
    return cast("Array", sealed(np.array(array, order="C")))


def sealed(array: Array) -> Array:
    """Return `array`, to which no other reference may exist, as an array that cannot be made writable again."""
    return cast("Array", np.asarray(_Sealed(array)))


class _Sealed:
    """The owner of the memory of an array that `sealed` returned, which identifies it as such."""

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
    return isinstance(owner, _Sealed | bytes)  # an array that owns its memory could be made writable again
