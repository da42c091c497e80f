"""Layout of a unit or a processing element: mapped, planned, placed, clocked, routed, extracted, and judged.

What counts as met or violated is read from the reports of the routed block: design rules from the router, antennas,
limits of slew and load, and slacks with the wires' extracted resistance and capacitance and the clock tree as built.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from eie.errors import InputError
from eie.model.network import Network
from eie.program.hardware import Hardware
from eie.silicon.floorplan import Floorplan, floorplan
from eie.silicon.gates import Netlist
from eie.silicon.layout_picture import draw
from eie.silicon.layout_reports import (
    broken_limits,
    power_mw,
    read_report,
    route_violations,
    skew_ns,
    slack_ns,
)
from eie.silicon.layout_steps import layout_plan
from eie.silicon.mapping import PERIOD_NS, map_unit, worst_slack, write_unsigned
from eie.silicon.memory_abstracts import write_lef
from eie.silicon.memory_cells import MEMORIES, Size, cell_size, memory_library, memory_point, memory_sizes
from eie.silicon.openroad import openroad_python, run_plan
from eie.silicon.power import PePower, pe_power
from eie.silicon.process_file import Process, load_process
from eie.silicon.routed_gates import CLOCK_BUFFERS, routed_netlist
from eie.silicon.sources import default_parameters
from eie.silicon.synthesis import CONFIGURATION
from eie.silicon.yosys import read_liberty_text, require_yosys
from eie.support.extras import require
from eie.support.output_files import atomic_write, existing_file, require_folder, require_output

__all__ = ["LAID_OUT", "Layout", "LayoutFiles", "Prepared", "lay_out", "place_and_route", "prepare", "routed_pe_power"]

LAID_OUT = tuple(unit for unit in CONFIGURATION if unit != "eie")


@dataclass(frozen=True)
class LayoutFiles:
    """The user's own files: cell library (Liberty), LEF files with the technology's first, and extraction rules."""

    liberty: Path
    lef: Sequence[Path]
    rules: Path


@dataclass(frozen=True)
class Layout:
    """One block as routed. Areas in um2, lengths in um, times in ns, power in mW.

    `cells` counts logic and buffers, not taps and fillers; `added` of them were not in the mapped netlist, and
    `clock_buffers` of these are the clock tree's. `violations` are the router's, by kind. Slacks are at `period_ns`,
    infinite where nothing is checked. `power_mw` is OpenROAD's, at its default activity.
    """

    unit: str
    period_ns: float
    die_um: tuple[float, float]
    cells: int
    cell_um2: float
    memory_um2: float
    utilisation: float
    added: int
    clock_buffers: int
    wire_um: float
    violations: Mapping[str, int]
    antennas: int
    limits: int
    setup_slack_ns: float
    hold_slack_ns: float
    longest_path_ns: float | None
    clock_skew_ns: float | None
    power_mw: Mapping[str, float]

    @property
    def die_um2(self) -> float:
        """Area of the die."""
        return self.die_um[0] * self.die_um[1]

    @property
    def verdicts(self) -> dict[str, bool]:
        """Whether the block holds each of the rules."""
        return {
            "design rules": not sum(self.violations.values()),
            "antennas": not self.antennas,
            "limits of slew and load": not self.limits,
            "setup": self.setup_slack_ns >= 0,
            "hold": self.hold_slack_ns >= 0,
        }


@dataclass(frozen=True)
class Prepared:
    """What is checked before any work: the process, the tool, the user's files as text by their name in the folder."""

    process: Process
    python: Sequence[str]
    texts: Mapping[str, str]
    lef: tuple[str, ...]
    period_ns: float
    utilisation: float
    die: tuple[float, float] | None
    memories: str
    keep: Path | None
    picture: Path | None


def prepare(
    files: LayoutFiles,
    *,
    process: str | Path = "nangate45",
    utilisation: float = 0.6,
    die: tuple[float, float] | None = None,
    period_ns: float = PERIOD_NS,
    memories: str = MEMORIES,
    openroad: str | None = None,
    keep: Path | None = None,
    picture: Path | None = None,
) -> Prepared:
    """Check everything that a layout needs.

    `die` is width and height in um; by default the least that holds the memories, and the cells at `utilisation`.
    `openroad` is the command of the Python that has OpenROAD. Into the new folder `keep` go the DEF, netlist, SPEF,
    reports, the tool's log, and LEF and Liberty of the block itself, for one around it; `picture` is a PNG. Raises
    InputError for wrong files, ToolError where OpenROAD is missing, and MissingExtra for the other tools.
    """
    require_yosys()
    if not 0.05 <= period_ns <= 100:
        raise InputError(f"the period must be 0.05 to 100 ns, not {period_ns:g}")
    if keep is not None and keep.exists():
        raise InputError(f"{keep} exists already: name a new folder")
    require_folder(keep)
    require_output(picture, "a picture", (".png",))
    if picture is not None:
        require("the picture of a layout", "klayout")
    made = load_process(process)
    texts = {"cells.lib": read_liberty_text(files.liberty)}
    lef = []
    for place, path in enumerate(files.lef):
        lef.append(f"cells{place}.lef")
        texts[lef[-1]] = existing_file(path, "LEF file").read_text(errors="replace")
        if not re.search(r"^\s*(LAYER|MACRO|SITE)\s+\S+", texts[lef[-1]], re.M):
            raise InputError(f"{path} is no LEF file: it has no LAYER, SITE or MACRO")
    _check_lef("\n".join(texts[name] for name in lef), made)
    texts["extraction.rules"] = existing_file(files.rules, "file of extraction rules").read_text(errors="replace")
    if "Metal" not in texts["extraction.rules"]:
        raise InputError(f"{files.rules} has no rules of OpenRCX, such as rcx_patterns.rules: it names no Metal")
    python = openroad_python(openroad, Path(tempfile.gettempdir()))
    return Prepared(made, python, texts, tuple(lef), period_ns, utilisation, die, memories, keep, picture)


def lay_out(unit: str, made: Prepared, log: Callable[[str], None] = lambda line: None) -> Layout:
    """Lay out `unit`, in the configuration that is synthesised, and return what came of it.

    Raises InputError for an unknown unit, cells that the LEF files lack and a die that is too small, and ToolError
    where a tool fails.
    """
    if unit not in LAID_OUT:
        raise InputError(f"there is no unit {unit} to lay out; there are {', '.join(LAID_OUT)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = memory_sizes(default_parameters("pe"))
        (folder / "cells.lib").write_text(made.texts["cells.lib"])
        (folder / "memories.lib").write_text(memory_library(sizes, made.memories))
        log(f"{unit}: synthesis")
        map_unit(folder, unit, CONFIGURATION[unit], sizes)
        return place_and_route(folder, unit, made, log)


def routed_pe_power(
    network: Network,
    inputs: npt.ArrayLike,
    hardware: Hardware,
    files: LayoutFiles,
    made: Prepared,
    *,
    pe: int = 0,
    cycles: int = 2000,
    log: Callable[[str], None] = lambda line: None,
) -> tuple[Layout, PePower]:
    """Lay out the PE that `network` needs, and measure it as routed: as `pe_power`, with its wires and clock tree."""
    done: list[Layout] = []

    def route(folder: Path) -> tuple[Netlist, float | None]:
        done.append(place_and_route(folder, "pe", made, log))
        return routed_netlist(folder, "pe"), done[0].longest_path_ns

    found = pe_power(
        network,
        inputs,
        hardware,
        files.liberty,
        pe=pe,
        cycles=cycles,
        memories=made.memories,
        route=route,
        log=lambda line: log(f"pe: {line}"),
    )
    return done[0], found


def _check_lef(text: str, process: Process) -> None:
    """Refuse LEF files without the process's layers, site and cells."""
    wanted = {
        "LAYER": [layer.name for layer in process.layers],
        "SITE": [process.site],
        "MACRO": [process.tap_cell, process.clock_buffer, process.driving_cell],
    }
    for kind, names in wanted.items():
        there = set(re.findall(rf"^\s*{kind}\s+(\S+)", text, re.M))
        if missing := [name for name in names if name not in there]:
            raise InputError(
                f"the LEF files have no {kind} {', '.join(missing)}, which the process ({process.title}) needs: give "
                "the technology's LEF and the cells', each with --lef"
            )


def place_and_route(folder: Path, unit: str, made: Prepared, log: Callable[[str], None]) -> Layout:
    """Lay out mapped.v of `folder`, with memories.lib beside it; leaves design.json, SPEF and reports there."""
    for name, text in made.texts.items():
        (folder / name).write_text(text)
    modules = json.loads((folder / "mapped.json").read_text())["modules"]
    _check_cells(modules, "\n".join(made.texts[name] for name in made.lef))
    instances = dict(_memories(modules, unit))
    area = float(json.loads((folder / "stat.json").read_text())["design"]["area"])
    plan = floorplan(
        unit, area, instances, made.process, utilisation=made.utilisation, die=made.die, memories=made.memories
    )
    abstracts = {one.memory.name: one.memory for one in plan.memories}
    (folder / "memories.lef").write_text(write_lef(list(abstracts.values()), made.process))
    write_unsigned(folder)
    steps = layout_plan(
        unit,
        plan,
        made.process,
        lef=made.lef,
        rules="extraction.rules",
        period_ns=made.period_ns,
        utilisation=made.utilisation,
        clocked="clk" in modules[unit]["ports"],
    )
    (folder / "plan.json").write_text(json.dumps(steps, indent=1))
    try:
        run_plan(made.python, folder, unit, log)
        found = _judged(folder, unit, made.period_ns, plan, tuple(instances.values()), made.memories)
        if made.picture is not None:
            with atomic_write(made.picture) as temporary:
                draw(folder, unit, made.process, temporary)
    finally:
        if made.keep is not None:
            _keep(folder, made.keep / unit)
    return found


def _memories(modules: Mapping[str, Any], top: str, path: str = "") -> list[tuple[str, Size]]:
    """Return every memory's instance and size."""
    found = []
    for name, cell in modules[top]["cells"].items():
        size = cell_size(cell["type"])
        if size is not None:
            found.append((path + name, size))
        elif cell["type"] in modules and "blackbox" not in modules[cell["type"]]["attributes"]:
            found += _memories(modules, cell["type"], f"{path}{name}/")
    return found


def _check_cells(modules: Mapping[str, Any], text: str) -> None:
    """Refuse a netlist with cells that the LEF files do not have."""
    there = set(re.findall(r"^\s*MACRO\s+(\S+)", text, re.M))
    used = {cell["type"] for module in modules.values() for cell in module["cells"].values()}
    missing = sorted(one for one in used - there if one not in modules and cell_size(one) is None)
    if missing:
        raise InputError(
            f"the LEF files have no MACRO {', '.join(missing[:5])}, which the cell library has: expected those of the "
            "same cells"
        )


_KEPT = (".def", ".v", ".spef", ".rpt", ".log", ".json", ".lef", ".lib")


def _keep(folder: Path, keep: Path) -> None:
    """Copy what the layout left, but not the user's own files."""
    keep.mkdir(parents=True)
    ours = {"cells.v", "mapped.v", "unsigned.v", "memories.v", "mapped.json", "stat.json"}
    for path in folder.iterdir():
        if path.suffix in _KEPT and path.name not in ours and not path.name.startswith("cells"):
            shutil.copyfile(path, keep / path.name)


def _judged(folder: Path, unit: str, period_ns: float, plan: Floorplan, sizes: Sequence[Size], memories: str) -> Layout:
    design = json.loads(read_report(folder, "design.json"))
    cells = [one for one in design["cells"] if one[4] and cell_size(one[1]) is None]  # taps and fillers have no nets
    area = sum((right - left) * (top - bottom) for *_, (left, bottom, right, top), _ in cells)
    mapped = int(json.loads((folder / "stat.json").read_text())["design"]["num_cells"]) - len(sizes)
    worst = worst_slack(read_report(folder, "slacks.rpt"))
    antennas = read_report(folder, "antennas.rpt")
    return Layout(
        unit=unit,
        period_ns=period_ns,
        die_um=tuple(design["die_um"]),
        cells=len(cells),
        cell_um2=area,
        memory_um2=sum(memory_point(*size, memories).area_um2 for size in sizes),
        utilisation=area / plan.free_um2,
        added=len(cells) - mapped,
        clock_buffers=sum(name.rpartition("/")[2].startswith(CLOCK_BUFFERS) for name, *_ in cells),
        wire_um=sum(length for *_, length in design["nets"]),
        violations=route_violations(read_report(folder, "drc.rpt")),
        antennas=len(re.findall(r"VIOL", antennas)),
        limits=broken_limits(read_report(folder, "limits.rpt")),
        setup_slack_ns=slack_ns(read_report(folder, "setup.rpt"), "max"),
        hold_slack_ns=slack_ns(read_report(folder, "hold.rpt"), "min"),
        longest_path_ns=None if worst is None else period_ns - worst,
        clock_skew_ns=skew_ns(read_report(folder, "skew.rpt")),
        power_mw=power_mw(read_report(folder, "power.rpt")),
    )
