"""The host's steps that run a program, in order, as plain data; the stepped chip and the RTL execute them.

Rules: docs/hardware.md, H1 to H3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from eie.program.hardware import Hardware
from eie.program.lowering import Batch, LoweredLayer, Pass, Program

__all__ = [
    "HostStep",
    "HostWords",
    "ReadOutputs",
    "RunScan",
    "WriteCodebook",
    "WritePass",
    "WriteSource",
    "WriteSram",
    "host_steps",
    "host_words",
]


@dataclass(frozen=True)
class HostWords:
    """Words between the host and the chip, none of which is in the cycles (docs/hardware.md, H2, H4).

    model: codebook, pointers and weight-memory rows. inputs: activations, written into source files and SRAMs. presets:
    accumulators. settings: of passes and scans. reads: sums that the host reads.
    """

    model: int
    inputs: int
    presets: int
    settings: int
    reads: int

    def __add__(self, other: HostWords) -> HostWords:
        """Return the words of two parts together."""
        return HostWords(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    @property
    def per_input(self) -> int:
        """Words that every input vector needs anew: all but the model's."""
        return self.inputs + self.presets + self.settings + self.reads


PASS_SETTINGS, SCAN_SETTINGS = 2, 5  # flags, clear; rows, first input, first word, flags, start


@dataclass(frozen=True, eq=False)
class WriteCodebook:
    """Fill every PE's codebook with the layer's."""

    layer: LoweredLayer


@dataclass(frozen=True, eq=False)
class WriteSram:
    """Fill the activation SRAMs with all inputs of the layer, from which its batches are loaded."""

    layer: LoweredLayer


@dataclass(frozen=True, eq=False)
class WritePass:
    """Fill pointer and weight memories with one pass, and preset the destination file with its bias or zeros."""

    layer: LoweredLayer
    part: Pass
    source: int


@dataclass(frozen=True, eq=False)
class WriteSource:
    """Fill the source file with a batch of the layer's inputs."""

    layer: LoweredLayer
    batch: Batch
    source: int


@dataclass(frozen=True, eq=False)
class RunScan:
    """Start a scan of one batch and wait until it is complete; `relu`: the source file is read through ReLU."""

    layer: LoweredLayer
    part: Pass
    batch: Batch
    source: int
    relu: bool


@dataclass(frozen=True, eq=False)
class ReadOutputs:
    """Read the pass's outputs from the destination file."""

    layer: LoweredLayer
    part: Pass
    source: int


HostStep = WriteCodebook | WriteSram | WritePass | WriteSource | RunScan | ReadOutputs


def host_words(passes: Sequence[Pass], hardware: Hardware, *, kept: bool = False) -> HostWords:
    """Return the words of one layer's passes; `kept` tells whether its inputs are in the source file already (H3).

    Where `hardware` is not batched, a register file is as long as the layer's outputs.
    """
    matrix, batches = passes[0].matrix, passes[0].batches
    outputs = max(part.matrix.outputs for part in passes)
    file_words = hardware.n_pe * max(hardware.register_entries, -(-outputs // hardware.n_pe))
    model, inputs = len(matrix.codebook), 0
    if len(batches) > 1:
        inputs += hardware.n_pe * sum(batch.rows for batch in batches)  # the SRAM
    for part in passes:
        entries = np.diff(part.matrix.slice_starts)
        entries_per_row = hardware.entries_per_row(part.matrix.entry_bits)
        model += part.matrix.pointers.size + int((-(-entries // entries_per_row)).sum())
        inputs += hardware.n_pe * sum(batch.rows for batch in batches if _written(batch, batches, kept))
    return HostWords(
        model=model,
        inputs=inputs,
        presets=file_words * len(passes),
        settings=len(passes) * (PASS_SETTINGS + SCAN_SETTINGS * len(batches)),
        reads=sum(part.matrix.outputs for part in passes),
    )


def _written(batch: Batch, batches: Sequence[Batch], kept: bool) -> bool:
    """Whether the host writes a batch into the source file, where it is not loaded or there already (H1, H3)."""
    return not batch.loads and (len(batches) > 1 or not kept)


def host_steps(program: Program) -> Iterator[HostStep]:
    """Iterate over the host's steps. `source` is the register file, 0 or 1, that a step reads; it writes the other one.

    If a layer's outputs fit the destination file, they stay there: the files swap roles, and the next layer reads them
    through the ReLU of the layer that wrote them. Values written by the host or loaded from the SRAM are read without
    ReLU.
    """
    source, relu = 0, False
    kept = False  # whether the source file has the layer's inputs already
    for layer in program.layers:
        yield WriteCodebook(layer)
        if len(layer.passes[0].batches) > 1:
            yield WriteSram(layer)
        for part in layer.passes:
            yield WritePass(layer, part, source)
            for batch in part.batches:
                if batch.loads:
                    relu = False
                elif _written(batch, part.batches, kept):
                    relu = False
                    yield WriteSource(layer, batch, source)
                yield RunScan(layer, part, batch, source, relu)
            yield ReadOutputs(layer, part, source)
        kept = len(layer.passes) == 1
        if kept:
            source, relu = 1 - source, layer.layer.relu
