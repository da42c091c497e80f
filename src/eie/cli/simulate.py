"""`eie simulate`: the cycles, load balance and memory reads of a network on the chip, exact to the cycle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy.typing as npt
import typer

from eie.chip import Hardware, LayerSimulation, Simulation, capacity
from eie.chip.memories import WEIGHT_MEMORIES
from eie.chip.trace import Window, activity, event_count, write_chrome, write_fst, write_timeline, write_vcd
from eie.chip.trace.chrome import BYTES_PER_EVENT
from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.cli.played import Played, document, play, spreads
from eie.cost import (
    Cost,
    Stream,
    external_memories,
    load_external_memory,
    load_technology,
    require_figures,
)
from eie.errors import InputError
from eie.model.network import Network
from eie.model.reference import input_batch
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
    inputs: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT.npy", help="One input vector or several, (inputs,) or (vectors, inputs), as .npy."
        ),
    ],
    pes: Annotated[
        int | None, typer.Option("--pes", help="Processing elements; by default as the model is encoded.")
    ] = None,
    queue_depth: Annotated[int, typer.Option("--queue-depth", help="Slots of each activation queue, from 2.")] = 8,
    spmat_width: Annotated[int, typer.Option("--spmat-width", help="Width of the weight memory in bits.")] = 64,
    clock_mhz: Annotated[float, typer.Option("--clock-mhz", help="Clock frequency in MHz.")] = 800.0,
    register_entries: Annotated[
        int, typer.Option("--register-entries", help="Activations per PE in each register file.")
    ] = 64,
    broadcast_stages: Annotated[
        int, typer.Option("--broadcast-stages", help="Registers between a broadcast and the queues, and back.")
    ] = 0,
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
    external_memory: Annotated[
        str | None,
        typer.Option(
            help=f"Where weights are that do not fit the chip: {', '.join(external_memories())}, or a file (.toml)."
        ),
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
        broadcast_stages=broadcast_stages,
        batched=batched,
        strict=strict,
    )
    window.pes(hardware.n_pe)
    priced = None if technology is None else load_technology(technology)
    if priced is not None:
        require_figures(priced, hardware)
    memory = None if external_memory is None else load_external_memory(external_memory)
    batch = input_batch(read_npy(inputs, "input file"), network.inputs)
    if len(batch) > 1 and (trace is not None or timeline is not None):
        raise InputError(f"a trace or timeline shows one input, but {inputs} holds {len(batch)}: give one of them")
    played = play(network, batch, hardware, priced, memory)
    _notes(played, hardware)
    vector, layers, total = batch[0], played[0].layers, played[0].cost
    if trace is not None:
        _write_trace(trace, layers, network, vector, hardware, window)
    if timeline is not None:
        write_timeline(activity(layers, hardware, window), timeline)
        log.print(f"timeline: {timeline}", style="dim")
    if as_json:
        print_json(document(model, hardware, played, technology, memory))
        return
    if len(batch) > 1:
        _print_several(played, hardware)
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
    repeats = (
        [("runs for one input", *(layer.runs for layer in layers))] if any(layer.runs > 1 for layer in layers) else []
    )
    print_table(
        f"Simulated: {_machine(hardware)}",
        ("", *(layer.layer.name for layer in layers)),
        [*repeats, *((name, *(fact(layer.simulation) for layer in layers)) for name, fact in facts)],
    )
    if played[0].streams:
        _print_streams(played[0].streams)
    if total is not None:
        _print_cost(total, hardware)
    if len(layers) > 1:
        kind = "modelled" if played[0].streams else "simulated"
        result.print(f"All {len(layers)} layers: {played[0].latency_us:.2f} us ({kind})")
    _print_table_run(played[0])


def _notes(played: list[Played], hardware: Hardware) -> None:
    for layer in played[0].layers:
        outside = WEIGHT_MEMORIES if layer.layer.name in played[0].streams else ()
        for requirement in capacity(layer.layer.matrix, hardware):
            if not requirement.fits and requirement.memory not in outside:
                log.print(f"note: layer {layer.layer.name} would not fit the chip: {requirement}", style="yellow")
    for name in (layer.layer.name for layer in played[0].layers):
        overflows = sum(one.overflows for run in played for one in run.layers if one.layer.name == name)
        if overflows:
            log.print(f"warning: {overflows} sums of layer {name} overflowed and wrapped", style="yellow")


def _print_several(played: list[Played], hardware: Hardware) -> None:
    """Print mean, spread and worst case over several inputs."""
    print_table(
        f"Simulated over {len(played)} inputs: {_machine(hardware)}",
        ("", "mean", "standard deviation", "least", "most", "at input"),
        [(name, one.mean, one.deviation, one.least, one.most, one.worst) for name, one in spreads(played).items()],
    )
    if played[0].cost is not None:
        result.print(f"Energy and power are modelled; the chip takes {played[0].cost.area_mm2:.2f} mm2.")
        _warn_of_clock(played[0].cost, hardware)


def _machine(hardware: Hardware) -> str:
    return (
        f"{hardware.n_pe} PEs, queues of {hardware.queue_depth}, {hardware.spmat_width_bits}-bit weight "
        f"memory, {hardware.clock_mhz:g} MHz"
    )


def _print_table_run(played: Played) -> None:
    """Print what a run from the chip's table of layers takes, or why there is none."""
    if played.table is None or played.streams:
        return
    if played.missing:
        log.print(f"note: the network would not run from the chip's table of layers, which {played.missing}")
        return
    words = played.table.host_words().per_input
    result.print(
        f"Without the host between layers: {played.cycles + played.table.extra_cycles:,} cycles, "
        f"{words:,} host words per input (simulated)"
    )


def _print_streams(streams: dict[str, Stream]) -> None:
    """Print what the external memory adds, layer by layer."""
    memory = next(iter(streams.values())).memory
    print_table(
        f"Modelled: weights in {memory.title}, {memory.bandwidth_gb_s:g} GB/s, read while the chip computes",
        ("layer", "bytes read", "computing, us", "reading, us", "together, us", "bound by", "energy of reads, nJ"),
        [
            (
                name,
                one.read_bytes,
                one.simulation.latency_us,
                one.transfer_us,
                one.latency_us,
                one.bound_by,
                one.energy_nj,
            )
            for name, one in streams.items()
        ],
    )


def _print_cost(made: Cost, hardware: Hardware) -> None:
    """Print power and area by unit, then the whole chip, and whether its memories keep the clock."""
    print_table(
        "Modelled, the whole chip",
        ("unit", "energy, nJ", "power, mW", "area, mm2"),
        [(name, part.energy_nj, part.power_mw, part.area_mm2) for name, part in made.split("unit").items()],
    )
    result.print(f"{made.energy_nj:,.0f} nJ, {made.power_mw:,.0f} mW, {made.area_mm2:.2f} mm2 (modelled)")
    _warn_of_clock(made, hardware)


def _warn_of_clock(made: Cost, hardware: Hardware) -> None:
    if not made.keeps_clock:
        log.print(
            f"warning: a memory is read every {made.slowest_memory_ns:.2f} ns at best and cannot keep "
            f"{hardware.clock_mhz:g} MHz",
            style="yellow",
        )


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
