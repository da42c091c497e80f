"""The container of a model file: a safetensors file, its metadata and its tensors as views of the mapped file."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors

from eie.errors import InputError
from eie.storage.documents import METADATA_KEY

__all__ = ["Tensors", "map_tensors", "read_metadata"]

Tensors = dict[str, npt.NDArray[Any]]

_TYPES: dict[str, np.dtype[Any]] = {
    "U8": np.dtype("u1"),
    "U16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
    "F32": np.dtype("<f4"),
}
_LARGEST_SIZE = 2**40  # of one dimension: beyond any file, and well within what NumPy counts with


def read_metadata(path: Path) -> str:
    """Return the document's text. Raises InputError for what is no whole safetensors file or none of ours."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a whole safetensors file: {_one_line(error)}") from error
    if METADATA_KEY not in metadata:
        raise InputError(f"{path} is a safetensors file without an '{METADATA_KEY}' document: not a model of ours")
    if len(metadata) > 1:
        others = ", ".join(sorted(name for name in metadata if name != METADATA_KEY))
        raise InputError(f"{path}: the metadata must have the one key '{METADATA_KEY}', not {others!r} as well")
    document: str = metadata[METADATA_KEY]
    return document


def map_tensors(path: Path) -> Tensors:
    """Return every tensor as a view of the mapped file, whose header safetensors has checked."""
    data = np.memmap(path, np.uint8, mode="r")
    (header_bytes,) = struct.unpack("<Q", data[:8].tobytes())
    header = json.loads(data[8 : 8 + header_bytes].tobytes())
    header.pop("__metadata__", None)
    tensors = {}
    for name, facts in header.items():
        kind, shape = facts["dtype"], facts["shape"]
        if not name.isprintable():
            raise InputError(f"a tensor's name must have printable characters only, not {name!a}")
        if kind not in _TYPES:
            raise InputError(f"tensor {name} has type {kind}, expected one of {', '.join(_TYPES)}")
        if len(shape) not in (1, 2) or max(shape) > _LARGEST_SIZE:
            raise InputError(
                f"tensor {name} has {len(shape)} dimensions, of {max(shape, default=0)} at most, expected 1 or 2, of "
                f"{_LARGEST_SIZE} at most"
            )
        first, end = (8 + header_bytes + offset for offset in facts["data_offsets"])
        array = data[first:end].view(np.ndarray).view(_TYPES[kind]).reshape(shape)
        tensors[name] = array if array.flags.aligned else array.copy()
    return tensors


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
