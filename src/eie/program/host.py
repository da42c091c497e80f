"""The host's steps that run a program, in order, as plain data; the stepped chip and the RTL execute them.

Rules: docs/hardware.md, H1 to H3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eie.program.lowering import Batch, LoweredLayer, Pass, Program

__all__ = [
    "HostStep",
    "ReadOutputs",
    "RunScan",
    "WriteCodebook",
    "WritePass",
    "WriteSource",
    "WriteSram",
    "host_steps",
]


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
        batched = len(layer.passes[0].batches) > 1
        if batched:
            yield WriteSram(layer)
        for part in layer.passes:
            yield WritePass(layer, part, source)
            for batch in part.batches:
                if batch.loads:
                    relu = False
                elif batched or not kept:
                    relu = False
                    yield WriteSource(layer, batch, source)
                yield RunScan(layer, part, batch, source, relu)
            yield ReadOutputs(layer, part, source)
        kept = len(layer.passes) == 1
        if kept:
            source, relu = 1 - source, layer.layer.relu
