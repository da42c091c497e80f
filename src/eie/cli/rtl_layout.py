"""`eie rtl layout` and `eie rtl memories`: a unit or a PE placed and routed, and the memories as blocks for it."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.cost.own_chip import write_technology
from eie.errors import InputError
from eie.literature import reported
from eie.program.hardware import Hardware
from eie.silicon.layout import LAID_OUT, Layout, LayoutFiles, lay_out, prepare, routed_pe_power
from eie.silicon.layout_memories import memory_power
from eie.silicon.mapping import PERIOD_NS
from eie.silicon.memory_abstracts import abstract, write_lef
from eie.silicon.memory_cells import MEMORIES, MEMORY_TECHNOLOGY, memory_library, memory_point, memory_sizes
from eie.silicon.openroad import OPENROAD_VARIABLE
from eie.silicon.power import PePower
from eie.silicon.process_file import PROCESSES, load_process
from eie.silicon.sources import default_parameters
from eie.silicon.technology_file import technology_of
from eie.storage import load
from eie.support.numpy_files import read_npy
from eie.support.output_files import atomic_write, require_output

__all__ = ["layout_command", "memories_command"]

MemoriesOption = Annotated[
    str, typer.Option("--memories", help=f"The memories' figures, a set of the technology {MEMORY_TECHNOLOGY}.")
]
ProcessOption = Annotated[
    str, typer.Option("--process", help=f"What the library's files do not say: {', '.join(PROCESSES)}, or a .toml.")
]


def layout_command(
    unit: Annotated[str, typer.Argument(metavar="UNIT", help=f"One of {', '.join(LAID_OUT)}.")],
    liberty: Annotated[Path, typer.Option("--liberty", help="The cell library, .lib or .lib.gz.")],
    lef: Annotated[list[Path], typer.Option("--lef", help="The technology's LEF, and once more the cells'.")],
    rules: Annotated[Path, typer.Option("--rules", help="OpenRCX's rules for the wires' resistance and capacitance.")],
    process: ProcessOption = "nangate45",
    memories: MemoriesOption = MEMORIES,
    utilisation: Annotated[float, typer.Option(help="How much of the cells' room the mapped cells fill.")] = 0.6,
    die: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in um; by default the least that holds it.")] = None,
    period: Annotated[float, typer.Option(help="The clock's period in ns.")] = PERIOD_NS,
    model: Annotated[
        Path | None, typer.Option(help="Of a pe: the model that it runs, to measure power on the routed gates.")
    ] = None,
    inputs: Annotated[Path | None, typer.Option("--input", help="The model's input vector, as .npy.")] = None,
    pe: Annotated[int, typer.Option("--pe", min=0, help="Which processing element of the model's.")] = 0,
    cycles: Annotated[int, typer.Option(min=1, help="Cycles to run, at most.")] = 2000,
    clock_mhz: Annotated[float, typer.Option("--clock-mhz", help="Clock frequency of the power in MHz.")] = 800.0,
    openroad: Annotated[
        str | None,
        typer.Option(help=f"The command of the Python that has OpenROAD; by default {OPENROAD_VARIABLE}, or this one."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A new folder for DEF, netlist, SPEF, LEF, Liberty, reports and log."),
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Where to draw the layout, .png.")] = None,
    technology: Annotated[
        Path | None, typer.Option(help="Where to write a technology file of the routed PE, .toml; with --model.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Place and route a unit or a PE with OpenROAD, and print area, timing with wires, and violations.

    With a model and an input, a PE's power is measured on its routed gates. The exit code is 1 if a rule is violated.

    Example: eie rtl layout pe --liberty cells.lib.gz --lef tech.lef --lef cells.lef --rules rcx_patterns.rules
    """
    require_output(technology, "a technology file", (".toml",))
    if (model is None) != (inputs is None):
        raise InputError("--model and --input belong together: give both, or neither")
    if model is not None and unit != "pe":
        raise InputError(f"power is measured on a pe, not on {unit}: leave out --model and --input")
    if technology is not None and model is None:
        raise InputError("a technology file needs the power of a pe: give --model and --input")
    files = LayoutFiles(liberty, lef, rules)
    made = prepare(
        files,
        process=process,
        utilisation=utilisation,
        die=_die(die),
        period_ns=period,
        memories=memories,
        openroad=openroad,
        keep=output,
        picture=picture,
    )

    def say(line: str) -> None:
        log.print(line, style="dim")

    power = None
    if model is None or inputs is None:
        found = lay_out(unit, made, say)
    else:
        network = load(model).map_layers(lambda layer: replace(layer, formats=None))
        hardware = Hardware(n_pe=network.n_pe, clock_mhz=clock_mhz, accumulator_bits=16, batched=True)
        vector = read_npy(inputs, "input file")
        found, power = routed_pe_power(network, vector, hardware, files, made, pe=pe, cycles=cycles, log=say)
        if technology is not None:
            node = lay_out("lnzd_node", replace(made, keep=None, picture=None, die=None), say)
            write_technology(
                technology_of(
                    technology.stem,
                    power,
                    node.cell_um2,
                    clock_mhz=clock_mhz,
                    library=liberty.name,
                    layer=network.layers[0].name,
                    memories=memories,
                    empty_um2=found.die_um2 - found.cell_um2 - found.memory_um2,
                ),
                technology,
            )
    memory = None if power is None else memory_power(power, memories, clock_mhz)
    if as_json:
        document = asdict(found) | {"provenance": "placed and routed here", "verdicts": found.verdicts}
        finite = {name: _finite(value) for name, value in document.items()}
        if power is not None and memory is not None:
            finite["power_of_routed_gates"] = {
                "provenance": "modelled: toggles of the routed gates times the library's energies, with wires",
                "cycles": power.cycles,
                "clock_mhz": clock_mhz,
                "units": [asdict(one) | {"total_mw": one.total_mw} for one in power.units],
                "memories": {"provenance": "modelled: reads times CACTI's energies"} | asdict(memory),
            }
        print_json(finite)
    else:
        _print_layout(found, memories)
        if power is not None and memory is not None:
            _print_power(power, clock_mhz)
            paper = reported("table2")
            logic = sum(one.total_mw for one in power.units)
            result.print(
                f"Logic, wires and clock tree {logic:.3f} mW; reads of memories {memory.read_mw:.3f} mW (modelled, "
                f"CACTI 7); together {logic + memory.read_mw:.3f} mW. The paper's PE: "
                f"{paper['total']['power_mw']:g} mW, {paper['kinds']['memory']['power_mw']:g} of it memories. "
                f"The memories' leakage, {memory.leakage_mw:.1f} mW in the set {memories}, is apart: the paper does "
                "not say whether its figures hold any."
            )
    if not all(found.verdicts.values()):
        raise typer.Exit(1)


def memories_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write memories.lef and .lib into.")],
    sizes: Annotated[
        list[str] | None, typer.Option("--size", help="WORDSxBITS, as often as needed; by default a PE's.")
    ] = None,
    memories: MemoriesOption = MEMORIES,
    process: ProcessOption = "nangate45",
    as_json: JsonOption = False,
) -> None:
    """Write the memories as blocks for a layout: outline, pins and blockages (LEF), timing and energy (Liberty).

    Area, access time, energy and leakage are CACTI 7's at 45 nm; the shape, a square, is ours.

    Example: eie rtl memories blocks --size 16384x64
    """
    chosen = [_size(text) for text in sizes] if sizes else list(memory_sizes(default_parameters("pe")))
    layers = load_process(process)
    blocks = [abstract(size, layers, memories) for size in dict.fromkeys(chosen)]
    points = [memory_point(*block.size, memories) for block in blocks]
    library = memory_library([block.size for block in blocks], memories)
    require_output(folder / "memories.lef", "the memories", (".lef",))
    for name, text in (("memories.lef", write_lef(blocks, layers)), ("memories.lib", library)):
        with atomic_write(folder / name) as temporary:
            temporary.write_text(text)
    columns = ("memory", "width, um", "height, um", "read, pJ", "leakage, mW", "access, ns")
    rows = [
        (one.name, one.width, one.height, point.read_pj, point.leakage_mw, point.access_ns or point.cycle_ns)
        for one, point in zip(blocks, points, strict=True)
    ]
    if as_json:
        print_json({"provenance": "CACTI 7", "memories": [dict(zip(columns, row, strict=True)) for row in rows]})
        return
    print_table(f"Memories of {memories}, CACTI 7, 45 nm; square by assumption", columns, rows)
    result.print(f"memories.lef and memories.lib are in {folder}")


def _print_layout(found: Layout, memories: str) -> None:
    paper = reported("table2") if found.unit == "pe" else None
    kinds = {} if paper is None else paper["kinds"]
    logic = sum(kinds[kind]["area_um2"] for kind in ("clock network", "register", "combinational")) if kinds else None
    here, cacti = "placed and routed here", f"CACTI 7, {memories}"
    width, height = found.die_um
    rows: list[tuple[str, object, str, object]] = [
        (f"die, um2 ({width:.1f} x {height:.1f} um)", found.die_um2, here, paper and paper["total"]["area_um2"]),
        ("memories, um2", found.memory_um2, cacti, kinds and kinds["memory"]["area_um2"]),
        ("cells, um2", found.cell_um2, here, logic),
        ("cells", found.cells, here, None),
        ("of them added to the mapped netlist", found.added, here, None),
        ("of these in the clock tree", found.clock_buffers, here, None),
        ("of the cells' room filled", found.utilisation, here, None),
        ("wires, mm", found.wire_um / 1000, here, None),
        ("longest path, ns", found.longest_path_ns, here, 1.15 if paper else None),
        (f"setup slack at {found.period_ns:g} ns, ns", _finite(found.setup_slack_ns), here, None),
        ("hold slack, ns", _finite(found.hold_slack_ns), here, None),
        ("clock skew, ns", found.clock_skew_ns, here, None),
        ("power at OpenROAD's default activity, mW", found.power_mw["Total"], here, None),
    ]
    rows = [(name, value, origin, of_paper or None) for name, value, origin, of_paper in rows]
    print_table(f"{found.unit}, with wires, beside the paper's Table II", ("", "value", "origin", "paper"), rows)
    for rule, held in found.verdicts.items():
        result.print(f"{rule}: {'held' if held else 'VIOLATED'}{_detail(found, rule)}")


def _detail(found: Layout, rule: str) -> str:
    counts = {
        "design rules": sum(found.violations.values()),
        "antennas": found.antennas,
        "limits of slew and load": found.limits,
    }
    if rule in counts:
        return f", {counts[rule]} violations"
    return f", worst slack {found.setup_slack_ns if rule == 'setup' else found.hold_slack_ns:.3f} ns"


def _print_power(power: PePower, clock_mhz: float) -> None:
    print_table(
        f"Its logic with wires and clock tree, {power.cycles:,} cycles at {clock_mhz:g} MHz and {power.voltage:g} V, "
        "in mW (modelled from toggles of the routed gates)",
        ("unit", "um2", "clock", "registers", "combinational", "total", "of it leakage"),
        [
            (one.unit, one.area_um2, *(cells.power_mw for cells in one.kinds.values()), one.total_mw, one.leakage_mw)
            for one in power.units
        ],
    )


def _finite(value: object) -> object:
    """None for a slack where nothing is checked."""
    return None if isinstance(value, float) and value in (float("inf"), float("-inf")) else value


def _die(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", text)
    if found is None:
        raise InputError(f"--die must be WIDTHxHEIGHT in um, such as 860x640, not {text}")
    return float(found.group(1)), float(found.group(2))


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,8})x([1-9]\d{0,5})", text)
    if found is None:
        raise InputError(f"--size must be WORDSxBITS, such as 16384x64, not {text}")
    return int(found.group(1)), int(found.group(2))
