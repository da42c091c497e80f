"""Huffman codes: code lengths from counts, encoding and decoding. The loops are in native/packing.cpp."""

from __future__ import annotations

import heapq
from itertools import count

import numpy as np
import numpy.typing as npt

import eie._native as _native

__all__ = ["LONGEST", "code_lengths", "coded_bits", "decode", "encode"]

LONGEST = 24  # bits of a code; native code refuses longer ones

Bytes = npt.NDArray[np.uint8]


def code_lengths(counts: npt.ArrayLike) -> Bytes:
    """Return the length in bits of each symbol's code, 0 for a count of 0; `counts` are the symbols' frequencies.

    The lengths are Huffman's, with the least total bits. A single symbol gets one bit. If a code would be longer than
    LONGEST bits, all counts are halved, rounded up, until none is: close to the best lengths, not always the best.
    """
    often = np.asarray(counts, np.int64)
    while True:
        lengths = _huffman(often)
        if lengths.max(initial=0) <= LONGEST:
            return lengths
        often = (often + 1) // 2


def _huffman(counts: npt.NDArray[np.int64]) -> Bytes:
    lengths = np.zeros(len(counts), np.uint8)
    order = count()  # breaks ties between equal counts, so the code is always the same
    heap = [(int(often), next(order), [symbol]) for symbol, often in enumerate(counts) if often > 0]
    if len(heap) == 1:
        lengths[heap[0][2]] = 1
    heapq.heapify(heap)
    while len(heap) > 1:
        (a, _, left), (b, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        lengths[left + right] += 1
        heapq.heappush(heap, (a + b, next(order), left + right))
    return lengths


def coded_bits(counts: npt.NDArray[np.int64]) -> int:
    """Return the bits of symbols, of which each occurs as often as `counts` says, in their best code, without it."""
    return int(counts @ code_lengths(counts).astype(np.int64))


def encode(symbols: Bytes, alphabet: int) -> Bytes:
    """Return `symbols`, each below `alphabet`, as bytes: the length of every symbol's code, then the bits."""
    lengths = code_lengths(np.bincount(symbols, minlength=alphabet))
    return np.concatenate((lengths, _native.huffman_encode(symbols, lengths)))


def decode(data: Bytes, alphabet: int, symbols: int) -> Bytes:
    """Return the `symbols` symbols that `encode` turned into `data`. Raises ValueError for other data."""
    if len(data) < alphabet:
        raise ValueError(f"there are {len(data)} bytes, expected {alphabet} code lengths at least")
    lengths = np.ascontiguousarray(data[:alphabet])
    found = _native.huffman_decode(np.ascontiguousarray(data[alphabet:]), lengths, symbols)
    expected = alphabet - (-int(np.bincount(found, minlength=alphabet) @ lengths.astype(np.int64)) // 8)
    if len(data) != expected:
        raise ValueError(f"there are {len(data)} bytes, expected {expected}")
    return found
