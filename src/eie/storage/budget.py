"""What a model file may cost: the bytes that loading and running it take, told from its document before any is paid.

A few hundred bytes can describe pointers of gigabytes, and a convolution whose windows take terabytes. So the whole
file has a budget: BUDGET_BYTES, or the environment variable EIE_BUDGET_BYTES, or an argument of `load`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from eie.errors import InputError
from eie.model.network import Network
from eie.storage.documents import LinearDocument, NetworkDocument, StepDocument

__all__ = ["BUDGET_BYTES", "budget", "check_budget", "loading_bytes", "running_bytes"]

BUDGET_BYTES = 2**31
_VARIABLE = "EIE_BUDGET_BYTES"

# Upper bounds, measured over all kernels: bytes of a session per weight, and of its buffers per output and input.
_WEIGHT_BYTES = 16
_OUTPUT_BYTES = 128
_INPUT_BYTES = 16
_VALUE_BYTES = 8  # numbers between steps are float32, and float64 in the reference
_ROW_BYTES = 8  # of the weights by row: where a row starts, and each weight's column and code
_ROW_WEIGHT_BYTES = 5


def budget(budget_bytes: int | None = None) -> int:
    """Return `budget_bytes`, or what the environment variable says, or BUDGET_BYTES.

    Raises InputError for a budget that is no positive integer.
    """
    text = os.environ.get(_VARIABLE, "")
    if budget_bytes is not None:
        name, given = "budget_bytes", str(budget_bytes)
    elif text:
        name, given = f"environment variable {_VARIABLE}", text
    else:
        return BUDGET_BYTES
    if not (given.isascii() and given.isdecimal() and len(given) <= 18 and int(given) > 0):
        raise InputError(f"{name} must be a positive integer of at most 18 digits, the bytes allowed, not {given!r}")
    return int(given)


def check_budget(needed: int, allowed: int) -> None:
    """Raise InputError where a file needs more bytes than it is allowed."""
    if needed > allowed:
        raise InputError(
            f"loading and running it may take {needed:,} bytes, more than the budget of {allowed:,}: where you trust "
            f"it, set {_VARIABLE} or load's budget_bytes"
        )


def loading_bytes(document: NetworkDocument, entries: dict[str, int]) -> int:
    """Return the most bytes that the document's compressed layers take once loaded.

    `entries` has the length of every tensor of entries, by the tensor's name.
    """
    return sum(
        _layer_bytes(layer, entries.get(f"{place}.entries", 0)) for place, layer in _linear_layers(document.layers)
    )


def running_bytes(network: Network) -> int:
    """Return the most bytes that a session of `network` takes beside its weights, one input passing through."""
    buffers = sum(_OUTPUT_BYTES * layer.outputs + _INPUT_BYTES * layer.inputs for layer in network.products)
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


def _layer_bytes(layer: LinearDocument, in_file: int) -> int:
    entry_bytes = 1 if layer.code_bits + layer.index_bits <= 8 else 2
    weights = in_file if layer.packed is None else layer.packed.entries
    entries = in_file
    if layer.packed is not None:
        # A gap of g zeros takes g / 2^index_bits entries of padding, and there is no gap longer than a PE's rows.
        gaps = min(layer.outputs * layer.inputs, weights * -(-layer.outputs // layer.n_pe))
        entries = weights + gaps // 2**layer.index_bits
    pointers = 4 * layer.n_pe * (layer.inputs + 1)
    by_row = _ROW_BYTES * (layer.outputs + 1) + _ROW_WEIGHT_BYTES * weights
    return pointers + entry_bytes * entries + by_row + _WEIGHT_BYTES * weights
