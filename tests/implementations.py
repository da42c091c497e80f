"""The machine's implementations side by side: one layer played on all of them, which must agree.

Those are the readable recurrence, the native one with each instruction set, the stepped chip and the reference
arithmetic. `tests/docs/test_hardware_page.py` runs the examples of docs/hardware.md on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import eie
from eie import _native
from eie.chip.counts import Counts
from eie.chip.stepped import Chip, Observer, SteppedLayer
from eie.chip.stepped.unit import Wires
from eie.chip.timing import scan, schedule_reference, simulate_matrix
from eie.model.numerics import fraction_bits, quantise
from eie.program.arithmetic import chip_layer
from eie.program.lowering import lower
from eie.program.rules import Scan

_NAMES = ("portable", "avx2", "avx512")  # of the recurrence; each has what those before it have
_BEST = {"vnni": "avx2"}.get(_native.instruction_set(), _native.instruction_set())
INSTRUCTION_SETS = _NAMES[: _NAMES.index(_BEST) + 1] if _BEST in _NAMES else _NAMES[:1]  # what this processor has
EACH_INSTRUCTION_SET = [
    pytest.param(name, marks=pytest.mark.skipif(name not in INSTRUCTION_SETS, reason=f"needs {name}"))
    for name in _NAMES
]
CODEBOOK = np.arange(16) / 16
FORMATS = eie.Formats(0, 15)  # integer activations, a codebook below 1, integer outputs


def scan_cycles(columns: Scan, counts: npt.NDArray[np.int64], queue_depth: int, stages: int = 0) -> int:
    """Return the cycles of one scan from the readable recurrence; `counts` is n(k, i), (broadcasts, N)."""
    broadcast, enter = schedule_reference(columns.gaps, np.maximum(1, counts), queue_depth, stages)
    if len(broadcast) == 0:
        return columns.end
    leave = enter + np.maximum(1, counts)
    drained = np.where(counts > 0, enter + counts + 5, 0)
    return max(columns.ends(int(broadcast[-1])), int(leave[-1].max()), int(drained.max()))


def readable_cycles(matrix: eie.InterleavedCSC, activations: npt.NDArray[Any], hardware: eie.Hardware) -> int:
    """Return the layer's cycles from the readable recurrence, in batches and passes where the hardware has them."""
    size = hardware.register_entries * hardware.n_pe if hardware.batched else max(matrix.shape)
    cycles = 0
    for block in matrix.row_blocks(size):
        for first in range(0, matrix.inputs, size):
            batch = activations[first : first + size]
            columns = scan(batch, hardware.n_pe)
            counts = block.counts[:, columns.columns + first].T.astype(np.int64)
            cycles += scan_cycles(columns, counts, hardware.queue_depth, hardware.broadcast_stages)
            if first > 0:
                cycles += -(-len(batch) // hardware.n_pe)
    return cycles


def stepped_layer(
    layer: eie.Layer, activations: npt.NDArray[Any], hardware: eie.Hardware, observe: Observer | None = None
) -> SteppedLayer:
    """Run the layer on the stepped chip, and hold its outputs to the reference's.

    Floats are quantised with the fraction bits that `simulate` gives them.
    """
    if activations.dtype.kind == "f":
        activations = quantise(activations, fraction_bits(activations))
    program = lower(eie.Network((layer,)), replace(hardware, batched=True))
    (found,) = Chip(program.hardware).run(program, activations, observe)
    assert np.array_equal(found.outputs, chip_layer(layer, activations).values)
    return found


@dataclass(frozen=True, eq=False)
class Played:
    """What a layer took on every implementation, its outputs, and each signal of the stepped chip by cycle."""

    cycles: int
    counts: Counts
    simulation: eie.Simulation
    outputs: list[int]
    trace: dict[str, npt.NDArray[Any]]  # (cycles,) or (cycles, N), named as in chip/stepped/signals.py

    def when(self, signal: str, pe: int | None = None) -> list[int]:
        """Return the cycles in which a signal, one PE's or the chip's, is high."""
        values = self.trace[signal] if pe is None else self.trace[signal][:, pe]
        return [int(cycle) for cycle in np.flatnonzero(values)]


def play(
    codes: npt.ArrayLike,
    activations: npt.ArrayLike,
    *,
    codebook: npt.ArrayLike = CODEBOOK,
    index_bits: int = 4,
    bias: npt.ArrayLike | None = None,
    relu: bool = False,
    formats: eie.Formats = FORMATS,
    **sizes: Any,
) -> Played:
    """Play a layer on integer activations, on every implementation, and return what all of them say.

    `sizes` are parameters of `eie.Hardware`, batched; `register_entries` is by default what holds the layer at once.
    """
    array, values = np.asarray(codes), np.asarray(activations)
    matrix = eie.encode(array, codebook, sizes["n_pe"], index_bits)
    hardware = eie.Hardware(**{"register_entries": -(-max(array.shape) // matrix.n_pe), "batched": True} | sizes)
    layer = eie.Layer("layer", matrix, None if bias is None else np.array(bias, np.float32), relu, formats)
    signals: dict[str, list[Any]] = {}

    def observe(cycle: int, wires: Wires) -> None:
        for name, value in wires.items():
            signals.setdefault(name, []).append(np.copy(value))

    stepped = stepped_layer(layer, values, hardware, observe)
    assert stepped.cycles == readable_cycles(matrix, values, hardware)
    for instruction_set in INSTRUCTION_SETS:
        simulation = simulate_matrix(matrix, values, hardware, instruction_set=instruction_set)
        assert (simulation.cycles, simulation.counts) == (stepped.cycles, stepped.counts)
    trace = {name: np.array(by_cycle) for name, by_cycle in signals.items()}
    return Played(stepped.cycles, stepped.counts, simulation, stepped.outputs.tolist(), trace)
