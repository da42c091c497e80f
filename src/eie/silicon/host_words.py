"""The host's steps as words for the chip's host port: what the harness of the verilated chip plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from eie.model.numerics import Integers
from eie.program.host import (
    HostStep,
    HostWords,
    ReadOutputs,
    RunScan,
    WriteCodebook,
    WritePass,
    WriteSource,
    WriteSram,
    host_steps,
)
from eie.program.lowering import LoweredLayer, Pass, Program, as_rows
from eie.program.table import LayerTable, StepKind, TableStep
from eie.silicon.parameters import Parameters
from eie.silicon.registers import MAP

__all__ = [
    "MEMORIES",
    "READ",
    "RUN",
    "SCAN",
    "WRITE",
    "Memory",
    "counted",
    "host_words",
    "memory",
    "run_words",
    "step_words",
    "table_words",
    "word_type",
]

SETTINGS, POINTERS, WEIGHTS, CODEBOOK, SOURCE, DESTINATION, SRAM = map(
    MAP.number, ("SETTINGS", "POINTERS", "WEIGHTS", "CODEBOOK", "SOURCE", "DESTINATION", "SRAM")
)
ROWS, FIRST_INPUT, FIRST_WORD, FLAGS, START, CLEAR, STEP, RUN_TABLE = map(
    MAP.setting, ("ROWS", "FIRST_INPUT", "FIRST_WORD", "FLAGS", "START", "CLEAR", "STEP", "RUN")
)
WRITE, SCAN, READ, RUN = range(4)
MEMORIES = tuple(space.name for space in MAP.spaces if space.name != "SETTINGS")


@dataclass(frozen=True)
class Memory:
    """A space of a PE's memory: its words, their bits, and whether they are signed numbers."""

    words: int
    bits: int
    signed: bool


def memory(space: str, parameters: Parameters) -> Memory:
    """Return one of `MEMORIES` in a chip of `parameters`."""
    p = parameters
    return {
        "POINTERS": Memory(2 * p.pointer_words, p.pointer_bits, signed=False),
        "WEIGHTS": Memory(p.spmat_rows, p.entries_per_row * p.entry_bits, signed=False),
        "CODEBOOK": Memory(1 << p.code_bits, p.value_bits, signed=True),
        "SOURCE": Memory(p.register_entries, p.accumulator_bits, signed=True),
        "DESTINATION": Memory(p.register_entries, p.accumulator_bits, signed=True),
        "SRAM": Memory(p.sram_words, p.value_bits, signed=True),
    }[space]


def word_type(data_bits: int) -> np.dtype[np.void]:
    """Return one word of a program as the harness reads it, for a host port of `data_bits`."""
    data_bytes = -(-data_bits // 32) * 4
    return np.dtype(
        [("operation", "u1"), ("space", "u1"), ("pe", "<u2"), ("address", "<u4"), ("data", "u1", (data_bytes,))]
    )


def host_words(program: Program, parameters: Parameters, inputs: Sequence[Integers]) -> bytes:
    """Return what the host writes, starts and reads, as the harness reads it.

    `inputs` has each layer's inputs in its Q(fa): the host carries those that do not stay in the register files.
    """
    words: list[np.ndarray] = []
    layers = groupby(host_steps(program), lambda step: step.layer)
    for (layer, steps), vector in zip(layers, inputs, strict=True):
        rows = as_rows(layer.places(vector), parameters.n_pe)
        for step in steps:
            words += step_words(step, layer, rows, parameters)
    return b"".join(some.tobytes() for some in words)


def counted(words: bytes, parameters: Parameters) -> HostWords:
    """Return how many words there are of each kind in a program, as `host_words` returns it."""
    program = np.frombuffer(words, word_type(parameters.data_bits))
    reads = int(np.count_nonzero(program["operation"] == READ))
    settings, pointers, weights, codebook, source, destination, sram = np.bincount(
        program["space"][program["operation"] != READ], minlength=SRAM + 1
    ).tolist()
    return HostWords(pointers + weights + codebook, source + sram, destination, settings, reads)


def step_words(step: HostStep, layer: LoweredLayer, rows: Integers, parameters: Parameters) -> list[np.ndarray]:
    """Return the words of one step in order, of `word_type`; `rows` are the layer's inputs in rows of N.

    The words of an array have one operation and one space.
    """
    port = _HostPort(parameters)
    port.play(step, layer, rows)
    return port.words


def table_words(table: LayerTable, parameters: Parameters) -> list[np.ndarray]:
    """Return the words that load a table: weights, pointers, constants and steps, all of which stay for every run."""
    port = _HostPort(parameters)
    port.load(table)
    return port.words


def run_words(table: LayerTable, activations: Integers, parameters: Parameters) -> list[np.ndarray]:
    """Return the words of one run of a table that is loaded: inputs in Q(fa), (inputs,), the start, and the reads."""
    port = _HostPort(parameters)
    port.run(table, as_rows(table.program.layers[0].places(activations), parameters.n_pe))
    return port.words


class _HostPort:
    """Words for the host port, in order."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self._word = word_type(parameters.data_bits)
        self.words: list[np.ndarray] = []

    def play(self, step: HostStep, layer: LoweredLayer, rows: Integers) -> None:
        """Add the words of one step; `rows` are the layer's inputs in rows of N."""
        match step:
            case WriteCodebook():
                codebook = layer.constants.codebook
                self._write(CODEBOOK, np.zeros(len(codebook), int), np.arange(len(codebook)), codebook)
            case WriteSram():
                self._write_values(rows, 0)
            case WritePass(part=part):
                self._set_flags(source=step.source)
                self._write_memories(part)
                accumulators = np.zeros((self.parameters.register_entries, self.parameters.n_pe), np.int64)
                bias = as_rows(layer.bias_of(part), self.parameters.n_pe)
                accumulators[: len(bias)] = bias
                self._write_rows(DESTINATION, accumulators)
                self._set(CLEAR, 0)
            case WriteSource(batch=batch):
                self._write_rows(SOURCE, rows[batch.first_row :][: batch.rows])
            case RunScan(batch=batch):
                self._set(ROWS, batch.rows)
                self._set(FIRST_INPUT, batch.first_input)
                self._set(FIRST_WORD, batch.first_row)
                self._set_flags(source=step.source, relu=step.relu, load=batch.loads)
                self._set(START, 0, SCAN)
            case ReadOutputs(part=part):
                self._read(part.matrix.outputs)

    def load(self, table: LayerTable) -> None:
        """Add the words that load a table."""
        self._write_memories(table.memory)
        self._write_values(table.constants, table.first_constant)
        for number, step in enumerate(table.steps):
            self._set(ROWS, step.rows)
            self._set(FIRST_INPUT, step.first_input)
            self._set(FIRST_WORD, step.first_word)
            self._set_kind(step)
            self._set(STEP, number)

    def run(self, table: LayerTable, rows: Integers) -> None:
        """Add the words of one run; `rows` are the inputs in rows of N."""
        self._set_flags(source=0)
        if table.inputs_in_file:
            self._write_rows(SOURCE, rows)
        else:
            self._write_values(rows, 0)
        self._set(RUN_TABLE, len(table.steps), RUN)
        outputs = table.last.layer.outputs
        if table.stored is None:
            self._read(outputs)
        for step in table.read_back():
            self._set(ROWS, step.rows)
            self._set(FIRST_WORD, step.first_word)
            self._set_kind(step)
            self._set(START, 0, SCAN)
            self._read(min(outputs, step.rows * self.parameters.n_pe))
            outputs -= step.rows * self.parameters.n_pe

    def _read(self, outputs: int) -> None:
        places, pes = np.divmod(np.arange(outputs), self.parameters.n_pe)
        self._add(READ, DESTINATION, pes, places)

    def _set_kind(self, step: TableStep) -> None:
        self._set_flags(source=step.source, relu=step.relu, load=step.load, kind=step.kind)

    def _write_values(self, rows: Integers, first: int) -> None:
        """Write rows of the activation SRAM."""
        self._write_rows(SRAM, rows & ((1 << self.parameters.value_bits) - 1), first)

    def _write_memories(self, part: Pass) -> None:
        p = self.parameters
        pes, numbers = np.indices(part.matrix.pointers.shape)
        self._write(POINTERS, pes.ravel(), numbers.ravel(), part.matrix.pointers.ravel().astype(np.int64))
        for pe in range(p.n_pe):
            rows = part.weight_rows(pe, p.entries_per_row)
            words = self._add(WRITE, WEIGHTS, np.full(len(rows), pe), np.arange(len(rows)))
            row_bytes = p.entries_per_row * p.entry_bits // 8
            words["data"][:, :row_bytes] = rows.view(np.uint8).reshape(len(rows), row_bytes)

    def _set_flags(
        self, *, source: int, relu: bool = False, load: bool = False, kind: StepKind = StepKind.SCAN
    ) -> None:
        self._set(FLAGS, MAP.kind(kind) | relu << 2 | source << 1 | load)

    def _set(self, setting: int, value: int, operation: int = WRITE) -> None:
        words = self._add(operation, SETTINGS, np.zeros(1, int), np.array([setting]))
        words["data"][:, :8] = np.array([value], "<i8").view(np.uint8)[: words["data"].shape[1]]

    def _write_rows(self, space: int, rows: Integers, first: int = 0) -> None:
        places, pes = np.indices(rows.shape)
        self._write(space, pes.ravel(), first + places.ravel(), rows.ravel())

    def _write(self, space: int, pes: Integers, addresses: Integers, values: Integers) -> None:
        words = self._add(WRITE, space, pes, addresses)
        width = min(8, words["data"].shape[1])
        data_bits = self.parameters.data_bits
        if data_bits < 64:
            values = values & ((1 << data_bits) - 1)  # the port has no bits for more of the sign
        words["data"][:, :width] = np.ascontiguousarray(values, "<i8").view(np.uint8).reshape(-1, 8)[:, :width]

    def _add(self, operation: int, space: int, pes: Integers, addresses: Integers) -> np.ndarray:
        words = np.zeros(len(addresses), self._word)
        words["operation"], words["space"], words["pe"], words["address"] = operation, space, pes, addresses
        self.words.append(words)
        return words
