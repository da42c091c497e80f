"""The values at one processing element's ports, cycle by cycle, while the stepped chip runs real data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eie.chip.stepped.chip import Chip
from eie.chip.stepped.unit import Wires
from eie.errors import InputError
from eie.program.lowering import Run, as_rows
from eie.silicon.parameters import Parameters
from eie.silicon.registers import MAP

__all__ = ["COMPARED", "INPUTS", "OUTPUTS", "Stimulus", "record_stimulus"]

# The ports of rtl/pe.sv, but for clk; all fit 64 bits.
INPUTS = (
    *("reset", "scan_enable", "clear", "busy", "source", "relu"),
    *("write_pointer", "write_weights", "write_codebook", "write_source", "write_destination", "write_sram"),
    *("read_pointer", "read_weights", "read_sram", "read_space", "read_place"),
    *(
        "host_address",
        "host_data",
        "load_read",
        "load_address",
        "load_enable",
        "load_row",
        "store_enable",
        "row_address",
    ),
    *("broadcast", "broadcast_column", "broadcast_value"),
)
# Outputs that the stepped chip has in every cycle.
COMPARED = (
    *("queue_valid", "queue_count", "take", "stage_valid", "entry_valid", "weight_valid", "row_read"),
    *("pipeline_busy", "write_valid", "source_row"),
)
OUTPUTS = (*COMPARED, "host_word")

Words = npt.NDArray[np.uint64]


class Stimulus(NamedTuple):
    """The ports' values by cycle, uint64 (cycles, INPUTS): filling the memories, running, reading the accumulators.

    `expected`, (running cycles, COMPARED), is what the stepped chip shows; `sums`, (rows,), what the accumulators hold
    in the end, or None where the layer has not been run to its end.
    """

    filling: Words
    running: Words
    reading: Words
    expected: Words
    sums: npt.NDArray[np.int64] | None


def record_stimulus(run: Run, parameters: Parameters, pe: int, cycles: int) -> Stimulus:
    """Run the network's first layer on the stepped chip and record the ports of PE `pe`, for at most `cycles` cycles.

    The recording ends with the first batch. Raises InputError for a PE outside the chip's, a layer that runs in
    passes, and ports wider than 64 bits.
    """
    hardware, layer = run.program.hardware, run.program.layers[0]
    if not 0 <= pe < hardware.n_pe:
        raise InputError(f"PE must be 0 to {hardware.n_pe - 1}, not {pe}")
    if hardware.broadcast_stages:
        raise InputError(f"a PE is recorded without broadcast stages, not with {hardware.broadcast_stages}")
    if len(layer.passes) > 1:
        raise InputError(
            f"layer {layer.layer.name} has {layer.layer.outputs} outputs and runs in passes of "
            f"{hardware.register_inputs}: give more PEs"
        )
    if parameters.data_bits > 64:
        raise InputError(
            f"the PE's host port must have 64 bits or fewer, not {parameters.data_bits}: narrow the weight memory"
        )
    seen: list[dict[str, int]] = []
    shown: list[list[int]] = []
    ended = False

    def observe(cycle: int, wires: Wires) -> None:
        nonlocal ended
        ended = ended or bool(wires["load_enable"]) or not bool(wires["computing"])
        if ended or len(seen) >= cycles:
            return
        # After the last row of full files the address is beyond them, and nothing is read; the twin shows the last.
        row = min(int(wires["row_address"]), parameters.register_entries - 1)
        inputs = {"busy": 1, "row_address": row, "broadcast": int(wires["broadcast"])}
        if wires["broadcast"]:
            inputs["broadcast_column"] = int(wires["broadcast_column"])
            inputs["broadcast_value"] = int(wires["broadcast_value"]) % 2**parameters.value_bits
        seen.append(inputs)
        shown.append([int(wires[name][pe]) for name in COMPARED])

    (result, *_) = Chip(hardware).run(run.program, run.activations, observe)
    whole = len(seen) == result.cycles
    outputs = layer.layer.outputs
    destination = MAP.number("DESTINATION")
    reading = [{"read_space": destination, "read_place": row} for row in range(len(range(pe, outputs, hardware.n_pe)))]
    sums = result.outputs[pe :: hardware.n_pe] if whole and not layer.layer.relu else None
    expected = np.array(shown, np.int64).reshape(-1, len(COMPARED))
    expected[:, COMPARED.index("source_row")] %= 2**parameters.value_bits
    return Stimulus(
        _words(_filling(run, parameters, pe)), _words(seen), _words(reading), expected.astype(np.uint64), sums
    )


def _filling(run: Run, p: Parameters, pe: int) -> list[dict[str, int]]:
    """Return the host's writes that the CCU hands to one PE: codebook, pointers, weights, bias, activations."""
    layer = run.program.layers[0]
    (part,) = layer.passes
    image = part.weight_rows(pe, p.entries_per_row).view(np.uint8).reshape(-1, p.entries_per_row * p.entry_bits // 8)
    weights = np.zeros((len(image), 8), np.uint8)
    weights[:, : image.shape[1]] = image
    accumulators = np.zeros(p.register_entries, np.int64)
    bias = as_rows(layer.bias_of(part), p.n_pe)[:, pe]
    accumulators[: len(bias)] = bias
    batch = part.batches[0]
    memories: list[tuple[str, Any, int]] = [
        ("write_codebook", layer.constants.codebook, p.value_bits),
        ("write_pointer", part.matrix.pointers[pe], p.pointer_bits),
        ("write_weights", weights.view("<u8").ravel(), 64),
        ("write_source", as_rows(layer.places(run.activations), p.n_pe)[: batch.rows, pe], p.accumulator_bits),
        ("write_destination", accumulators, p.accumulator_bits),
    ]
    cycles = [{"reset": 1}, {"clear": 1}]
    for port, values, bits in memories:
        cycles += [
            {port: 1, "host_address": place, "host_data": int(value) % 2**bits} for place, value in enumerate(values)
        ]
    return cycles


def _words(cycles: list[dict[str, int]]) -> Words:
    words = np.zeros((len(cycles), len(INPUTS)), np.uint64)
    for row, values in enumerate(cycles):
        for name, value in values.items():
            words[row, INPUTS.index(name)] = value
    return words
