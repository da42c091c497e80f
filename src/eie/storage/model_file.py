"""Saving and loading a network: the container, and each step between its document, its tensors and itself.

Saving writes a temporary file and renames it. Loading maps the file, copies nothing it need not, and checks everything:
the container (by safetensors), the document, sizes, and every pointer and entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from pydantic import ValidationError

from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.model.network import Layer, Network, Port, Step
from eie.model.numerics import Formats
from eie.steps import (
    Activation,
    Affine,
    Attention,
    Convolution,
    Dense,
    Embedding,
    Gather,
    Image,
    Matmul,
    Normalisation,
    Pooling,
    Product,
    Recurrent,
    Reduction,
    Rows,
    Sum,
    Window,
    Winograd,
)
from eie.steps.gather import Strides, strided
from eie.steps.winograd import PLACES
from eie.storage.budget import loading_bytes, running_bytes
from eie.storage.container import Tensors, map_tensors, read_metadata
from eie.storage.documents import (
    METADATA_KEY,
    ActivationDocument,
    AffineDocument,
    AttentionDocument,
    CombinationDocument,
    ConvolutionDocument,
    DenseDocument,
    EmbeddingDocument,
    FormatsDocument,
    GatherDocument,
    ImageDocument,
    InputDocument,
    LinearDocument,
    MatmulDocument,
    NetworkDocument,
    NormalisationDocument,
    PackedDocument,
    PoolingDocument,
    RecurrentDocument,
    ReductionDocument,
    RowsDocument,
    StepDocument,
    StridesDocument,
    TransposedDocument,
    WindowDocument,
    WinogradDocument,
    first_problem,
    linear_document,
    read_document,
)
from eie.storage.packing import Packed, pack, unpack
from eie.storage.ties import linear_of, ties
from eie.support.budget import budget, check_budget
from eie.support.output_files import atomic_write, existing_file

__all__ = ["load", "save"]

LARGEST_BIAS_CODEBOOK = 256


def save(network: Network | Layer | InterleavedCSC, path: str | Path, *, packed: bool = False) -> None:
    """Write a network, a layer or a matrix to `path`.

    With `packed` codes and relative indices are Huffman-coded, for a file as small as can be; otherwise entries lie in
    it as the chip's memories hold them, and loading maps them. Raises InputError where it cannot be written.
    """
    network = Network.of(network)
    tensors: Tensors = {}
    try:
        tied = ties(network)
        layers = [
            _with_sources(
                _write_step(step, f"layers.{number}", tensors, packed, tied.get(number)), number, network.reads[number]
            )
            for number, step in enumerate(network)
        ]
        inputs = [InputDocument(name=port.name, shape=list(port.shape), whole=port.whole) for port in network.ports]
        optional = _optional(state=(network.state, 0)) | ({"inputs": inputs} if inputs else {})
        document = NetworkDocument.of(network.name, layers, **optional)
    except ValidationError as error:
        raise InputError(f"a model file cannot hold network {network.name!r}: {first_problem(error)}") from error
    with atomic_write(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(tensors, {METADATA_KEY: document.text()}))


def load(path: str | Path, *, budget_bytes: int | None = None) -> Network:
    """Read a network from `path`, its arrays mapped from the file where they lie in it, and read-only.

    `budget_bytes` is the most memory that loading and running it may take, as
    `eie.storage.budget` counts it; without it EIE_BUDGET_BYTES is, or 2 GiB. Raises
    InputError, naming the file and what is wrong with it, for anything that `save` does not write, and for a file that
    may take more than its budget.
    """
    allowed = budget(budget_bytes)
    path = existing_file(path, "model file")
    text = read_metadata(path)
    try:
        document = read_document(text)
        tensors = map_tensors(path)
        loading = loading_bytes(document, {name: array.size for name, array in tensors.items()})
        check_budget("loading and running it", loading, allowed)
        steps = _read_steps(document.layers, tensors)
        if tensors:
            raise InputError(f"tensor {next(iter(tensors))} belongs to no layer")
        sources = tuple(
            (number - 1,) if step.sources is None else tuple(step.sources)
            for number, step in enumerate(document.layers)
        )
        ports = tuple(Port(port.name, tuple(port.shape), port.whole) for port in document.inputs)
        network = Network(steps, document.name, sources, document.state, ports)
        check_budget("loading and running it", loading + running_bytes(network), allowed)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except MemoryError as error:
        raise InputError(f"{path}: there is not enough memory to load it") from error
    return network


def _take(tensors: Tensors, name: str) -> npt.NDArray[Any]:
    if name not in tensors:
        raise InputError(f"the tensor {name} is missing")
    return tensors.pop(name)


def _with_sources(document: StepDocument, number: int, sources: tuple[int, ...]) -> StepDocument:
    return document if sources == (number - 1,) else document.model_copy(update={"sources": list(sources)})


def _optional(**fields: tuple[int, int]) -> dict[str, Any]:
    """Return the optional fields that are to be written, each given as its value and what it is without."""
    return {name: value for name, (value, usual) in fields.items() if value != usual}


def _write_step(step: Step, place: str, tensors: Tensors, packed: bool, tied_to: int | None = None) -> StepDocument:
    match step:
        case Embedding() if tied_to is not None:
            turned = _transposed_document(step.product, tied_to)
            return EmbeddingDocument(kind="embedding", name=step.name, places=step.places, product=turned)
        case Layer() | Dense():
            return _write_product(step, place, tensors, packed)
        case Convolution():
            return ConvolutionDocument(
                kind="convolution",
                name=step.name,
                image=ImageDocument(**vars(step.image)),
                window=_window_document(step.window),
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
                **_optional(takes_state=(step.takes_state, False), gives_memory=(step.gives_memory, False)),
            )
        case Pooling():
            return PoolingDocument(
                kind="max_pooling" if step.kind == "max" else "average_pooling",
                name=step.name,
                image=ImageDocument(**vars(step.image)),
                window=_window_document(step.window),
            )
        case Activation():
            facts = _optional(rows=(step.rows, 1))
            return ActivationDocument(
                kind="activation", name=step.name, size=step.size, function=step.function, **facts
            )
        case Affine():
            tensors |= {f"{place}.scale": step.scale, f"{place}.shift": step.shift}
            return AffineDocument(kind="affine", name=step.name, pixels=step.pixels, **_optional(rows=(step.rows, 1)))
        case Sum() | Product():
            kind: Literal["sum", "product"] = "sum" if isinstance(step, Sum) else "product"
            return CombinationDocument(kind=kind, name=step.name, size=step.size, terms=step.terms)
        case Matmul():
            return MatmulDocument(kind="matmul", **vars(step))
        case Attention():
            return AttentionDocument(kind="attention", **vars(step))
        case Gather():
            pattern = strided(step.index)
            if pattern is None:
                tensors[f"{place}.index"] = step.index.view(np.uint32)
                return GatherDocument(kind="gather", name=step.name, size=step.size, strides=None)
            shape, strides = list(pattern.shape), list(pattern.strides)
            few = StridesDocument(offset=pattern.offset, shape=shape, strides=strides)
            return GatherDocument(kind="gather", name=step.name, size=step.size, strides=few)
        case Rows():
            product = _write_product(step.product, f"{place}.product", tensors, packed)
            return RowsDocument(kind="rows", name=step.name, rows=step.rows, product=product)
        case Embedding():
            product = _write_product(step.product, f"{place}.product", tensors, packed)
            return EmbeddingDocument(kind="embedding", name=step.name, places=step.places, product=product)
        case Normalisation():
            return NormalisationDocument(kind="normalisation", **vars(step))
        case Reduction():
            return ReductionDocument(kind="reduction", **vars(step))
    raise InputError(f"{step.name} is a {type(step).__name__}, which a model file does not hold")


def _transposed_document(table: Layer | Dense, of: int) -> TransposedDocument:
    if isinstance(table, Dense):
        return TransposedDocument(kind="transposed", name=table.name, of=of, n_pe=None, index_bits=None, formats=None)
    return TransposedDocument(
        kind="transposed",
        name=table.name,
        of=of,
        n_pe=table.matrix.n_pe,
        index_bits=table.matrix.index_bits,
        formats=_formats_document(table.formats),
    )


def _read_steps(documents: Sequence[StepDocument], tensors: Tensors) -> tuple[Step, ...]:
    """Return the steps; those that have the weights of another are read after it."""
    steps: dict[int, Step] = {}
    turned: list[tuple[int, EmbeddingDocument, TransposedDocument]] = []
    for number, document in enumerate(documents):
        if isinstance(document, EmbeddingDocument) and isinstance(document.product, TransposedDocument):
            turned.append((number, document, document.product))
        else:
            steps[number] = _read_step(document, f"layers.{number}", tensors)
    for number, document, table in turned:
        linear_document(documents, table)  # raises the error that says what is wrong
        product = linear_of(steps[table.of])
        assert product is not None
        try:
            steps[number] = Embedding(document.name, document.places, _turned(product, table))
        except InputError as error:
            raise InputError(f"layer {document.name}: {error}") from error
    return tuple(steps[number] for number in range(len(documents)))


def _turned(product: Layer | Dense, document: TransposedDocument) -> Layer | Dense:
    if isinstance(product, Dense):
        weights = np.ascontiguousarray(product.weights.T)
        return Dense(document.name, weights, np.zeros(len(weights), np.float32))
    matrix = product.matrix.transpose(document.n_pe, document.index_bits)
    return Layer(document.name, matrix, formats=_formats(document.formats))


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
                places = _read_places(document, place, tensors)
                bias = _floats(tensors, f"{place}.bias")
                return Winograd(document.name, _image(document.image), document.padding, places, bias, document.relu)
            case RecurrentDocument():
                product = _read_product(document.product, f"{place}.product", tensors)
                return Recurrent(
                    document.name,
                    document.kind,
                    document.steps,
                    document.features,
                    product,
                    document.last_only,
                    document.takes_state,
                    document.gives_memory,
                )
            case PoolingDocument():
                kind: Literal["max", "average"] = "max" if document.kind == "max_pooling" else "average"
                return Pooling(document.name, _image(document.image), _window(document.window), kind)
            case ActivationDocument():
                return Activation(document.name, document.size, document.function, document.rows)
            case AffineDocument():
                scale, shift = (_floats(tensors, f"{place}.{part}") for part in ("scale", "shift"))
                return Affine(document.name, document.pixels, scale, shift, document.rows)
            case CombinationDocument():
                combine = Sum if document.kind == "sum" else Product
                return combine(document.name, document.size, document.terms)
            case MatmulDocument():
                return Matmul(document.name, document.count, document.rows, document.inner, document.columns)
            case AttentionDocument():
                sizes = (document.rows, document.heads, document.width, document.capacity)
                return Attention(document.name, *sizes, document.scale)
            case GatherDocument():
                return Gather(document.name, document.size, _read_index(document, place, tensors))
            case RowsDocument():
                return Rows(document.name, document.rows, _read_product(document.product, f"{place}.product", tensors))
            case EmbeddingDocument(product=LinearDocument() | DenseDocument() as table):
                return Embedding(document.name, document.places, _read_product(table, f"{place}.product", tensors))
            case NormalisationDocument():
                return Normalisation(document.name, document.rows, document.size, document.epsilon, document.centred)
            case ReductionDocument():
                return Reduction(document.name, document.rows, document.size, document.function)
    except InputError as error:
        raise InputError(f"layer {document.name}: {error}") from error
    raise TypeError(type(document))


def _read_index(document: GatherDocument, place: str, tensors: Tensors) -> npt.NDArray[np.signedinteger]:
    if document.strides is not None:
        return Strides(document.strides.offset, tuple(document.strides.shape), tuple(document.strides.strides)).places()
    index = _take(tensors, f"{place}.index")
    if index.dtype != np.uint32:
        raise InputError(f"tensor {place}.index must be uint32, not {index.dtype}")
    return index.view(np.int32)


def _read_places(document: WinogradDocument, place: str, tensors: Tensors) -> tuple[Layer, ...]:
    stacked = _read_layer(document.places, f"{place}.places", tensors)
    if stacked.outputs % PLACES:
        raise InputError(
            f"its places must have {PLACES} times as many rows as there are filters, not {stacked.outputs}"
        )
    if stacked.bias is not None or stacked.relu or stacked.formats is not None:
        raise InputError("its places must have no bias, no ReLU and no formats: those are the convolution's")
    blocks = stacked.matrix.row_blocks(stacked.outputs // PLACES)
    return tuple(
        Layer(f"{document.name}.{number}", block, formats=_formats(formats))
        for number, (block, formats) in enumerate(zip(blocks, document.formats, strict=True))
    )


def _formats_document(formats: Formats | None) -> FormatsDocument | None:
    return None if formats is None else FormatsDocument(**vars(formats))


def _formats(document: FormatsDocument | None) -> Formats | None:
    return None if document is None else Formats(**document.model_dump())


def _image(document: ImageDocument) -> Image:
    return Image(document.channels, document.height, document.width)


def _window(document: WindowDocument) -> Window:
    return Window(document.kernel, document.stride, document.padding, document.dilation)


def _window_document(window: Window) -> WindowDocument:
    facts = vars(window) if window.dilation != (1, 1) else {k: v for k, v in vars(window).items() if k != "dilation"}
    return WindowDocument(**facts)


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
        facts = _optional(groups=(product.groups, 1))
        return DenseDocument(kind="dense", name=product.name, relu=product.relu, **facts)
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
        **_optional(groups=(product.groups, 1)),
    )


def _read_product(document: LinearDocument | DenseDocument, place: str, tensors: Tensors) -> Layer | Dense:
    if isinstance(document, DenseDocument):
        weights, bias = (_floats(tensors, f"{place}.{part}") for part in ("weights", "bias"))
        return Dense(document.name, weights, bias, document.relu, document.groups)
    return _read_layer(document, place, tensors)


def _read_layer(document: LinearDocument, place: str, tensors: Tensors) -> Layer:
    try:
        matrix = _read_matrix(document, place, tensors)
        matrix.validate()
        formats = _formats(document.formats)
        bias_values = _read_bias(document, place, tensors)
    except InputError as error:
        raise InputError(f"layer {document.name}: {error}") from error
    return Layer(document.name, matrix, bias_values, document.relu, formats, document.groups)


def _read_matrix(document: LinearDocument, place: str, tensors: Tensors) -> InterleavedCSC:
    shape = (document.outputs, document.inputs)
    codebook = _floats(tensors, f"{place}.codebook")
    if document.packed is None:
        arrays = (_take(tensors, f"{place}.{part}") for part in ("entries", "pointers"))
        return InterleavedCSC(shape, document.n_pe, document.index_bits, document.code_bits, codebook, *arrays)
    if codebook.shape != (2**document.code_bits,):
        raise InputError(f"codebook must have shape {(2**document.code_bits,)}, not {codebook.shape}")
    codes, gaps = (_take(tensors, f"{place}.{part}") for part in ("codes", "gaps"))
    stream = Packed(document.packed.index_bits, document.packed.entries, codes, gaps)
    return unpack(stream, shape, codebook, document.n_pe, document.index_bits)


def _read_bias(document: LinearDocument, place: str, tensors: Tensors) -> npt.NDArray[np.float32] | None:
    if document.bias == "none":
        return None
    if document.bias == "float32":
        return _floats(tensors, f"{place}.bias")
    values, places = _floats(tensors, f"{place}.bias_codebook"), _take(tensors, f"{place}.bias_codes")
    if not 1 <= values.size <= LARGEST_BIAS_CODEBOOK or not np.isfinite(values).all():
        raise InputError(f"bias_codebook must be 1 to {LARGEST_BIAS_CODEBOOK} finite values, not {values.size}")
    if values.ndim != 1 or places.dtype != np.uint8 or places.max(initial=0) >= len(values):
        raise InputError(f"bias_codes must be uint8 and below {values.size}, the values of bias_codebook")
    bias: npt.NDArray[np.float32] = values[places]
    return bias
