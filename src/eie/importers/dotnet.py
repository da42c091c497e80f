"""The `.net` files of Deep Compression's authors, read byte for byte.

In file order, little-endian: for all layers, uint32 entries; then for each its codebook, float32 of 16 or 256 values,
its bias, float32, its codes, 4-bit ones two to a byte and low nibble first, and its 4-bit gaps, packed likewise. The
entries are the flat stream of `eie.encoding.flat`. The file does not say which layers it has: a layout does.
"""

from __future__ import annotations

from collections import Counter
from importlib import resources
from math import prod
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from eie.encoding.csc import MAX_SIDE
from eie.encoding.flat import FlatStream, unflatten
from eie.encoding.sizes import matrix_bytes
from eie.errors import InputError
from eie.model.network import Layer
from eie.support.budget import check_budget
from eie.support.output_files import existing_file
from eie.support.toml import parse_toml, read_toml

__all__ = ["GAP_BITS", "LAYOUTS", "LayerLayout", "Layout", "load_layout", "read_dotnet"]

GAP_BITS = 4
LAYOUTS = ("squeezenet",)  # that come with the package

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]


class LayerLayout(BaseModel):
    """One layer: its name, its weights' shape, outputs first, and the bits of its codes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    shape: tuple[Side, ...] = Field(min_length=2, max_length=4)
    code_bits: Literal[4, 8]


class Layout(BaseModel):
    """The layers of a file, in its order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: tuple[LayerLayout, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = Counter(layer.name for layer in self.layers)
        for layer in self.layers:
            if names[layer.name] > 1:
                raise ValueError(f"{names[layer.name]} layers are called {layer.name!a}, expected one")
            if prod(layer.shape[1:]) > MAX_SIDE:
                raise ValueError(
                    f"layer {layer.name!a} has {prod(layer.shape[1:])} inputs, expected {MAX_SIDE} at most"
                )
        return self


def load_layout(source: str) -> Layout:
    """Return the layout called `source`, one of LAYOUTS or a TOML file. Raises InputError where it is neither."""
    if source in LAYOUTS:
        text = (resources.files("eie.importers") / "layouts" / f"{source}.toml").read_text(encoding="utf-8")
        return parse_toml(text, Layout, f"layout {source}")
    if not Path(source).exists() and not source.endswith(".toml"):
        raise InputError(f"there is no layout called {source}: it must be {', '.join(LAYOUTS)} or a TOML file")
    return read_toml(source, Layout, "layout")


def read_dotnet(path: str | Path, layout: Layout, n_pe: int = 64) -> tuple[Layer, ...]:
    """Return the layers of a `.net` file, each encoded for `n_pe` PEs, in its own codes and codebook.

    A convolution's matrix is (outputs, inputs x height x width). Raises InputError, naming the layer, where the file is
    not of this layout.
    """
    path = existing_file(path, ".net file")
    data = np.fromfile(path, np.uint8)
    reader = _Reader(data)
    try:
        counts = reader.take("the numbers of entries", np.dtype("<u4"), len(layout.layers))
        layers = tuple(_read_layer(reader, layer, int(n), n_pe) for layer, n in zip(layout.layers, counts, strict=True))
    except InputError as error:
        raise InputError(f"{path} is not a .net file of this layout: {error}") from error
    if reader.at != len(data):
        raise InputError(f"{path} is not a .net file of this layout: it has {len(data) - reader.at} bytes too many")
    return layers


class _Reader:
    """The bytes of a file, taken one array after the other."""

    def __init__(self, data: npt.NDArray[np.uint8]) -> None:
        self.data, self.at = data, 0

    def take(self, what: str, dtype: np.dtype[np.generic], count: int) -> npt.NDArray[np.generic]:
        end = self.at + count * dtype.itemsize
        if end > len(self.data):
            raise InputError(f"it ends at byte {len(self.data)}, within {what}, which take bytes {self.at} to {end}")
        array = self.data[self.at : end].view(np.uint8).copy().view(dtype)
        self.at = end
        return array

    def take_codes(self, what: str, bits: int, count: int) -> npt.NDArray[np.uint8]:
        if bits == 8:
            return self.take(what, np.dtype("u1"), count).astype(np.uint8)
        packed = self.take(what, np.dtype("u1"), -(-count // 2)).astype(np.uint8)
        return np.stack((packed & 15, packed >> 4), axis=1).ravel()[:count]


def _read_layer(reader: _Reader, layout: LayerLayout, entries: int, n_pe: int) -> Layer:
    name = layout.name
    floats = np.dtype("<f4")
    codebook = reader.take(f"the codebook of {name}", floats, 2**layout.code_bits).astype(np.float32)
    bias = reader.take(f"the bias of {name}", floats, layout.shape[0]).astype(np.float32)
    codes = reader.take_codes(f"the codes of {name}", layout.code_bits, entries)
    gaps = reader.take_codes(f"the gaps of {name}", GAP_BITS, entries)
    shape = (layout.shape[0], prod(layout.shape[1:]))
    check_budget(f"reading layer {name}", matrix_bytes(*shape, n_pe, layout.code_bits, GAP_BITS, entries))
    try:
        return Layer(name, unflatten(FlatStream(codes, gaps), shape, codebook, n_pe, GAP_BITS), bias)
    except InputError as error:
        raise InputError(f"layer {name}: {error}") from error
