"""Encoded matrices and Huffman-coded streams, straight into what reads them."""

from __future__ import annotations

import random

import numpy as np

import eie
from eie.encoding.flat import FlatStream, unflatten
from eie.errors import InputError
from eie.storage import huffman
from fuzz.mutators import mutate_bytes
from fuzz.target import Target

__all__ = ["Entries", "HuffmanTables"]


class Entries(Target):
    """InterleavedCSC.validate: what it lets pass must decode, and encode to the same rows again.

    Bytes: PEs, index bits, code bits, inputs, outputs (two bytes), then pointers and entries.
    """

    name = "entries"

    def seeds(self) -> list[bytes]:
        """Return small matrices of several widths."""
        rng = np.random.default_rng(1)
        found = []
        for n_pe, index_bits, code_bits in ((1, 4, 4), (3, 1, 4), (2, 8, 8), (4, 2, 1)):
            codes = np.where(rng.random((20, 5)) < 0.3, rng.integers(1, 2**code_bits, (20, 5)), 0)
            matrix = eie.encode(codes, np.arange(2**code_bits), n_pe, index_bits)
            head = bytes((n_pe - 1, index_bits - 1, code_bits - 1, 4, 20, 0))
            found.append(head + matrix.pointers.tobytes() + matrix.entries.tobytes())
        return found

    def mutate(self, data: bytes, random: random.Random) -> bytes:
        """Change the head, or what follows."""
        if random.randrange(4) == 0:
            return mutate_bytes(data[:6], random, keep_size=True) + data[6:]
        return data[:6] + mutate_bytes(data[6:], random, keep_size=random.randrange(3) > 0)

    def read(self, data: bytes) -> None:
        """Validate, decode, and encode again."""
        head = data[:6].ljust(6, b"\0")
        n_pe, index_bits, code_bits, inputs = head[0] % 64 + 1, head[1] % 8 + 1, head[2] % 8 + 1, head[3] + 1
        outputs = head[4] + 256 * head[5] + 1
        size = 4 * n_pe * (inputs + 1)
        pointers = np.frombuffer(data[6 : 6 + size].ljust(size, b"\0"), np.uint32).reshape(n_pe, inputs + 1)
        kind = np.uint8 if code_bits + index_bits <= 8 else np.uint16
        entries = np.frombuffer(data[6 + size :][: len(data[6 + size :]) // np.dtype(kind).itemsize * 2], np.uint8)
        entries = entries[: len(entries) // np.dtype(kind).itemsize * np.dtype(kind).itemsize].view(kind)
        book = np.zeros(2**code_bits, np.float32)
        matrix = eie.InterleavedCSC((outputs, inputs), n_pe, index_bits, code_bits, book, entries, pointers)
        matrix.validate()
        for pes, bits in ((1, 8), (n_pe, index_bits), (7, 1)):
            again = matrix.interleave(pes, bits)
            again.validate()
            for one, other in zip(matrix.rows, again.rows, strict=True):
                assert np.array_equal(one, other), "the rows changed on the way"


class HuffmanTables(Target):
    """huffman.decode and unflatten: what decodes must be what its lengths say, bit by bit."""

    name = "huffman"

    def seeds(self) -> list[bytes]:
        """Return streams of skewed, of even and of no symbols; the first byte says how many."""
        rng = np.random.default_rng(1)
        streams = (rng.geometric(0.5, 100).clip(0, 15), rng.integers(0, 16, 60), np.zeros(30, int), np.zeros(0, int))
        return [bytes((len(one),)) + huffman.encode(one.astype(np.uint8), 16).tobytes() for one in streams]

    def mutate(self, data: bytes, random: random.Random) -> bytes:
        """Change the lengths, or the bits."""
        if random.randrange(2):
            return data[:1] + mutate_bytes(data[1:17], random, keep_size=True) + data[17:]
        return mutate_bytes(data, random)

    def read(self, data: bytes) -> None:
        """Decode, compare with a decoder of one line per rule, and read the symbols as a flat stream."""
        count, stream = data[0] if data else 0, np.frombuffer(data[1:], np.uint8)
        try:
            found = huffman.decode(stream, 16, count)
        except ValueError as error:
            raise InputError(str(error)) from error
        assert found.tolist() == by_the_rules(data[1:17], data[17:], count)
        half = len(found) // 2
        unflatten(FlatStream(found[:half], found[half : 2 * half]), (8, 8), np.arange(16, dtype=np.float32), 2, 4)


def by_the_rules(lengths: bytes, bits: bytes, count: int) -> list[int]:
    """Return the symbols of a canonical Huffman code, shorter codes first, equal lengths in the symbols' order."""
    code, last, table = 0, 0, {}
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - last
        table[length, code] = symbol
        code, last = code + 1, length
    text = "".join(f"{byte:08b}" for byte in bits)
    symbols, at = [], 0
    for _ in range(count):
        length = next(n for n in range(1, 25) if (n, int(text[at : at + n] or "0", 2)) in table and at + n <= len(text))
        symbols.append(table[length, int(text[at : at + length], 2)])
        at += length
    return symbols
