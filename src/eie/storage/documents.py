"""The JSON document of a model file: the fields of each kind of step, and their checks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from eie.encoding.csc import MAX_PES, MAX_SIDE
from eie.errors import InputError
from eie.steps import ACTIVATIONS

__all__ = [
    "FORMAT_VERSION",
    "METADATA_KEY",
    "ActivationDocument",
    "AffineDocument",
    "AttentionDocument",
    "CombinationDocument",
    "ConvolutionDocument",
    "DenseDocument",
    "EmbeddingDocument",
    "FormatsDocument",
    "GatherDocument",
    "ImageDocument",
    "InputDocument",
    "LinearDocument",
    "MatmulDocument",
    "NetworkDocument",
    "NormalisationDocument",
    "PackedDocument",
    "PoolingDocument",
    "RecurrentDocument",
    "ReductionDocument",
    "RowsDocument",
    "StepDocument",
    "StridesDocument",
    "TransposedDocument",
    "WindowDocument",
    "WinogradDocument",
    "first_problem",
    "linear_document",
    "read_document",
]

FORMAT_VERSION = 2  # the newest; a file has the oldest that has all it needs
METADATA_KEY = "eie"

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Bits = Annotated[int, Field(ge=1, le=8)]


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError(f"a name must have printable characters only, not {name!a}")
    return name


Name = Annotated[str, Field(max_length=1000), AfterValidator(_printable)]


# What files of version 1 may hold. Fields that they may not hold are optional, and those of theirs are required.
_FIRST_KINDS = {"linear", "dense", "convolution", "winograd", "lstm", "gru"}
_FIRST_KINDS |= {"max_pooling", "average_pooling", "activation", "affine"}
_FIRST_FUNCTIONS = {"relu", "sigmoid", "tanh", "softmax", "log_softmax"}


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @property
    def newer(self) -> bool:
        """Whether files of version 1 cannot hold this."""
        given = [getattr(self, name) for name in self.model_fields_set]
        optional = {name for name, field in type(self).model_fields.items() if not field.is_required()}
        return bool(optional & self.model_fields_set) or any(
            part.newer
            for value in given
            for part in (value if isinstance(value, list) else [value])
            if isinstance(part, _Document)
        )


class _StepDocument(_Document):
    """`sources` are the steps that it reads, by number, -1 for the network's input; without, the one before."""

    sources: list[Annotated[int, Field(ge=-1)]] | None = None

    @property
    def newer(self) -> bool:
        """Whether files of version 1 cannot hold this."""
        facts = vars(self)
        newer_function = facts.get("function") in ACTIVATIONS and facts["function"] not in _FIRST_FUNCTIONS
        return facts["kind"] not in _FIRST_KINDS or newer_function or super().newer


class FormatsDocument(_Document):
    """The chip's Q formats of a layer."""

    activation_fraction: int
    codebook_fraction: int
    value_bits: int
    accumulator_bits: int


class PackedDocument(_Document):
    """The flat, Huffman-coded stream of a layer: the bits of its gaps, and its entries."""

    index_bits: Bits
    entries: int = Field(ge=0, le=2**40)


class LinearDocument(_StepDocument):
    """A compressed layer; `packed` is null where its entries lie in the file as the chip has them."""

    kind: Literal["linear"]
    name: Name
    outputs: Side
    inputs: Side
    n_pe: int = Field(ge=1, le=MAX_PES)
    code_bits: Bits
    index_bits: Bits
    packed: PackedDocument | None
    relu: bool
    bias: Literal["none", "float32", "shared"]
    formats: FormatsDocument | None
    groups: Side = 1


class DenseDocument(_StepDocument):
    """A layer of float32 weights."""

    kind: Literal["dense"]
    name: Name
    relu: bool
    groups: Side = 1


class TransposedDocument(_StepDocument):
    """The weights of step `of`, rows as columns, without bias or ReLU; `n_pe` and `index_bits` are null for float32."""

    kind: Literal["transposed"]
    name: Name
    of: int = Field(ge=0)
    n_pe: Annotated[int, Field(ge=1, le=MAX_PES)] | None
    index_bits: Bits | None
    formats: FormatsDocument | None


def _inside(
    product: LinearDocument | DenseDocument | TransposedDocument,
) -> LinearDocument | DenseDocument | TransposedDocument:
    if product.sources is not None:
        raise ValueError("a layer inside a step has no sources of its own")
    return product


ProductDocument = Annotated[LinearDocument | DenseDocument, Field(discriminator="kind"), AfterValidator(_inside)]


TableDocument = Annotated[
    LinearDocument | DenseDocument | TransposedDocument, Field(discriminator="kind"), AfterValidator(_inside)
]


class ImageDocument(_Document):
    """The sizes of an image."""

    channels: Side
    height: Side
    width: Side


class WindowDocument(_Document):
    """A sliding window, each pair (down, across)."""

    kernel: tuple[int, int] = Field(strict=False)
    stride: tuple[int, int] = Field(strict=False)
    padding: tuple[int, int] = Field(strict=False)
    dilation: tuple[int, int] = Field(default=(1, 1), strict=False)


class ConvolutionDocument(_StepDocument):
    """A product for each place of a window."""

    kind: Literal["convolution"]
    name: Name
    image: ImageDocument
    window: WindowDocument
    product: ProductDocument


class WinogradDocument(_StepDocument):
    """Sixteen products for each patch of a 3 x 3 convolution, their rows after each other in one matrix."""

    kind: Literal["winograd"]
    name: Name
    image: ImageDocument
    padding: tuple[int, int] = Field(strict=False)
    relu: bool
    places: Annotated[LinearDocument, AfterValidator(_inside)]
    formats: list[FormatsDocument | None] = Field(min_length=16, max_length=16)


class RecurrentDocument(_StepDocument):
    """A product for each step of a sequence."""

    kind: Literal["lstm", "gru"]
    name: Name
    steps: Side
    features: Side
    last_only: bool
    product: ProductDocument
    takes_state: bool = False
    gives_memory: bool = False


class PoolingDocument(_StepDocument):
    """The largest or mean value of each window."""

    kind: Literal["max_pooling", "average_pooling"]
    name: Name
    image: ImageDocument
    window: WindowDocument


class ActivationDocument(_StepDocument):
    """A function of each value."""

    kind: Literal["activation"]
    name: Name
    size: Side
    function: str
    rows: Side = 1


class AffineDocument(_StepDocument):
    """A scale and shift for each channel."""

    kind: Literal["affine"]
    name: Name
    pixels: Side
    rows: Side = 1


class CombinationDocument(_StepDocument):
    """Several vectors of one size, combined number by number."""

    kind: Literal["sum", "product"]
    name: Name
    size: Side
    terms: Side


class MatmulDocument(_StepDocument):
    """Products of matrices that are both activations."""

    kind: Literal["matmul"]
    name: Name
    count: Side
    rows: Side
    inner: Side
    columns: Side


class AttentionDocument(_StepDocument):
    """Attention of tokens to those before them."""

    kind: Literal["attention"]
    name: Name
    rows: Side
    heads: Side
    width: Side
    capacity: Side
    scale: float


class StridesDocument(_Document):
    """A regular index."""

    offset: int
    shape: list[int] = Field(max_length=64)
    strides: list[int] = Field(max_length=64)


class GatherDocument(_StepDocument):
    """Values in another order; `strides` is null where the index is a tensor."""

    kind: Literal["gather"]
    name: Name
    size: Side
    strides: StridesDocument | None


class RowsDocument(_StepDocument):
    """A product for each row."""

    kind: Literal["rows"]
    name: Name
    rows: Side
    product: ProductDocument


class EmbeddingDocument(_StepDocument):
    """A column of the product for each number."""

    kind: Literal["embedding"]
    name: Name
    places: Side
    product: TableDocument


class NormalisationDocument(_StepDocument):
    """Each row over its standard deviation."""

    kind: Literal["normalisation"]
    name: Name
    rows: Side
    size: Side
    epsilon: float
    centred: bool


class ReductionDocument(_StepDocument):
    """One number of each row."""

    kind: Literal["reduction"]
    name: Name
    rows: Side
    size: Side
    function: str


StepDocument = Annotated[
    LinearDocument
    | DenseDocument
    | ConvolutionDocument
    | WinogradDocument
    | RecurrentDocument
    | PoolingDocument
    | ActivationDocument
    | AffineDocument
    | CombinationDocument
    | MatmulDocument
    | AttentionDocument
    | GatherDocument
    | RowsDocument
    | EmbeddingDocument
    | NormalisationDocument
    | ReductionDocument,
    Field(discriminator="kind"),
]


class InputDocument(_Document):
    """One of the model's own inputs."""

    name: Name
    shape: list[Side] = Field(max_length=64)
    whole: bool


class NetworkDocument(_Document):
    """The whole document."""

    format_version: int
    name: Name
    layers: list[StepDocument]
    state: int = Field(default=0, ge=0, le=MAX_SIDE)
    inputs: list[InputDocument] = Field(default=[], max_length=1000)

    @classmethod
    def of(cls, name: str, layers: list[StepDocument], **optional: Any) -> NetworkDocument:
        """Return the document of the oldest version that can hold `layers` and what is optional."""
        version = FORMAT_VERSION if optional else _version_of(layers)
        return cls(format_version=version, name=name, layers=layers, **optional)

    def text(self) -> str:
        """Return the document as JSON, without what is optional and not there."""
        return self.model_dump_json(exclude_unset=True)


def _version_of(layers: list[StepDocument]) -> int:
    return 2 if any(layer.newer for layer in layers) else 1


def linear_document(
    steps: Sequence[StepDocument], turned: TransposedDocument
) -> tuple[str, LinearDocument | DenseDocument]:
    """Return where the tensors of the layer are whose weights `turned` has, and its document.

    Raises InputError where there is no such layer, or it is compressed and `turned` is not, or the other way round.
    """
    step = steps[turned.of] if turned.of < len(steps) else None
    place, product = f"layers.{turned.of}", step
    if isinstance(step, RowsDocument):
        place, product = f"{place}.product", step.product
    if not isinstance(product, LinearDocument | DenseDocument) or product.groups != 1:
        found = "there is none" if step is None else f"{step.name} is none"
        raise InputError(f"layer {turned.name}: step {turned.of} must be a linear layer without groups, but {found}")
    compressed = isinstance(product, LinearDocument)
    if {turned.n_pe is not None, turned.index_bits is not None} != {compressed}:
        wanted = "given, since it is compressed" if compressed else "null, since it is not compressed"
        raise InputError(f"layer {turned.name} has the weights of {product.name}: n_pe and index_bits must be {wanted}")
    return place, product


def read_document(text: str) -> NetworkDocument:
    """Parse the document; InputError says what is wrong with it."""
    try:
        raw: Any = json.loads(text, object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the '{METADATA_KEY}' document is not JSON: {error}") from error
    version = raw.get("format_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise InputError(
            f"format version {version} is newer than this program, which reads up to {FORMAT_VERSION}: update eie"
        )
    if version not in range(1, FORMAT_VERSION + 1):
        raise InputError(f"format_version must be 1 to {FORMAT_VERSION}, not {version!r}")
    try:
        document = NetworkDocument.model_validate(raw)
    except ValidationError as error:
        raise InputError(first_problem(error)) from error
    if document.format_version < _version_of(document.layers):
        newer = next(layer for layer in document.layers if layer.newer)
        raise InputError(f"layer {newer.name} needs format_version 2, not {version}")
    if document.newer and document.format_version < FORMAT_VERSION:
        raise InputError(
            f"a network with a state or inputs of its own needs format_version {FORMAT_VERSION}, not {version}"
        )
    return document


def first_problem(error: ValidationError) -> str:
    """Return the first thing that is wrong with a document, and where."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the document"
    message = first["msg"].removeprefix("Value error, ")
    return f"{ascii(place)[1:-1]} in the '{METADATA_KEY}' document is wrong: {message}"


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!a} is there twice")
    return found
