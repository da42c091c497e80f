"""The table of layers: a network as steps that the chip runs by itself, and what its memories hold for that.

All layers' pointers and weights lie in the memories together; presets, codebooks and long vectors in the activation
SRAM.
Rules: docs/hardware.md, L1 to L6.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from eie.errors import InputError
from eie.model.numerics import Integers
from eie.program.hardware import Hardware
from eie.program.host import HostWords
from eie.program.lowering import LoweredLayer, Pass, Program, as_rows

__all__ = ["BETWEEN_STEPS", "TABLE_STEPS", "LayerTable", "StepKind", "TableNeeds", "TableStep", "layer_table"]

TABLE_STEPS = 16  # of a chip that is not sized for a network that needs more
BETWEEN_STEPS = 2  # cycles: one in which a step starts, and one in which it is complete
_STEP_SETTINGS = 5  # words that put a step into the table: rows, first input, first word, flags, step
_RUN_SETTINGS = 2  # flags, for the file that the inputs go to; run
_BACK_SETTINGS = 4  # rows, first word, flags, start


class StepKind(StrEnum):
    """What a step does; the numbers are those of the register map."""

    SCAN = "SCAN"
    PRESET = "PRESET"
    CODEBOOK = "CODEBOOK"
    STORE = "STORE"


@dataclass(frozen=True)
class TableStep:
    """One step. `source` is the layer's source file; presets go to the other one, and what is stored comes from it.

    `rows` rows are scanned or moved; `first_word` is their place in the activation SRAM. `first_input` is the scan's
    first column in the pointer memory. `load`: a scan's rows come from the SRAM first. `relu`: they are read through
    ReLU. `codes` are the words of a codebook. `extra` are the cycles that it takes beyond those of a layer that the
    host runs, `BETWEEN_STEPS` among them.
    """

    kind: StepKind
    source: int
    rows: int
    first_word: int
    first_input: int = 0
    load: bool = False
    relu: bool = False
    codes: int = 0
    extra: int = BETWEEN_STEPS


@dataclass(frozen=True)
class TableNeeds:
    """What a table needs of each PE: pointers, entries that they reach, weight-memory rows, SRAM words; and steps."""

    pointers: int
    entries: int
    rows: int
    words: int
    steps: int

    def short(self, hardware: Hardware, steps: int = TABLE_STEPS) -> str:
        """Return what a chip of `hardware` with a table of `steps` steps has too little of, or ""."""
        has = {
            "pointers of a PE": (self.pointers, hardware.pointer_bytes * 8 // hardware.pointer_bits),
            "entries that pointers reach": (self.entries, 2**hardware.pointer_bits - 1),
            "rows of weight memory": (self.rows, hardware.spmat_bytes * 8 // hardware.spmat_width_bits),
            "words of activation SRAM": (self.words, hardware.activation_bytes * 8 // hardware.value_bits),
            "steps": (self.steps, steps),
        }
        return "; ".join(
            f"needs {needed:,} {name} and has {there:,}" for name, (needed, there) in has.items() if needed > there
        )


@dataclass(frozen=True, eq=False)
class LayerTable:
    """A program's table.

    `memory` holds the pointers and weights of all passes as if they were one. `constants`, (words, N), are B-bit values
    in the activation SRAM from word `first_constant` on. The host writes the first layer's inputs to the SRAM's first
    words, or, if `inputs_in_file`, to file 0. `stored` is the word from which on the last layer's outputs are in the
    SRAM, or None where they are in the destination file.
    """

    program: Program
    steps: tuple[TableStep, ...]
    memory: Pass = field(repr=False)
    constants: Integers = field(repr=False)
    first_constant: int
    inputs_in_file: bool
    stored: int | None

    @property
    def last(self) -> LoweredLayer:
        """The last layer."""
        return self.program.layers[-1]

    @property
    def needs(self) -> TableNeeds:
        """What it needs of the memories."""
        matrix, hardware = self.memory.matrix, self.program.hardware
        entries = int(matrix.pointers.max())
        return TableNeeds(
            pointers=matrix.inputs + 1,
            entries=entries,
            rows=-(-entries // hardware.entries_per_row(matrix.entry_bits)),
            words=self.first_constant + len(self.constants),
            steps=len(self.steps),
        )

    @property
    def extra_cycles(self) -> int:
        """Cycles of a run beyond those of its layers (docs/hardware.md, L3)."""
        return sum(step.extra for step in self.steps)

    def read_back(self) -> Iterator[TableStep]:
        """Iterate over the steps with which the host gets stored outputs into the destination file, part by part."""
        if self.stored is not None:
            hardware, source = self.program.hardware, self.steps[-1].source
            rows = -(-self.last.layer.outputs // hardware.n_pe)
            for first in range(0, rows, hardware.register_entries):
                count = min(hardware.register_entries, rows - first)
                yield TableStep(StepKind.PRESET, source, count, self.stored + first)

    def host_words(self) -> HostWords:
        """Return the words of the host: the model's once, the others for each input (docs/hardware.md, L6)."""
        hardware, needs = self.program.hardware, self.needs
        entries = np.diff(self.memory.matrix.slice_starts)
        rows = -(-entries // hardware.entries_per_row(self.memory.matrix.entry_bits))
        inputs = -(-self.program.layers[0].layer.inputs // hardware.n_pe)
        return HostWords(
            model=hardware.n_pe * needs.pointers
            + int(rows.sum())
            + self.constants.size
            + _STEP_SETTINGS * len(self.steps),
            inputs=hardware.n_pe * inputs,
            presets=0,
            settings=_RUN_SETTINGS + _BACK_SETTINGS * len(list(self.read_back())),
            reads=self.last.layer.outputs,
        )


def layer_table(program: Program) -> LayerTable:
    """Return the table of a batched program of linear layers, whatever its size.

    Raises InputError for what no memory can mend: another rule than the paper's, layers with codes or indices of
    different bits, a bias that is wider than a word of the activation SRAM.
    """
    hardware = program.hardware
    _check(program)
    vectors = [-(-layer.layer.inputs // hardware.n_pe) for layer in program.layers if _in_sram(layer)]
    last = program.layers[-1]
    if len(last.passes) > 1:
        vectors.append(-(-last.layer.outputs // hardware.n_pe))
    # Vectors in the SRAM take turns in two areas: none is stored where its layer's inputs are.
    areas = (0, max(vectors[::2], default=0))
    words = areas[1] + max(vectors[1::2], default=0)
    layout = _Constants(hardware.n_pe, words)
    columns = 0
    steps: list[TableStep] = []
    source, relu = 0, False
    number = int(_in_sram(program.layers[0]))  # of vectors in the SRAM so far
    for layer in program.layers:
        codebook = np.repeat(layer.constants.codebook[:, None], hardware.n_pe, axis=1)
        word = layout.place(codebook)
        steps.append(
            TableStep(StepKind.CODEBOOK, source, 0, word, codes=len(codebook), extra=BETWEEN_STEPS + len(codebook))
        )
        loads = _in_sram(layer)
        first_word, stored = areas[(number - 1) % 2], areas[number % 2]
        for part in layer.passes:
            presets = as_rows(layer.bias_of(part), hardware.n_pe)
            rows, word = len(presets), layout.place(presets)
            steps.append(TableStep(StepKind.PRESET, source, rows, word, extra=BETWEEN_STEPS + rows))
            for batch in part.batches:
                steps.append(
                    TableStep(
                        StepKind.SCAN,
                        source,
                        batch.rows,
                        first_word + batch.first_row if loads else 0,
                        columns + batch.first_input,
                        load=loads,
                        relu=relu and not loads,
                        extra=BETWEEN_STEPS + (batch.rows if loads and not batch.loads else 0),
                    )
                )
            columns += part.matrix.inputs + 1
            if len(layer.passes) > 1:
                steps.append(
                    TableStep(
                        StepKind.STORE,
                        source,
                        rows,
                        stored + part.first_output // hardware.n_pe,
                        relu=layer.layer.relu,
                        extra=BETWEEN_STEPS + rows,
                    )
                )
        if len(layer.passes) > 1:
            number += 1
        else:
            source, relu = 1 - source, layer.layer.relu
    return LayerTable(
        program,
        tuple(steps),
        _together([part for layer in program.layers for part in layer.passes], hardware),
        layout.rows(),
        words,
        not _in_sram(program.layers[0]),
        areas[(number - 1) % 2] if len(last.passes) > 1 else None,
    )


def _in_sram(layer: LoweredLayer) -> bool:
    """Whether a layer's inputs are in the SRAM: those that a register file does not hold."""
    return len(layer.passes[0].batches) > 1


class _Constants:
    """Rows of the SRAM from `first` on, each block of them once."""

    def __init__(self, n_pe: int, first: int) -> None:
        self._blocks: dict[bytes, int] = {}
        self._rows: list[Integers] = [np.zeros((0, n_pe), np.int64)]
        self._next = first

    def place(self, rows: Integers) -> int:
        """Return the first word of some rows, (rows, N)."""
        key = np.ascontiguousarray(rows).tobytes()
        if key not in self._blocks:
            self._blocks[key] = self._next
            self._rows.append(rows)
            self._next += len(rows)
        return self._blocks[key]

    def rows(self) -> Integers:
        """Return all rows, (words, N)."""
        return np.concatenate(self._rows)


def _together(passes: Sequence[Pass], hardware: Hardware) -> Pass:
    """Return all passes as one: their pointers after each other, their weights from a memory row's beginning on."""
    matrix = passes[0].matrix
    per_row = hardware.entries_per_row(matrix.entry_bits)
    base = np.zeros((matrix.n_pe, 1), np.int64)
    pointers = []
    for part in passes:
        pointers.append(part.matrix.pointers + base)
        base = base + -(-part.matrix.pointers[:, -1:].astype(np.int64) // per_row) * per_row
    joined = np.concatenate(pointers, axis=1)
    entries = []
    for pe in range(matrix.n_pe):
        entries += [part.weight_rows(pe, per_row).ravel() for part in passes[:-1]]
        start, end = passes[-1].matrix.slice_starts[pe : pe + 2]
        entries.append(passes[-1].matrix.entries[start:end])
    together = replace(
        matrix,
        shape=(matrix.outputs, joined.shape[1] - 1),
        entries=np.concatenate(entries).astype(matrix.entries.dtype),  # type: ignore[arg-type]
        pointers=joined.astype(np.uint32),
    )
    return Pass(together, 0, passes[0].batches)


def _check(program: Program) -> None:
    """Raise InputError for what a table cannot have."""
    hardware = program.hardware
    if hardware.changed_rules:
        raise InputError(
            f"a table of layers follows the paper's rules, and {hardware.changed_rules[0]} is "
            f"{getattr(hardware, hardware.changed_rules[0])!r}"
        )
    for name in ("code_bits", "index_bits"):
        found = sorted({getattr(layer.matrix, name) for layer in program.layers})
        if len(found) > 1:
            raise InputError(f"a table of layers has one {name}, not {' and '.join(map(str, found))}")
    for layer in program.layers:
        most = 2 ** (hardware.value_bits - 1)
        bias = layer.constants.bias
        if len(bias) and not -most <= bias.min() <= bias.max() < most:
            raise InputError(
                f"the bias of layer {layer.layer.name} reaches {bias[np.abs(bias).argmax()]}, and a run of the table "
                f"presets it from the activation SRAM, whose words hold {-most} to {most - 1}: give the layer formats "
                "with fewer fraction bits, or run it step by step"
            )
