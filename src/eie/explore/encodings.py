"""A layer of a space encoded with other bits of code and index."""

from __future__ import annotations

import numpy as np

from eie.encoding.csc import InterleavedCSC, encode
from eie.explore.layers import SweptLayer

__all__ = ["encoded"]


def encoded(layer: SweptLayer, n_pe: int, index_bits: int, code_bits: int) -> InterleavedCSC:
    """The layer encoded, its codes folded into `code_bits` bits."""
    values = 2**code_bits - 1
    codes = layer.codes
    if values != 15:
        codes = np.where(codes > 0, (codes - 1) % values + 1, 0).astype(np.uint8)
    codebook = np.concatenate(([0], np.arange(1, values + 1) / (values + 1))).astype(np.float32)
    return encode(codes, codebook, n_pe=n_pe, index_bits=index_bits)
