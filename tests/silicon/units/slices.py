"""Random slices of weights for the benches: dense, sparse and empty columns of one PE."""

from __future__ import annotations

import random

import numpy as np

from eie.encoding.csc import encode
from eie.program.lowering import Pass


def random_slice(rows: int, columns: int, most: int, n_pe: int = 1) -> Pass:
    """Return a pass in which none of the `n_pe` PEs has more than `most` entries; what would be more is left out."""
    rng = np.random.default_rng(random.getrandbits(32))
    density = rng.choice([0.0, 0.05, 0.3, 1.0], columns)
    codes = np.where(rng.random((rows, columns)) < density, rng.integers(1, 16, (rows, columns)), 0)
    book = np.concatenate(([0.0], rng.normal(size=15)))
    fits = encode(codes, book, n_pe).pointers[:, 1:].max(axis=0) <= most
    return Pass(encode(np.where(fits, codes, 0), book, n_pe), first_output=0, batches=())
