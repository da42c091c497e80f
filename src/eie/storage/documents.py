"""The JSON document of a model file: the fields of each kind of step, and their checks."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from eie.encoding.csc import MAX_PES, MAX_SIDE
from eie.errors import InputError

__all__ = [
    "FORMAT_VERSION",
    "METADATA_KEY",
    "ActivationDocument",
    "AffineDocument",
    "ConvolutionDocument",
    "DenseDocument",
    "FormatsDocument",
    "ImageDocument",
    "LinearDocument",
    "NetworkDocument",
    "PackedDocument",
    "PoolingDocument",
    "RecurrentDocument",
    "StepDocument",
    "WindowDocument",
    "WinogradDocument",
    "first_problem",
    "read_document",
]

FORMAT_VERSION = 1
METADATA_KEY = "eie"

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Bits = Annotated[int, Field(ge=1, le=8)]


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError(f"a name must have printable characters only, not {name!a}")
    return name


Name = Annotated[str, Field(max_length=1000), AfterValidator(_printable)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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


class LinearDocument(_Document):
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


class DenseDocument(_Document):
    """A layer of float32 weights."""

    kind: Literal["dense"]
    name: Name
    relu: bool


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


class ConvolutionDocument(_Document):
    """A product for each place of a window."""

    kind: Literal["convolution"]
    name: Name
    image: ImageDocument
    window: WindowDocument
    product: LinearDocument | DenseDocument = Field(discriminator="kind")


class WinogradDocument(_Document):
    """Sixteen products for each patch of a 3 x 3 convolution, their rows after each other in one matrix."""

    kind: Literal["winograd"]
    name: Name
    image: ImageDocument
    padding: tuple[int, int] = Field(strict=False)
    relu: bool
    places: LinearDocument
    formats: list[FormatsDocument | None] = Field(min_length=16, max_length=16)


class RecurrentDocument(_Document):
    """A product for each step of a sequence."""

    kind: Literal["lstm", "gru"]
    name: Name
    steps: Side
    features: Side
    last_only: bool
    product: LinearDocument | DenseDocument = Field(discriminator="kind")


class PoolingDocument(_Document):
    """The largest or mean value of each window."""

    kind: Literal["max_pooling", "average_pooling"]
    name: Name
    image: ImageDocument
    window: WindowDocument


class ActivationDocument(_Document):
    """A function of each value."""

    kind: Literal["activation"]
    name: Name
    size: Side
    function: str


class AffineDocument(_Document):
    """A scale and shift for each channel."""

    kind: Literal["affine"]
    name: Name
    pixels: Side


StepDocument = Annotated[
    LinearDocument
    | DenseDocument
    | ConvolutionDocument
    | WinogradDocument
    | RecurrentDocument
    | PoolingDocument
    | ActivationDocument
    | AffineDocument,
    Field(discriminator="kind"),
]


class NetworkDocument(_Document):
    """The whole document."""

    format_version: int
    name: Name
    layers: list[StepDocument]


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
    if version != FORMAT_VERSION:
        raise InputError(f"format_version must be {FORMAT_VERSION}, not {version!r}")
    try:
        return NetworkDocument.model_validate(raw)
    except ValidationError as error:
        raise InputError(first_problem(error)) from error


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
