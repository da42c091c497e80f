"""What a model file costs: the bytes that loading and running it take, told from its document before any is paid."""

from __future__ import annotations

import math
from collections.abc import Iterable

from eie.encoding.sizes import matrix_bytes
from eie.model.network import Network
from eie.storage.documents import (
    DenseDocument,
    EmbeddingDocument,
    GatherDocument,
    LinearDocument,
    NetworkDocument,
    StepDocument,
    TransposedDocument,
    linear_document,
)

__all__ = ["loading_bytes", "running_bytes"]

# Upper bounds, measured over all kernels: bytes of a session per weight, and of its buffers per output and input.
_WEIGHT_BYTES = 16
_OUTPUT_BYTES = 128
_INPUT_BYTES = 16
_FLOAT_BYTES = 8  # of a weight that is not compressed: it and a copy, laid out
_INDEX_BYTES = 32  # of a place of an index while it is made
_VALUE_BYTES = 8  # numbers between steps are float32, and float64 in the reference


def loading_bytes(document: NetworkDocument, entries: dict[str, int]) -> int:
    """Return the most bytes that the document's compressed layers and indices take, loaded and in a session.

    `entries` has the length of every tensor by its name.
    """
    total = 0
    for place, layer in _linear_layers(document.layers):
        in_file = entries.get(f"{place}.entries", 0) if layer.packed is None else None
        weights = layer.packed.entries if layer.packed is not None else in_file or 0
        sizes = (layer.outputs, layer.inputs, layer.n_pe, layer.code_bits, layer.index_bits)
        total += matrix_bytes(*sizes, weights, in_file) + _WEIGHT_BYTES * weights
    for step in document.layers:
        if isinstance(step, EmbeddingDocument) and isinstance(step.product, TransposedDocument):
            total += _turned_bytes(document, step.product, entries)
        if isinstance(step, GatherDocument) and step.strides is not None:
            total += _INDEX_BYTES * math.prod(step.strides.shape)
    return total


def _turned_bytes(document: NetworkDocument, turned: TransposedDocument, entries: dict[str, int]) -> int:
    place, layer = linear_document(document.layers, turned)
    if isinstance(layer, DenseDocument):
        return _FLOAT_BYTES * entries.get(f"{place}.weights", 0)
    weights = entries.get(f"{place}.entries", 0) if layer.packed is None else layer.packed.entries
    sizes = (layer.inputs, layer.outputs, turned.n_pe or 1, layer.code_bits, turned.index_bits or 1)
    return matrix_bytes(*sizes, weights) + _WEIGHT_BYTES * weights


def running_bytes(network: Network) -> int:
    """Return the most bytes that a session of `network` takes beside its weights, one input passing through."""
    buffers = sum(_OUTPUT_BYTES * layer.outputs + _INPUT_BYTES * layer.inputs for layer in network.layers)
    return buffers + _VALUE_BYTES * sum(step.working_values for step in network)


def _linear_layers(steps: Iterable[StepDocument]) -> Iterable[tuple[str, LinearDocument]]:
    for number, step in enumerate(steps):
        for part, layer in (
            ("", step),
            (".product", getattr(step, "product", None)),
            (".places", getattr(step, "places", None)),
        ):
            if isinstance(layer, LinearDocument):
                yield f"layers.{number}{part}", layer
