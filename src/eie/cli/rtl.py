"""`eie rtl`: exports the chip in SystemVerilog, compares it with the stepped simulator, synthesises and lays it out."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from eie.chip import Hardware
from eie.cli import rtl_layout
from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.cli.rtl_fpga import fpga_command
from eie.cost.own_chip import write_technology
from eie.errors import InputError
from eie.literature import reported
from eie.model.network import Network
from eie.silicon import source_files, verify
from eie.silicon.difference_waveform import write_waveform
from eie.silicon.export import export
from eie.silicon.memory_cells import MEMORIES, MEMORY_TECHNOLOGY
from eie.silicon.power import pe_power
from eie.silicon.synthesis import SYNTHESISED, synthesise
from eie.silicon.technology_file import PAPER_UNITS, technology_of
from eie.storage import load
from eie.support.extras import require
from eie.support.numpy_files import read_npy
from eie.support.output_files import require_output

__all__ = ["app"]

app = typer.Typer(
    help="The chip in SystemVerilog: export it, run it beside the stepped simulator, synthesise it, lay it out.",
    no_args_is_help=True,
)
app.command("fpga")(fpga_command)

app.command("layout")(rtl_layout.layout_command)
app.command("memories")(rtl_layout.memories_command)

ModelArgument = Annotated[Path, typer.Argument(help="A model file (.safetensors).")]
PesOption = Annotated[int | None, typer.Option("--pes", help="Processing elements, 1 to 256; by default the model's.")]
QueueOption = Annotated[int, typer.Option("--queue-depth", help="Slots of each activation queue, from 2.")]
WidthOption = Annotated[int, typer.Option("--spmat-width", help="Width of the weight memory in bits.")]
RegistersOption = Annotated[int, typer.Option("--register-entries", help="Activations per PE in each register file.")]
StagesOption = Annotated[
    int, typer.Option("--broadcast-stages", help="Registers between a broadcast and the queues, and back.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Refuse a model that the chip's memories cannot hold.")]


@app.command("export")
def export_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write; it must not exist yet.")],
    model: Annotated[Path, typer.Option("--model", help="The model to size the chip for and to write images of.")],
    pes: PesOption = None,
    queue_depth: QueueOption = 8,
    spmat_width: WidthOption = 64,
    register_entries: RegistersOption = 64,
    broadcast_stages: StagesOption = 0,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a self-contained folder: SystemVerilog sources, a file list, a package of parameters, memory images.

    Example: eie rtl export chip --model alex8.safetensors
    """
    network = load(model)
    hardware = _hardware(network, pes, queue_depth, spmat_width, register_entries, broadcast_stages, strict)
    parameters = export(network, hardware, folder)
    if as_json:
        print_json({"folder": folder, "parameters": parameters.verilog(), "sources": len(source_files())})
        return
    print_table("Parameters of the chip", ("parameter", "value"), list(parameters.verilog().items()))
    result.print(f"{len(source_files())} sources, files.f, eie_parameters.sv and memory images are in {folder}")


@app.command("verify")
def verify_command(
    model: ModelArgument,
    inputs: Annotated[Path, typer.Argument(metavar="INPUT.npy", help="One input vector, as .npy.")],
    pes: PesOption = None,
    queue_depth: QueueOption = 8,
    spmat_width: WidthOption = 64,
    register_entries: RegistersOption = 64,
    broadcast_stages: StagesOption = 0,
    strict: StrictOption = False,
    table: Annotated[
        bool, typer.Option("--table", help="Run it from the chip's table of layers, without the host between them.")
    ] = False,
    waveform: Annotated[
        Path, typer.Option(help="Where to write the cycles around a difference, as a value change dump.")
    ] = Path("difference.vcd"),
    as_json: JsonOption = False,
) -> None:
    """Run the RTL on INPUT.npy and compare every cycle and every output with the stepped simulator.

    The first run with new parameters builds the chip with Verilator, which takes a while; later runs reuse the build.
    The exit code is 1 if the two differ.

    Example: eie rtl verify alex8.safetensors alex8.activations.npy --register-entries 65
    """
    require("the verilated chip", "verilator")
    require_output(waveform, "a waveform", (".vcd",))
    network = load(model)
    hardware = _hardware(network, pes, queue_depth, spmat_width, register_entries, broadcast_stages, strict)
    vector = read_npy(inputs, "input file")
    log.print(f"building the chip with {hardware.n_pe} PEs, unless it has been built before", style="dim")
    found = verify(network, vector, hardware, table=table)
    facts = [
        ("equal", found.equal),
        ("cycles, stepped simulator", found.cycles),
        ("cycles, RTL", found.rtl_cycles),
        ("host words per input, not in the cycles", found.host.per_input),
        ("host words of the model", found.host.model),
        ("outputs compared", found.outputs),
        ("outputs that differ", found.differing_outputs),
        ("RTL run with its input and output, s (measured here)", found.rtl_s),
        ("stepped simulator, s (measured here)", found.stepped_s),
        ("build, s (measured here)", found.build_s),
    ]
    if as_json:
        difference = None if found.difference is None else str(found.difference)
        print_json({**dict(facts), "first_difference": difference, "assertion": found.assertion or None})
    else:
        print_table("RTL beside the stepped simulator", ("", "value"), facts)
        if found.difference is not None:
            result.print(f"First difference: {found.difference}")
        if found.assertion:
            result.print(f"An assertion failed: {found.assertion}")
    if found.difference is not None:
        write_waveform(found, waveform)
        log.print(f"the cycles around the difference are in {waveform}", style="dim")
    if not found.equal:
        raise typer.Exit(1)


@app.command("synth")
def synth_command(
    liberty: Annotated[Path, typer.Option("--liberty", help="The cell library, .lib or .lib.gz.")],
    unit: Annotated[
        str | None, typer.Option("--unit", help=f"One of {', '.join(SYNTHESISED)}; by default all.")
    ] = None,
    pes: Annotated[int, typer.Option("--pes", help="Processing elements of the chip, the unit eie.")] = 64,
    memories: Annotated[
        str, typer.Option(help=f"The memories' figures, a set of the technology {MEMORY_TECHNOLOGY}.")
    ] = MEMORIES,
    as_json: JsonOption = False,
) -> None:
    """Synthesise the units with Yosys and print area, cells and longest path beside the paper's Table II.

    Example: eie rtl synth --liberty nangate45_typ.lib.gz --unit arithm_unit
    """
    results = synthesise(
        liberty,
        (unit,) if unit else SYNTHESISED,
        lambda line: log.print(line, style="dim"),
        pes=pes,
        memories=memories,
    )
    if as_json:
        print_json({"provenance": "synthesised here", "units": [vars(found) for found in results]})
        return
    print_table(
        "Synthesised here, beside the paper's Table II",
        ("unit", "cells", "area, um2", "paper, um2", "ours / paper", "longest path, ns"),
        [(found.unit, found.cells, found.area_um2, found.paper_um2, found.ratio, found.delay_ns) for found in results],
    )
    result.print(
        f"Left out: wires and their delay, clock tree, the memories' area, fillers. Paths through memories have the "
        f"access times of {memories} (CACTI 7, 45 nm; setup times not given, and taken as 0). The paper's cells are "
        "TSMC 45 nm at worst conditions, its critical path 1.15 ns."
    )


@app.command("power")
def power_command(
    model: ModelArgument,
    inputs: Annotated[Path, typer.Argument(metavar="INPUT.npy", help="One input vector, as .npy.")],
    liberty: Annotated[Path, typer.Option("--liberty", help="The cell library, .lib or .lib.gz.")],
    pes: PesOption = None,
    pe: Annotated[int, typer.Option("--pe", min=0, help="Which processing element.")] = 0,
    cycles: Annotated[
        int, typer.Option(min=1, help="Cycles to run, at most; the first batch of the first layer.")
    ] = 2000,
    accumulator_bits: Annotated[int, typer.Option(help="Width of the accumulators; the paper's have 16.")] = 16,
    clock_mhz: Annotated[float, typer.Option("--clock-mhz", help="Clock frequency in MHz.")] = 800.0,
    gating: Annotated[bool, typer.Option("--gating/--no-gating", help="Whether enables become clock gates.")] = True,
    technology: Annotated[
        Path | None, typer.Option(help="Where to write a technology file of the logic synthesised here, .toml.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a PE's power: its gates run on real data, their toggles times the library's energies.

    The model's Q formats are chosen anew for the accumulators' width, from this input. Every output of every cycle is
    compared with the stepped simulator.

    Example: eie rtl power alex8.safetensors alex8.activations.npy --liberty nangate45_typ.lib.gz
    """
    require_output(technology, "a technology file", (".toml",))
    network = load(model).map_layers(lambda layer: replace(layer, formats=None))
    hardware = Hardware(
        n_pe=network.n_pe if pes is None else pes, clock_mhz=clock_mhz, accumulator_bits=accumulator_bits, batched=True
    )
    if pe >= hardware.n_pe:
        raise InputError(f"--pe must be below {hardware.n_pe}, the chip's processing elements, not {pe}")
    found = pe_power(
        network,
        read_npy(inputs, "input file"),
        hardware,
        liberty,
        pe=pe,
        cycles=cycles,
        gated=gating,
        log=lambda line: log.print(line, style="dim"),
    )
    if technology is not None:
        (node,) = synthesise(liberty, ("lnzd_node",))
        made = technology_of(
            technology.stem,
            found,
            node.area_um2,
            clock_mhz=clock_mhz,
            library=liberty.name,
            layer=network.layers[0].name,
        )
        write_technology(made, technology)
    if as_json:
        print_json(
            {
                "provenance": "modelled: gate-level toggles times the library's energies",
                "cycles": found.cycles,
                "longest_path_ns": found.delay_ns,
                "voltage": found.voltage,
                "gated": found.gated,
                "sums_compared": found.sums_compared,
                "units": [
                    asdict(power) | {"total_mw": power.total_mw, "area_um2": power.area_um2} for power in found.units
                ],
            }
        )
        return
    paper = reported("table2")
    print_table(
        f"PE {pe} of {hardware.n_pe}, {found.cycles:,} cycles at {clock_mhz:g} MHz, in mW (modelled from gate-level "
        "toggles), beside the paper's Table II",
        ("unit", "um2", "clock", "registers", "combinational", "total", "of it leakage", "paper, with SRAM"),
        [
            (
                *(power.unit, power.area_um2, *(cells.power_mw for cells in power.kinds.values())),
                *(
                    power.total_mw,
                    power.leakage_mw,
                    paper["units"].get(PAPER_UNITS.get(power.unit), {}).get("power_mw"),
                ),
            )
            for power in found.units
        ],
    )
    logic = paper["total"]["power_mw"] - paper["kinds"]["memory"]["power_mw"]
    result.print(
        f"All units: {sum(power.total_mw for power in found.units):.3f} mW; the paper's PE without its memories: "
        f"{logic:.3f} mW. The gates' outputs equalled the stepped simulator's in every cycle."
    )
    path = "not known, as OpenSTA is missing" if found.delay_ns is None else f"{found.delay_ns:.3f} ns"
    result.print(
        f"The library's voltage is {found.voltage:g} V; the paper does not give its own. Longest path of these gates, "
        f"with memories: {path} (paper 1.15 ns)."
    )
    result.print(
        "Left out: SRAM macros, wires, the clock tree's buffers. The paper's cells are TSMC 45 nm at worst conditions."
    )


def _hardware(
    network: Network,
    pes: int | None,
    queue_depth: int,
    spmat_width: int,
    register_entries: int,
    broadcast_stages: int,
    strict: bool,
) -> Hardware:
    """Return the hardware that the options name; the RTL always runs batched."""
    return Hardware(
        n_pe=network.n_pe if pes is None else pes,
        queue_depth=queue_depth,
        spmat_width_bits=spmat_width,
        register_entries=register_entries,
        broadcast_stages=broadcast_stages,
        batched=True,
        strict=strict,
    )
