"""`eie rtl fpga`: puts the chip into an FPGA, and tells its clock, its cells and what it could do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.errors import InputError
from eie.model.reference import input_batch
from eie.silicon.fpga import DEVICES, RESOURCES, Fpga, block_ram_chip, implement, mean_cycles
from eie.storage import load
from eie.support.numpy_files import read_npy
from eie.support.output_files import require_output

__all__ = ["fpga_command"]


def fpga_command(
    device: Annotated[str, typer.Option(help=f"One of {', '.join(DEVICES)}.")] = "ecp5-85k",
    pes: Annotated[
        list[int] | None, typer.Option("--pes", help="Processing elements; may be given several times.")
    ] = None,
    package: Annotated[str, typer.Option(help="The device's package, by Lattice's name.")] = "CABGA381",
    speed: Annotated[int, typer.Option(help="The device's speed grade, 6 to 8.")] = 8,
    pins: Annotated[
        Path | None, typer.Option(help="Where the pins are, an LPF file; without one they are placed anywhere.")
    ] = None,
    queue_depth: Annotated[int, typer.Option("--queue-depth", help="Slots of each activation queue, from 2.")] = 8,
    register_entries: Annotated[
        int, typer.Option("--register-entries", help="Activations per PE in each register file.")
    ] = 64,
    broadcast_stages: Annotated[
        int | None,
        typer.Option(
            "--broadcast-stages", help="Registers between a broadcast and the queues; by default 1, 0 for a PE."
        ),
    ] = None,
    target_mhz: Annotated[float, typer.Option("--target-mhz", min=1, help="The clock to work towards.")] = 100.0,
    seed: Annotated[int, typer.Option(min=0, help="Where the placement begins.")] = 1,
    bitstream: Annotated[Path | None, typer.Option(help="Where to write the bitstream, .bit; for one --pes.")] = None,
    model: Annotated[Path | None, typer.Option(help="A model, for its inferences per second on the chip.")] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(help="One input vector of the model or several, (inputs,) or (vectors, inputs), as .npy."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Synthesise, place and route the chip behind SPI for an FPGA, and print its clock and cells by PEs.

    Takes a minute for a PE and half an hour for 16, on one core.

    Example: eie rtl fpga --device ecp5-85k --pes 1 --bitstream chip.bit
    """
    wanted = pes or [1]
    require_output(bitstream, "a bitstream", (".bit",))
    if bitstream is not None and len(wanted) > 1:
        raise InputError(f"--bitstream is for one chip, but --pes is given {len(wanted)} times")
    if (model is None) != (inputs is None):
        raise InputError("--model and --inputs go together: cycles depend on the input")
    fpga = Fpga(device, package, speed, pins)
    chips = [
        block_ram_chip(
            one, queue_depth=queue_depth, register_entries=register_entries, broadcast_stages=broadcast_stages
        )
        for one in wanted
    ]
    cycles: list[float | None] = [None] * len(chips)
    if model is not None and inputs is not None:
        network = load(model)
        batch = input_batch(read_npy(inputs, "input file"), network.inputs)
        cycles = [mean_cycles(network, batch, chip) for chip in chips]
    found = [
        implement(
            chip, fpga, bitstream, target_mhz=target_mhz, seed=seed, log=lambda line: log.print(line, style="dim")
        )
        for chip in chips
    ]
    rates = [None if some is None else one.fmax_mhz * 1e6 / some for one, some in zip(found, cycles, strict=True)]
    if as_json:
        print_json(
            {
                "provenance": "synthesised here, placed and routed; inferences modelled from exact cycles",
                "device": device,
                "speed_grade": speed,
                "seed": seed,
                "available": found[0].available,
                "chips": [
                    {
                        "pes": one.parameters.n_pe,
                        "fmax_mhz": one.fmax_mhz,
                        "used": one.used,
                        "parameters": one.parameters.verilog(),
                        "cycles": some,
                        "inferences_per_s": rate,
                    }
                    for one, some, rate in zip(found, cycles, rates, strict=True)
                ],
            }
        )
        return
    columns = ["PEs", "Fmax, MHz", *RESOURCES.values()]
    rows: list[list[object]] = [[one.parameters.n_pe, one.fmax_mhz, *one.used.values()] for one in found]
    if model is not None:
        columns += ["cycles", "inferences/s (modelled)"]
        rows = [[*row, some, rate] for row, some, rate in zip(rows, cycles, rates, strict=True)]
    print_table(f"The chip in {device}, speed grade {speed} (synthesised here, placed and routed)", columns, rows)
    result.print(
        "There are "
        + ", ".join(f"{there:,} {RESOURCES[name]}" for name, there in found[0].available.items())
        + ". A PE holds 8,192 entries, 2,047 columns and 1,024 activations. Fmax is nextpnr's, for the worst corner of "
        "the speed grade; no board has run it."
    )
    if model is not None:
        result.print(
            "Inferences per second are Fmax over the scans' exact cycles, the mean of the inputs; a layer of a "
            "convolution runs once a window. What the host moves is left out."
        )
    if bitstream is not None:
        result.print(
            f"The bitstream is {bitstream}" + ("." if pins else "; its pins are placed anywhere: give --pins.")
        )
