"""Saving and loading a network: the container, and each step between its document, its tensors and itself.

Saving writes a temporary file and renames it. Loading maps the file, copies nothing it need not, and checks everything:
the container (by safetensors), the document, sizes, and every pointer and entry.
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

from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.model.network import Layer, Network, Step
from eie.model.numerics import Formats
from eie.steps import Activation, Affine, Convolution, Dense, Image, Pooling, Recurrent, Window, Winograd
from eie.steps.winograd import PLACES
from eie.storage.documents import (
    FORMAT_VERSION,
    METADATA_KEY,
    ActivationDocument,
    AffineDocument,
    ConvolutionDocument,
    DenseDocument,
    FormatsDocument,
    ImageDocument,
    LinearDocument,
    NetworkDocument,
    PackedDocument,
    PoolingDocument,
    RecurrentDocument,
    StepDocument,
    WindowDocument,
    WinogradDocument,
    read_document,
)
from eie.storage.packing import Packed, pack, unpack
from eie.support.output_files import atomic_write, existing_file

__all__ = ["load", "save"]

LARGEST_BIAS_CODEBOOK = 256
LARGEST_UNPACKED_POINTERS = 2**30  # limits the memory that a small packed file can make us allocate

Tensors = dict[str, npt.NDArray[Any]]


def save(network: Network | Layer | InterleavedCSC, path: str | Path, *, packed: bool = False) -> None:
    """Write a network, a layer or a matrix to `path`.

    With `packed` codes and relative indices are Huffman-coded, for a file as small as can be; otherwise entries lie in
    it as the chip's memories hold them, and loading maps them. Raises InputError where it cannot be written.
    """
    network = Network.of(network)
    tensors: Tensors = {}
    layers = [_write_step(step, f"layers.{number}", tensors, packed) for number, step in enumerate(network)]
    document = NetworkDocument(format_version=FORMAT_VERSION, name=network.name, layers=layers)
    with atomic_write(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(tensors, {METADATA_KEY: document.model_dump_json()}))


def load(path: str | Path) -> Network:
    """Read a network from `path`, its arrays mapped from the file where they lie in it, and read-only.

    Raises InputError, naming the file and what is wrong with it, for anything that `save` does not write.
    """
    path = existing_file(path, "model file")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a whole safetensors file: {error}") from error
    if METADATA_KEY not in metadata:
        raise InputError(f"{path} is a safetensors file without an '{METADATA_KEY}' document: not a model of ours")
    try:
        document = read_document(metadata[METADATA_KEY])
        tensors = _map_tensors(path)
        steps = tuple(_read_step(step, f"layers.{number}", tensors) for number, step in enumerate(document.layers))
        if tensors:
            raise InputError(f"tensor {next(iter(tensors))} belongs to no layer")
        return Network(steps, document.name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _map_tensors(path: Path) -> Tensors:
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


def _take(tensors: Tensors, name: str) -> npt.NDArray[Any]:
    if name not in tensors:
        raise InputError(f"the tensor {name} is missing")
    return tensors.pop(name)


def _write_step(step: Step, place: str, tensors: Tensors, packed: bool) -> StepDocument:
    match step:
        case Layer() | Dense():
            return _write_product(step, place, tensors, packed)
        case Convolution():
            return ConvolutionDocument(
                kind="convolution",
                name=step.name,
                image=ImageDocument(**vars(step.image)),
                window=WindowDocument(**vars(step.window)),
                product=_write_product(step.product, f"{place}.product", tensors, packed),
            )
        case Winograd():
            tensors[f"{place}.bias"] = step.bias
            return WinogradDocument(
                kind="winograd",
                name=step.name,
                image=ImageDocument(**vars(step.image)),
                padding=step.padding,
                relu=step.relu,
                places=_write_layer(
                    Layer(f"{step.name}.places", InterleavedCSC.stack([product.matrix for product in step.places])),
                    f"{place}.places",
                    tensors,
                    packed,
                ),
                formats=[_formats_document(layer.formats) for layer in step.places],
            )
        case Recurrent():
            return RecurrentDocument(
                kind=step.cell,
                name=step.name,
                steps=step.steps,
                features=step.features,
                last_only=step.last_only,
                product=_write_product(step.product, f"{place}.product", tensors, packed),
            )
        case Pooling():
            return PoolingDocument(
                kind="max_pooling" if step.kind == "max" else "average_pooling",
                name=step.name,
                image=ImageDocument(**vars(step.image)),
                window=WindowDocument(**vars(step.window)),
            )
        case Activation():
            return ActivationDocument(kind="activation", name=step.name, size=step.size, function=step.function)
        case Affine():
            tensors |= {f"{place}.scale": step.scale, f"{place}.shift": step.shift}
            return AffineDocument(kind="affine", name=step.name, pixels=step.pixels)
    raise InputError(f"{step.name} is a {type(step).__name__}, which a model file does not hold")


def _read_step(document: StepDocument, place: str, tensors: Tensors) -> Step:
    if isinstance(document, LinearDocument | DenseDocument):
        return _read_product(document, place, tensors)
    try:
        match document:
            case ConvolutionDocument():
                return Convolution(
                    document.name,
                    _image(document.image),
                    _window(document.window),
                    _read_product(document.product, f"{place}.product", tensors),
                )
            case WinogradDocument():
                stacked = _read_layer(document.places, f"{place}.places", tensors).matrix
                blocks = stacked.row_blocks(max(1, stacked.outputs // PLACES))
                places = tuple(
                    Layer(f"{document.name}.{number}", block, formats=_formats(formats))
                    for number, (block, formats) in enumerate(zip(blocks, document.formats, strict=False))
                )
                bias = _floats(tensors, f"{place}.bias")
                return Winograd(document.name, _image(document.image), document.padding, places, bias, document.relu)
            case RecurrentDocument():
                product = _read_product(document.product, f"{place}.product", tensors)
                return Recurrent(
                    document.name, document.kind, document.steps, document.features, product, document.last_only
                )
            case PoolingDocument():
                kind: Literal["max", "average"] = "max" if document.kind == "max_pooling" else "average"
                return Pooling(document.name, _image(document.image), _window(document.window), kind)
            case ActivationDocument():
                return Activation(document.name, document.size, document.function)
            case AffineDocument():
                scale, shift = (_floats(tensors, f"{place}.{part}") for part in ("scale", "shift"))
                return Affine(document.name, document.pixels, scale, shift)
    except InputError as error:
        raise InputError(f"layer {document.name}: {error}") from error


def _formats_document(formats: Formats | None) -> FormatsDocument | None:
    return None if formats is None else FormatsDocument(**vars(formats))


def _formats(document: FormatsDocument | None) -> Formats | None:
    return None if document is None else Formats(**document.model_dump())


def _image(document: ImageDocument) -> Image:
    return Image(document.channels, document.height, document.width)


def _window(document: WindowDocument) -> Window:
    return Window(document.kernel, document.stride, document.padding)


def _floats(tensors: Tensors, name: str) -> npt.NDArray[np.float32]:
    array = _take(tensors, name)
    if array.dtype != np.float32:
        raise InputError(f"tensor {name} must be float32, not {array.dtype}")
    return array


def _write_product(
    product: Layer | Dense, place: str, tensors: Tensors, packed: bool
) -> LinearDocument | DenseDocument:
    if isinstance(product, Dense):
        tensors |= {f"{place}.weights": np.ascontiguousarray(product.weights), f"{place}.bias": product.bias}
        return DenseDocument(kind="dense", name=product.name, relu=product.relu)
    return _write_layer(product, place, tensors, packed)


def _write_layer(product: Layer, place: str, tensors: Tensors, packed: bool) -> LinearDocument:
    matrix = product.matrix
    matrix.validate()
    tensors[f"{place}.codebook"] = matrix.codebook
    stream = pack(matrix) if packed else None
    if stream is None:
        tensors |= {f"{place}.entries": matrix.entries, f"{place}.pointers": matrix.pointers}
    else:
        tensors |= {f"{place}.codes": stream.codes, f"{place}.gaps": stream.gaps}
    bias: Literal["none", "float32", "shared"] = "none"
    if product.bias is not None:
        values, places = np.unique(product.bias, return_inverse=True)
        bias = "shared" if packed and len(values) <= LARGEST_BIAS_CODEBOOK < len(places) else "float32"
        if bias == "shared":
            tensors |= {f"{place}.bias_codebook": values, f"{place}.bias_codes": places.astype(np.uint8)}
        else:
            tensors[f"{place}.bias"] = np.ascontiguousarray(product.bias)
    return LinearDocument(
        kind="linear",
        name=product.name,
        outputs=product.outputs,
        inputs=product.inputs,
        n_pe=matrix.n_pe,
        code_bits=matrix.code_bits,
        index_bits=matrix.index_bits,
        packed=None if stream is None else PackedDocument(index_bits=stream.index_bits, entries=stream.entries),
        relu=product.relu,
        bias=bias,
        formats=_formats_document(product.formats),
    )


def _read_product(document: LinearDocument | DenseDocument, place: str, tensors: Tensors) -> Layer | Dense:
    if isinstance(document, DenseDocument):
        weights, bias = (_floats(tensors, f"{place}.{part}") for part in ("weights", "bias"))
        return Dense(document.name, weights, bias, document.relu)
    return _read_layer(document, place, tensors)


def _read_layer(document: LinearDocument, place: str, tensors: Tensors) -> Layer:
    try:
        matrix = _read_matrix(document, place, tensors)
        matrix.validate()
        formats = _formats(document.formats)
        bias_values = _read_bias(document, place, tensors)
    except InputError as error:
        raise InputError(f"layer {document.name}: {error}") from error
    return Layer(document.name, matrix, bias_values, document.relu, formats)


def _read_matrix(document: LinearDocument, place: str, tensors: Tensors) -> InterleavedCSC:
    shape = (document.outputs, document.inputs)
    codebook = _floats(tensors, f"{place}.codebook")
    if document.packed is None:
        arrays = (_take(tensors, f"{place}.{part}") for part in ("entries", "pointers"))
        return InterleavedCSC(shape, document.n_pe, document.index_bits, document.code_bits, codebook, *arrays)
    if codebook.shape != (2**document.code_bits,):
        raise InputError(f"codebook must have shape {(2**document.code_bits,)}, not {codebook.shape}")
    if document.inputs * document.n_pe > LARGEST_UNPACKED_POINTERS:
        raise InputError(
            f"{document.inputs} inputs on {document.n_pe} PEs have more than {LARGEST_UNPACKED_POINTERS} pointers"
        )
    codes, gaps = (_take(tensors, f"{place}.{part}") for part in ("codes", "gaps"))
    stream = Packed(document.packed.index_bits, document.packed.entries, codes, gaps)
    return unpack(stream, shape, codebook, document.n_pe, document.index_bits)


def _read_bias(document: LinearDocument, place: str, tensors: Tensors) -> npt.NDArray[np.float32] | None:
    if document.bias == "none":
        return None
    if document.bias == "float32":
        return _floats(tensors, f"{place}.bias")
    values, places = _floats(tensors, f"{place}.bias_codebook"), _take(tensors, f"{place}.bias_codes")
    if values.ndim != 1 or places.dtype != np.uint8 or places.max(initial=0) >= len(values):
        raise InputError(f"bias_codes must be uint8 and below {values.size}, the values of bias_codebook")
    bias: npt.NDArray[np.float32] = values[places]
    return bias
