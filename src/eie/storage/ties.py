"""Lookups whose table is a layer's matrix turned around, as an embedding tied to a head: in a file once."""

from __future__ import annotations

import numpy as np

from eie.model.network import Layer, Network, Step
from eie.steps import Dense, Embedding, Rows

__all__ = ["linear_of", "stored_layers", "ties"]


def ties(network: Network) -> dict[int, int]:
    """Return by the number of each such lookup the number of the first step whose weights it has."""
    linear = [(number, product) for number, step in enumerate(network) if (product := linear_of(step)) is not None]
    found = {}
    for number, step in enumerate(network):
        if isinstance(step, Embedding):
            of = next((other for other, product in linear if _is_turned(step.product, product)), None)
            if of is not None:
                found[number] = of
    return found


def stored_layers(network: Network) -> tuple[Layer, ...]:
    """Return the compressed layers whose weights a model file has of their own."""
    tied = ties(network)
    return tuple(layer for number, step in enumerate(network) if number not in tied for layer in step.layers)


def linear_of(step: Step) -> Layer | Dense | None:
    """Return the linear layer that a step is, or is for each row; None where it is something else."""
    product = step.product if isinstance(step, Rows) else step
    return product if isinstance(product, Layer | Dense) and product.groups == 1 else None


def _is_turned(table: Layer | Dense, product: Layer | Dense) -> bool:
    """Return whether the columns of `table`, which has no bias, are the rows of `product`."""
    if (table.outputs, table.inputs) != (product.inputs, product.outputs):
        return False
    if isinstance(table, Dense) and isinstance(product, Dense):
        return not table.bias.any() and np.array_equal(table.weights.T, product.weights)
    if not (isinstance(table, Layer) and isinstance(product, Layer)):
        return False
    one, other = table.matrix, product.matrix
    if table.bias is not None or one.nnz != other.nnz or not np.array_equal(one.codebook, other.codebook):
        return False
    rows, turned = one.rows, other.by_column
    return (
        np.array_equal(rows.starts, turned.starts)
        and np.array_equal(rows.columns, turned.columns)
        and np.array_equal(rows.codes, turned.codes)
    )
