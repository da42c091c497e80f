"""Compressed layers as a `.net` file, the form of Deep Compression's authors: `eie.importers.dotnet` describes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eie.encoding.flat import flatten
from eie.errors import InputError
from eie.importers.dotnet import GAP_BITS
from eie.model.network import Layer
from eie.support.output_files import atomic_write

__all__ = ["write_dotnet"]


def write_dotnet(layers: Sequence[Layer], path: str | Path) -> None:
    """Write `layers` as a `.net` file. Raises InputError for codes of other than 4 or 8 bits."""
    streams = []
    for layer in layers:
        if layer.matrix.code_bits not in (4, 8):
            raise InputError(f"layer {layer.name} has codes of {layer.matrix.code_bits} bits, and .net holds 4 or 8")
        streams.append(flatten(layer.matrix, GAP_BITS))
    parts = [np.array([len(stream.codes) for stream in streams], "<u4").tobytes()]
    for layer, stream in zip(layers, streams, strict=True):
        bias = np.zeros(layer.outputs) if layer.bias is None else layer.bias
        parts += [layer.matrix.codebook.astype("<f4").tobytes(), bias.astype("<f4").tobytes()]
        codes = stream.codes if layer.matrix.code_bits == 8 else _nibbles(stream.codes)
        parts += [codes.tobytes(), _nibbles(stream.gaps).tobytes()]
    with atomic_write(path) as temporary:
        temporary.write_bytes(b"".join(parts))


def _nibbles(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Pack values below 16 two to a byte, the first in the low half."""
    pairs = np.pad(values, (0, len(values) % 2)).reshape(-1, 2)
    return (pairs[:, 0] | (pairs[:, 1] << 4)).astype(np.uint8)
