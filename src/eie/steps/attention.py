"""Attention of tokens to themselves and to those before them, whose keys and values are kept from call to call."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy  # imports its submodules on first use; most commands use none

from eie.encoding.csc import MAX_SIDE
from eie.errors import InputError
from eie.model.network import Batch, Multiply, Step

__all__ = ["Attention"]


@dataclass(frozen=True, eq=False)
class Attention(Step):
    """For each of `rows` tokens and each of `heads` the mean of the values so far, weighted by the softmax of scores.

    A score is `scale` times the product of a token's query and a key. The input is all queries, then all keys, then all
    values, each (rows, heads, width); so is the output. The cache is the number of tokens before these, then their
    keys, then their values, (capacity, heads, width) each.
    """

    name: str
    rows: int
    heads: int
    width: int
    capacity: int
    scale: float

    def __post_init__(self) -> None:
        """Check the sizes."""
        sizes = (self.rows, self.heads, self.width, self.capacity)
        if min(sizes) < 1 or max(self.inputs, self.cache) > MAX_SIDE:
            raise InputError(
                f"{self.name} must have 1 to {MAX_SIDE} values in and in its cache, not {self.rows} of {self.heads} x "
                f"{self.width} with room for {self.capacity}"
            )
        if self.rows > self.capacity:
            raise InputError(f"{self.name} must have room for its own {self.rows} tokens, not for {self.capacity}")
        if not math.isfinite(self.scale):
            raise InputError(f"{self.name}: scale must be a finite number, not {self.scale}")

    @property
    def inputs(self) -> int:
        """Values of all queries, keys and values."""
        return 3 * self.outputs

    @property
    def outputs(self) -> int:
        """Values of all tokens and heads."""
        return self.rows * self.heads * self.width

    @property
    def cache(self) -> int:
        """Numbers kept of a sequence."""
        return 1 + 2 * self.capacity * self.heads * self.width

    @property
    def working_values(self) -> int:
        """What goes in and comes out, the cache, and all scores."""
        return self.inputs + self.outputs + self.cache + 2 * self.heads * self.rows * self.capacity

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Attend to these tokens alone."""
        return self.resume(vectors, multiply, np.zeros((len(vectors), self.cache), vectors.dtype))

    def resume(self, vectors: Batch, multiply: Multiply, cache: Batch) -> Batch:
        """Attend to these tokens and to those of the cache, which grows; raise InputError where it has no room."""
        self.check_room(cache)
        shape = (self.heads, self.width)
        outputs = np.empty((len(vectors), self.rows, *shape), vectors.dtype)
        for vector, kept, output in zip(vectors, cache, outputs, strict=True):
            query, key, value = vector.reshape(3, self.rows, *shape)
            before, after = int(kept[0]), int(kept[0]) + self.rows
            keys, values = kept[1:].reshape(2, self.capacity, *shape)
            keys[before:after], values[before:after] = key, value
            scores = np.einsum("rhw,thw->hrt", query, keys[:after].astype(vectors.dtype))
            scores *= vectors.dtype.type(self.scale)
            scores[:, np.arange(after) > np.arange(before, after)[:, None]] = -np.inf
            weights = scipy.special.softmax(scores, axis=-1)
            output[:] = np.einsum("hrt,thw->rhw", weights, values[:after].astype(vectors.dtype))
            kept[0] = after
        return outputs.reshape(len(vectors), self.outputs)

    def check_room(self, cache: Batch) -> None:
        """Raise InputError where `cache`, (batch, cache), has no room for these tokens, or is none."""
        counts = cache[:, 0]
        wrong = (counts != np.rint(counts)) | (counts < 0) | (counts > self.capacity)
        if wrong.any():
            raise InputError(
                f"the cache of {self.name} must begin with a whole number from 0 to {self.capacity}, not "
                f"{counts[wrong][0]:g}"
            )
        full = counts > self.capacity - self.rows
        if full.any():
            raise InputError(
                f"{self.name} has room for {self.capacity} tokens, and its cache has {counts[full][0]:g} already"
            )
