"""What the host does: fill the memories, start scans, read results; the same steps as the stepped chip's host takes."""

from __future__ import annotations

import numpy as np

from eie.encoding.csc import InterleavedCSC
from eie.model.network import Layer
from eie.model.numerics import Integers, quantise, quantise_codebook
from eie.model.reference import formats_of
from eie.silicon.parameters import Parameters

__all__ = ["HostProgram", "word_type"]

# Spaces of the host port and settings in space 0: see rtl/eie.sv.
POINTERS, WEIGHTS, CODEBOOK, SOURCE, DESTINATION, SRAM = range(1, 7)
ROWS, FIRST_INPUT, FIRST_WORD, FLAGS, START, CLEAR = range(6)
WRITE, SCAN, READ = range(3)


def word_type(data_bits: int) -> np.dtype[np.void]:
    """Return one word of a program as the harness reads it, for a host port of `data_bits`."""
    data_bytes = -(-data_bits // 32) * 4
    return np.dtype(
        [("operation", "u1"), ("space", "u1"), ("pe", "<u2"), ("address", "<u4"), ("data", "u1", (data_bytes,))]
    )


class HostProgram:
    """Words for the host port, in order."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self._word = word_type(parameters.data_bits)
        self._words: list[np.ndarray] = []

    def to_bytes(self) -> bytes:
        """Return the program as the harness reads it."""
        return b"".join(words.tobytes() for words in self._words)

    def write_layer(self, layer: Layer) -> None:
        """Fill the codebook: what all passes of a layer share."""
        formats = formats_of(layer)
        book = quantise_codebook(layer.matrix.codebook, formats.codebook_fraction, formats.value_bits)
        self._write(CODEBOOK, np.zeros(len(book), int), np.arange(len(book)), book)

    def write_pass(self, block: InterleavedCSC, bias: Integers) -> None:
        """Fill pointers and weights with one pass, and preset the accumulators with its bias, (outputs,)."""
        p = self.parameters
        pes, numbers = np.indices(block.pointers.shape)
        self._write(POINTERS, pes.ravel(), numbers.ravel(), block.pointers.ravel().astype(np.int64))
        for pe in range(p.n_pe):
            entries = block.entries[slice(*block.slice_starts[pe : pe + 2])]
            rows = -(-len(entries) // p.entries_per_row)
            padded = np.zeros(rows * p.entries_per_row, f"<u{p.entry_bits // 8}")
            padded[: len(entries)] = entries
            words = self._add(WRITE, WEIGHTS, np.full(rows, pe), np.arange(rows))
            words["data"][:, : p.entries_per_row * p.entry_bits // 8] = padded.view(np.uint8).reshape(
                rows, p.entries_per_row * p.entry_bits // 8
            )
        accumulators = self._rows(bias, p.register_entries)
        self._write_rows(DESTINATION, accumulators)
        self._set(CLEAR, 0)

    def write_activations(self, space: int, rows: Integers) -> None:
        """Fill the source file or the activation SRAM with rows of N values, (rows, N)."""
        self._write_rows(space, rows)

    def write_flags(self, *, relu: bool, source: int, load: bool = False) -> None:
        """Say which register file is the source and whether it is read through ReLU."""
        self._set(FLAGS, relu << 2 | source << 1 | load)

    def scan(self, rows: int, first_input: int, first_word: int, *, relu: bool, source: int, load: bool) -> None:
        """Start one scan; the chip runs until it is complete."""
        self._set(ROWS, rows)
        self._set(FIRST_INPUT, first_input)
        self._set(FIRST_WORD, first_word)
        self.write_flags(relu=relu, source=source, load=load)
        self._set(START, 0, SCAN)

    def read(self, outputs: int) -> None:
        """Read the destination file's first `outputs` accumulators, output i from PE i mod N."""
        rows, pes = np.divmod(np.arange(outputs), self.parameters.n_pe)
        self._add(READ, DESTINATION, pes, rows)

    def bias_of(self, layer: Layer) -> Integers:
        """Return the layer's bias in Q(fo), zeros where it has none."""
        formats = formats_of(layer)
        if layer.bias is None:
            return np.zeros(layer.outputs, np.int64)
        return quantise(layer.bias, formats.output_fraction, formats.accumulator_bits)

    def rows_of(self, vector: Integers) -> Integers:
        """Return a vector as rows of N, the last padded with zeros."""
        return self._rows(vector, -(-len(vector) // self.parameters.n_pe))

    def _rows(self, vector: Integers, rows: int) -> Integers:
        return np.pad(vector, (0, rows * self.parameters.n_pe - len(vector))).reshape(rows, self.parameters.n_pe)

    def _write_rows(self, space: int, rows: Integers) -> None:
        places, pes = np.indices(rows.shape)
        self._write(space, pes.ravel(), places.ravel(), rows.ravel())

    def _set(self, setting: int, value: int, operation: int = WRITE) -> None:
        words = self._add(operation, 0, np.zeros(1, int), np.array([setting]))
        words["data"][:, :8] = np.array([value], "<i8").view(np.uint8)[: words["data"].shape[1]]

    def _write(self, space: int, pes: Integers, addresses: Integers, values: Integers) -> None:
        words = self._add(WRITE, space, pes, addresses)
        width = min(8, words["data"].shape[1])
        words["data"][:, :width] = np.ascontiguousarray(values, "<i8").view(np.uint8).reshape(-1, 8)[:, :width]

    def _add(self, operation: int, space: int, pes: Integers, addresses: Integers) -> np.ndarray:
        words = np.zeros(len(addresses), self._word)
        words["operation"], words["space"], words["pe"], words["address"] = operation, space, pes, addresses
        self._words.append(words)
        return words
