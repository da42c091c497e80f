"""`eie simulate`: the cycles, load balance and memory reads of a network on the chip, exact to the cycle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy.typing as npt
import typer

from eie.chip import Hardware, LayerSimulation, Simulation, capacity, simulate_network
from eie.chip.trace import Window, activity, event_count, write_chrome, write_fst, write_timeline, write_vcd
from eie.chip.trace.chrome import BYTES_PER_EVENT
from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.cost import Cost, cost, load_technology, require_figures
from eie.errors import InputError
from eie.model.network import Network
from eie.storage import load
from eie.support.chart_files import CHART_ENDINGS
from eie.support.extras import require
from eie.support.numpy_files import read_npy
from eie.support.output_files import require_output

__all__ = ["command"]

TRACE_MODULES = {".vcd": "vcd", ".fst": "pylibfst"}
LONGEST_NUMBER = 18  # digits


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
    trace: Annotated[
        Path | None, typer.Option(help="Write a trace: .json for Perfetto, .vcd or .fst for a waveform viewer.")
    ] = None,
    timeline: Annotated[
        Path | None, typer.Option(help="Write a picture of PEs by cycles: .html, .png, .svg or .pdf.")
    ] = None,
    cycles: Annotated[str, typer.Option(metavar="A:B", help="Cycles of trace and timeline, B excluded.")] = ":",
    trace_pes: Annotated[str, typer.Option(metavar="A:B", help="PEs of trace and timeline, B excluded.")] = ":",
    technology: Annotated[
        str | None,
        typer.Option(help="Energy, power and area too: a technology's name, or the path of a technology file (.toml)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate the EIE chip running MODEL on INPUT.npy: cycles, time, load balance and memory reads per layer.

    Example: eie simulate alex8.safetensors alex8.activations.npy --queue-depth 16
    """
    if trace is not None and trace.suffix in TRACE_MODULES:
        require(f"a {trace.suffix} trace", TRACE_MODULES[trace.suffix])
    if timeline is not None:
        require("a timeline", "altair", "vl_convert")
    window = _window(cycles, trace_pes)
    require_output(trace, "a trace", (".json", ".vcd", ".fst"))
    require_output(timeline, "a timeline", CHART_ENDINGS)
    if window != Window() and trace is None and timeline is None:
        raise InputError("--cycles and --trace-pes are for --trace and --timeline: give one of these, too")
    network = load(model)
    hardware = Hardware(
        n_pe=network.n_pe if pes is None else pes,
        queue_depth=queue_depth,
        spmat_width_bits=spmat_width,
        clock_mhz=clock_mhz,
        register_entries=register_entries,
        batched=batched,
        strict=strict,
    )
    window.pes(hardware.n_pe)
    priced = None if technology is None else load_technology(technology)
    if priced is not None:
        require_figures(priced, hardware)
    vector = read_npy(inputs, "input file")
    layers = simulate_network(network, vector, hardware)
    for layer in layers:
        for requirement in capacity(layer.layer.matrix, hardware):
            if not requirement.fits:
                log.print(f"note: layer {layer.layer.name} would not fit the chip: {requirement}", style="yellow")
        if layer.overflows:
            log.print(
                f"warning: {layer.overflows} sums of layer {layer.layer.name} overflowed and wrapped", style="yellow"
            )
    if trace is not None:
        _write_trace(trace, layers, network, vector, hardware, window)
    if timeline is not None:
        write_timeline(activity(layers, hardware, window), timeline)
        log.print(f"timeline: {timeline}", style="dim")
    total_us = sum(layer.simulation.latency_us for layer in layers)
    total = None if priced is None else cost([layer.simulation for layer in layers], priced)
    if as_json:
        print_json(
            {
                "model": model,
                "provenance": "simulated",
                "hardware": hardware.document(),
                "layers": [_document(layer) for layer in layers],
                "cycles": sum(layer.simulation.cycles for layer in layers),
                "latency_us": total_us,
                **({} if total is None else {"cost": {"technology": technology, **_cost_document(total)}}),
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
        ("host words per input, not in the cycles", lambda s: s.host.per_input),
        ("of these activations", lambda s: s.host.inputs),
        ("of these presets", lambda s: s.host.presets),
        ("of these reads", lambda s: s.host.reads),
        ("host words of the model", lambda s: s.host.model),
        ("PE cycles busy", lambda s: int(s.busy_cycles.sum())),
        ("PE cycles on empty columns", lambda s: int(s.empty_column_cycles.sum())),
        ("PE cycles starved", lambda s: int(s.starved_cycles.sum())),
        ("PE cycles done early", lambda s: int(s.done_early_cycles.sum())),
    ]
    runs = (
        [("runs for one input", *(layer.runs for layer in layers))] if any(layer.runs > 1 for layer in layers) else []
    )
    print_table(
        f"Simulated: {hardware.n_pe} PEs, queues of {hardware.queue_depth}, {hardware.spmat_width_bits}-bit weight "
        f"memory, {hardware.clock_mhz:g} MHz",
        ("", *(layer.layer.name for layer in layers)),
        [*runs, *((name, *(fact(layer.simulation) for layer in layers)) for name, fact in facts)],
    )
    if total is not None:
        _print_cost(total, hardware)
    if len(layers) > 1:
        result.print(f"All {len(layers)} layers: {total_us:.2f} us (simulated)")


def _cost_document(made: Cost) -> dict[str, Any]:
    names = ("energy_nj", "power_mw", "area_mm2", "power_put_in", "area_put_in", "slowest_memory_ns", "keeps_clock")
    return {"provenance": "modelled", **{name: getattr(made, name) for name in names}}


def _print_cost(made: Cost, hardware: Hardware) -> None:
    """Print power and area by unit, then the whole chip, and whether its memories keep the clock."""
    print_table(
        "Modelled, the whole chip",
        ("unit", "energy, nJ", "power, mW", "area, mm2"),
        [(name, part.energy_nj, part.power_mw, part.area_mm2) for name, part in made.split("unit").items()],
    )
    result.print(f"{made.energy_nj:,.0f} nJ, {made.power_mw:,.0f} mW, {made.area_mm2:.2f} mm2 (modelled)")
    if not made.keeps_clock:
        log.print(
            f"warning: a memory is read every {made.slowest_memory_ns:.2f} ns at best and cannot keep "
            f"{hardware.clock_mhz:g} MHz",
            style="yellow",
        )


def _document(layer: LayerSimulation) -> dict[str, Any]:
    simulation = layer.simulation
    return {
        "name": layer.layer.name,
        "runs": layer.runs,
        "cycles": simulation.cycles,
        "latency_us": simulation.latency_us,
        "theoretical_us": simulation.theoretical_us,
        "load_efficiency": simulation.load_efficiency,
        "counts": vars(simulation.counts),
        "host_words": vars(simulation.host),
        "busy_cycles": simulation.busy_cycles,
        "empty_column_cycles": simulation.empty_column_cycles,
        "starved_cycles": simulation.starved_cycles,
        "done_early_cycles": simulation.done_early_cycles,
        "overflows": layer.overflows,
    }


def _window(cycles: str, pes: str) -> Window:
    first_cycle, end_cycle = _ends("--cycles", cycles)
    first_pe, end_pe = _ends("--trace-pes", pes)
    return Window(first_cycle, end_cycle, first_pe, end_pe)


def _ends(option: str, text: str) -> tuple[int, int | None]:
    first, colon, end = text.partition(":")
    if not colon or not all(part == "" or (part.isascii() and part.isdecimal()) for part in (first, end)):
        raise InputError(f"{option} must be A:B, two numbers of which either may be left out, not {text!r}")
    if len(first) > LONGEST_NUMBER or len(end) > LONGEST_NUMBER:
        raise InputError(f"{option} must be A:B of at most {LONGEST_NUMBER} digits each, not {len(text) - 1} in all")
    return int(first or 0), int(end) if end else None


def _write_trace(
    path: Path,
    layers: tuple[LayerSimulation, ...],
    network: Network,
    vector: npt.NDArray[Any],
    hardware: Hardware,
    window: Window,
) -> None:
    if path.suffix.lower() == ".json":
        found = activity(layers, hardware, window)
        events = event_count(found)
        log.print(f"trace: about {events:,} events, {events * BYTES_PER_EVENT / 1e6:,.0f} MB", style="dim")
        write_chrome(found, path)
    else:
        stepped = hardware if hardware.batched else replace(hardware, register_entries=_whole(layers, hardware))
        log.print("trace: stepping the chip, every cycle of it", style="dim")
        write = write_vcd if path.suffix.lower() == ".vcd" else write_fst
        write(network, vector, stepped, path, window)
    log.print(f"trace: {path}", style="dim")


def _whole(layers: tuple[LayerSimulation, ...], hardware: Hardware) -> int:
    """Return register-file entries that hold every layer in one batch and one pass."""
    return max(-(-max(layer.layer.matrix.shape) // hardware.n_pe) for layer in layers)
