"""`eie simulate`: what a network takes on the chip, exact to the cycle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from eie.chip import Hardware, LayerSimulation, Simulation, capacity, simulate_network
from eie.cli.output import JsonOption, log, print_json, print_table, read_array, result
from eie.storage import load

__all__ = ["command"]


def command(
    model: Annotated[Path, typer.Argument(help="A model file (.safetensors).")],
    inputs: Annotated[Path, typer.Argument(metavar="INPUT.npy", help="One input vector, as .npy.")],
    pes: Annotated[
        int | None, typer.Option("--pes", help="Processing elements; by default as the model is encoded.")
    ] = None,
    queue_depth: Annotated[int, typer.Option("--queue-depth", help="Slots of each activation queue, from 2.")] = 8,
    spmat_width: Annotated[int, typer.Option("--spmat-width", help="Width of the weight memory in bits.")] = 64,
    clock_mhz: Annotated[float, typer.Option("--clock-mhz", help="Clock frequency in MHz.")] = 800.0,
    register_entries: Annotated[
        int, typer.Option("--register-entries", help="Activations per PE in each register file.")
    ] = 64,
    batched: Annotated[
        bool, typer.Option("--batched", help="Run longer vectors in batches and passes, as the hardware must.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a layer that the chip's memories cannot hold.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate the EIE chip running MODEL on INPUT.npy: cycles, time, load balance and memory reads per layer.

    Example: eie simulate alex8.safetensors alex8.activations.npy --queue-depth 16
    """
    network = load(model)
    hardware = Hardware(
        n_pe=network.layers[0].matrix.n_pe if pes is None else pes,
        queue_depth=queue_depth,
        spmat_width_bits=spmat_width,
        clock_mhz=clock_mhz,
        register_entries=register_entries,
        batched=batched,
        strict=strict,
    )
    layers = simulate_network(network, read_array(inputs, "input file"), hardware)
    for layer, _, _, overflows in layers:
        for requirement in capacity(layer.matrix, hardware):
            if not requirement.fits:
                log.print(f"note: layer {layer.name} would not fit the chip: {requirement}", style="yellow")
        if overflows:
            log.print(f"warning: {overflows} sums of layer {layer.name} overflowed and wrapped", style="yellow")
    total_us = sum(layer.simulation.latency_us for layer in layers)
    if as_json:
        print_json(
            {
                "model": model,
                "provenance": "simulated",
                "hardware": vars(hardware),
                "layers": [_document(layer) for layer in layers],
                "cycles": sum(layer.simulation.cycles for layer in layers),
                "latency_us": total_us,
            }
        )
        return
    facts: list[tuple[str, Callable[[Simulation], int | float]]] = [
        ("cycles", lambda s: s.cycles),
        ("time, us", lambda s: s.latency_us),
        ("theoretical time, us", lambda s: s.theoretical_us),
        ("load efficiency", lambda s: s.load_efficiency),
        ("broadcasts", lambda s: s.counts.broadcasts),
        ("entries issued", lambda s: s.counts.entries_issued),
        ("multiply-accumulates", lambda s: s.counts.macs),
        ("weight-memory reads", lambda s: s.counts.spmat_reads),
        ("pointer reads", lambda s: s.counts.ptr_reads),
        ("PE cycles busy", lambda s: int(s.busy_cycles.sum())),
        ("PE cycles on empty columns", lambda s: int(s.empty_column_cycles.sum())),
        ("PE cycles starved", lambda s: int(s.starved_cycles.sum())),
        ("PE cycles done early", lambda s: int(s.done_early_cycles.sum())),
    ]
    print_table(
        f"Simulated: {hardware.n_pe} PEs, queues of {hardware.queue_depth}, {hardware.spmat_width_bits}-bit weight "
        f"memory, {hardware.clock_mhz:g} MHz",
        ("", *(layer.layer.name for layer in layers)),
        [(name, *(fact(layer.simulation) for layer in layers)) for name, fact in facts],
    )
    if len(layers) > 1:
        result.print(f"All {len(layers)} layers: {total_us:.2f} us (simulated)")


def _document(layer: LayerSimulation) -> dict[str, Any]:
    simulation = layer.simulation
    return {
        "name": layer.layer.name,
        "cycles": simulation.cycles,
        "latency_us": simulation.latency_us,
        "theoretical_us": simulation.theoretical_us,
        "load_efficiency": simulation.load_efficiency,
        "counts": vars(simulation.counts),
        "busy_cycles": simulation.busy_cycles,
        "empty_column_cycles": simulation.empty_column_cycles,
        "starved_cycles": simulation.starved_cycles,
        "done_early_cycles": simulation.done_early_cycles,
        "overflows": layer.overflows,
    }
