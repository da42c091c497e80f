"""The model file: a network as safetensors, its facts as one JSON document in its metadata (docs/format.md).

Saving writes a temporary file and renames it. Loading maps the file, copies nothing it need not, and checks everything:
the container (by safetensors), the document (by the models below), sizes, and every pointer and entry.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eie.csc import MAX_PES, MAX_SIDE, InterleavedCSC
from eie.errors import InputError
from eie.files import atomic_write, existing_file
from eie.network import Layer, Network
from eie.numerics import Formats

__all__ = ["FORMAT_VERSION", "load", "save"]

FORMAT_VERSION = 1
_METADATA_KEY = "eie"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _FormatsDocument(_Document):
    activation_fraction: int
    codebook_fraction: int
    value_bits: int
    accumulator_bits: int


class _LayerDocument(_Document):
    kind: Literal["linear"]
    name: str
    outputs: int = Field(ge=1, le=MAX_SIDE)
    inputs: int = Field(ge=1, le=MAX_SIDE)
    n_pe: int = Field(ge=1, le=MAX_PES)
    code_bits: int = Field(ge=1, le=8)
    index_bits: int = Field(ge=1, le=8)
    relu: bool
    bias: bool
    formats: _FormatsDocument | None


class _NetworkDocument(_Document):
    format_version: int
    name: str
    layers: list[_LayerDocument]


def save(path: str | Path, network: Network | Layer) -> None:
    """Write `network`, or a network of one layer, to `path`. Raises InputError where it cannot be written."""
    if isinstance(network, Layer):
        network = Network((network,), network.name)
    tensors: dict[str, npt.NDArray[Any]] = {}
    layers = []
    for number, layer in enumerate(network):
        matrix = layer.matrix
        matrix.validate()
        tensors |= {
            _tensor(number, "codebook"): matrix.codebook,
            _tensor(number, "entries"): matrix.entries,
            _tensor(number, "pointers"): matrix.pointers,
        }
        if layer.bias is not None:
            tensors[_tensor(number, "bias")] = np.ascontiguousarray(layer.bias)
        layers.append(
            _LayerDocument(
                kind="linear",
                name=layer.name,
                outputs=layer.outputs,
                inputs=layer.inputs,
                n_pe=matrix.n_pe,
                code_bits=matrix.code_bits,
                index_bits=matrix.index_bits,
                relu=layer.relu,
                bias=layer.bias is not None,
                formats=None if layer.formats is None else _FormatsDocument(**vars(layer.formats)),
            )
        )
    document = _NetworkDocument(format_version=FORMAT_VERSION, name=network.name, layers=layers)
    with atomic_write(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(tensors, {_METADATA_KEY: document.model_dump_json()}))


def load(path: str | Path) -> Network:
    """Read a network from `path`, its arrays mapped from the file and read-only.

    Raises InputError, naming the file and what is wrong with it, for anything that `save` does not write.
    """
    path = existing_file(path, "model file")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a whole safetensors file: {error}") from error
    if _METADATA_KEY not in metadata:
        raise InputError(f"{path} is a safetensors file without an '{_METADATA_KEY}' document: not a model of ours")
    try:
        document = _read_document(metadata[_METADATA_KEY])
        tensors = _map_tensors(path)
        layers = tuple(_read_layer(layer, number, tensors) for number, layer in enumerate(document.layers))
        if tensors:
            raise InputError(f"tensor {next(iter(tensors))} belongs to no layer")
        return Network(layers, document.name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _tensor(number: int, part: str) -> str:
    return f"layers.{number}.{part}"


def _read_document(text: str) -> _NetworkDocument:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the '{_METADATA_KEY}' document is not JSON: {error}") from error
    version = raw.get("format_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise InputError(
            f"format version {version} is newer than this program, which reads up to {FORMAT_VERSION}: update eie"
        )
    if version != FORMAT_VERSION:
        raise InputError(f"format_version must be {FORMAT_VERSION}, not {version!r}")
    try:
        return _NetworkDocument.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InputError(f"{place} in the '{_METADATA_KEY}' document is wrong: {first['msg']}") from error


def _map_tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return every tensor as a view of the mapped file, whose header safetensors has checked."""
    data = np.memmap(path, np.uint8, mode="r")
    (header_bytes,) = struct.unpack("<Q", data[:8].tobytes())
    header = json.loads(data[8 : 8 + header_bytes].tobytes())
    header.pop("__metadata__", None)
    dtypes: dict[str, np.dtype[Any]] = {
        "U8": np.dtype("u1"),
        "U16": np.dtype("<u2"),
        "U32": np.dtype("<u4"),
        "F32": np.dtype("<f4"),
    }
    tensors = {}
    for name, facts in header.items():
        if facts["dtype"] not in dtypes:
            raise InputError(f"tensor {name} has type {facts['dtype']}, expected one of {', '.join(dtypes)}")
        first, end = (8 + header_bytes + offset for offset in facts["data_offsets"])
        array = data[first:end].view(np.ndarray).view(dtypes[facts["dtype"]]).reshape(facts["shape"])
        tensors[name] = array if array.flags.aligned else array.copy()
    return tensors


def _read_layer(document: _LayerDocument, number: int, tensors: dict[str, npt.NDArray[Any]]) -> Layer:
    def take(part: str) -> npt.NDArray[Any]:
        name = _tensor(number, part)
        if name not in tensors:
            raise InputError(f"the tensor {name} is missing")
        return tensors.pop(name)

    try:
        matrix = InterleavedCSC(
            (document.outputs, document.inputs),
            document.n_pe,
            document.index_bits,
            document.code_bits,
            take("codebook"),
            take("entries"),
            take("pointers"),
        )
        matrix.validate()
        bias = take("bias") if document.bias else None
        formats = None if document.formats is None else Formats(**document.formats.model_dump())
    except InputError as error:
        raise InputError(f"layer {document.name}: {error}") from error
    return Layer(document.name, matrix, bias, document.relu, formats)
