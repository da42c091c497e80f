"""From a unit's SystemVerilog to cells: the one netlist whose area, longest path, power and layout are reported.

The PE's units stay modules of their own, so that every cell belongs to one; a memory is a cell of its size.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eie.errors import ToolError
from eie.silicon.memory_cells import Size, memory_commands
from eie.silicon.sources import copy_sources, default_parameters, source_files
from eie.silicon.yosys import run_yosys

__all__ = [
    "NOT_READ_EARLY",
    "NOT_TESTED",
    "PERIOD_NS",
    "SLACK_REPORTS",
    "constant_cells",
    "drive_test_pins",
    "has_clock_gate",
    "longest_path",
    "map_unit",
    "scan_pins",
    "worst_slack",
    "write_unsigned",
]

PERIOD_NS = 1.15  # the paper's critical path

# Mapped for the least area within the delay {D}, buffered, and sized; in ABC's inline form, a comma for a blank.
_ABC = "+strash;ifraig;scorr;dch;map,{D};topo;buffer,-c,-N,16;topo;upsize,{D};dnsize,{D}"
_LOGIC_PS = 940  # what the period leaves between two registers
_LEAST_GATED = 3  # flip-flops with one enable, for a clock gate to be smaller than their multiplexers
# OpenSTA's commands whose answers `worst_slack` reads.
SLACK_REPORTS = (
    "report_checks -path_delay max -digits 4",
    "report_checks -path_delay max -digits 4 -to [concat [all_registers -edge_triggered -data_pins] [all_outputs]]",
)
# In OpenSTA's Tcl: latches are open before the edge, but no word is looked at in the cycle that writes it. The queue's
# slot is free and the codebook is written while no scan runs (rtl/formal: `free_slot`, `codebook_unread`); of an
# accumulator's row the arithmetic unit takes its own newest sum; the detector waits while the source's rows are loaded.
# A word is stable before the next cycle begins.
NOT_READ_EARLY = "\n".join(
    [
        "set early {}",
        "foreach latch [all_registers -level_sensitive -cells] { lappend early [get_full_name $latch]/Q }",
        "if {[llength $early]} { set_false_path -through [get_pins $early] }",
    ]
)
# In OpenSTA's Tcl: paths are those of the chip at work.
NOT_TESTED = "if {[llength [get_ports -quiet scan_enable]]} { set_case_analysis 0 [get_ports scan_enable] }"
_PE_UNITS = ("act_queue", "ptr_read", "spmat_read", "arithm_unit", "act_rw")


def map_unit(
    folder: Path,
    unit: str,
    parameters: Mapping[str, int],
    sizes: tuple[Size, ...],
    *,
    gated: bool = True,
) -> dict[str, Any]:
    """Map `unit` to cells.lib in `folder`, where memories.lib has the memories of `sizes`; return Yosys' statistics.

    Leaves mapped.v, mapped.json (nets named n1, n2, ..., alike in both) and cells.v, the cells' functions. With `gated`
    enables become clock gates where the library has one. Raises ToolError where Yosys fails.
    """
    copy_sources(folder)
    # Without a driving cell, ABC assumes that registers drive any load, and leaves their fan-out unbuffered.
    (folder / "drive.constr").write_text("set_driving_cell BUF_X1\nset_load 5.0 [all_outputs]\n")
    library = (folder / "cells.lib").read_text()
    ties = constant_cells(library)
    # Defaults are not set again: names, and by them the cells, would change.
    defaults = default_parameters(unit).items()
    sets = " ".join(f"-set {name} {parameters[name]}" for name, own in defaults if parameters.get(name, own) != own)
    kept = [f"*{one}*" for one in _PE_UNITS if one != unit] + (["*pe"] if unit == "eie" else [])  # mapped once
    script = [
        f"read_verilog -sv -DSYNTHESIS {' '.join(path.name for path in source_files())}",
        "blackbox sram",
        *([f"chparam {sets} {unit}"] if sets else []),
        f"hierarchy -check -top {unit}",
        *memory_commands(sizes),
        *(f"setattr -mod -set keep_hierarchy 1 {one}" for one in kept),
        f"synth -flatten -booth -noabc -run begin:check -top {unit}",
        *(_clock_gating(library) if gated else []),
        "write_rtlil gated.il",
    ]
    run_yosys(folder, script, unit)
    netlist = folder / "gated.il"
    netlist.write_text(drive_test_pins(netlist.read_text(), scan_pins(library)))
    script = [
        "read_rtlil gated.il",
        "dfflibmap -liberty cells.lib",
        f'abc -liberty cells.lib -constr drive.constr -D {_LOGIC_PS} -script "{_ABC}"',
        "setattr -mod -unset keep_hierarchy *low_gate* *data_gate*",
        "flatten",
        *([f"hilomap -singleton -hicell {ties[0]} -locell {ties[1]}"] if ties else []),
        "opt_clean -purge",
        "tee -q -o stat.json stat -json -liberty cells.lib",
        "splitnets",
        "rename -hide w:*",
        "rename -enumerate -pattern n% w:*",
        "write_verilog -noattr -noexpr -simple-lhs mapped.v",
        "write_json mapped.json",
        "design -reset",
        "read_liberty -ignore_miss_func cells.lib",
        "write_verilog -noattr cells.v",
    ]
    run_yosys(folder, script, unit)
    statistics: dict[str, Any] = json.loads((folder / "stat.json").read_text())["design"]
    return statistics


def has_clock_gate(liberty: str) -> bool:
    """Tell whether the library has a clock gate: its enable taken while the clock is low, the high half passed."""
    return bool(re.search(r'clock_gating_integrated_cell\s*:\s*"?latch_posedge(_precontrol)?"?\s*;', liberty))


def scan_pins(liberty: str) -> dict[str, str]:
    """Return the pin of each of the library's clock gates that opens it for a test, by cell; "" where it has none."""
    found: dict[str, str] = {}
    for cell in re.split(r"\bcell\s*\(", liberty)[1:]:
        if "clock_gating_integrated_cell" in cell:
            pin = re.search(r"clock_gate_test_pin\s*:\s*\"?true", cell)
            name = re.split(r"\bpin\s*\(", cell[: pin.start()])[-1].partition(")")[0].strip(' "') if pin else ""
            found[cell.partition(")")[0].strip(' "')] = name
    return found


def _clock_gating(liberty: str) -> list[str]:
    """Return the command that makes clock gates, of cells with a test pin where the library has some."""
    if not has_clock_gate(liberty):
        return []
    pins = scan_pins(liberty)
    unused = "".join(f" -dont_use {cell}" for cell, pin in pins.items() if not pin and any(pins.values()))
    return [f"clockgate -liberty cells.lib{unused} -min_net_size {_LEAST_GATED}"]


def drive_test_pins(rtlil: str, pins: Mapping[str, str]) -> str:
    """Connect each clock gate's test pin, of `pins` by cell, to its module's port `scan_enable` in Yosys' netlist.

    Raises ToolError where a module has clock gates and no such port.
    """
    lines = rtlil.splitlines()
    module, cell, has_port = "", "", False
    for place, line in enumerate(lines):
        words = line.split()
        if words[:1] == ["module"]:
            module, has_port = words[1], False
        elif words[:1] == ["wire"] and words[-1] == "\\scan_enable":
            has_port = True
        elif words[:1] == ["cell"]:
            cell = words[1].removeprefix("\\")
        elif words[:1] == ["end"]:
            cell = ""
        elif pins.get(cell) and words[:2] == ["connect", f"\\{pins[cell]}"]:
            if not has_port:
                raise ToolError(f"module {module} has clock gates, and no port scan_enable to open them for a test")
            lines[place] = f"    connect \\{pins[cell]} \\scan_enable"
    return "\n".join(lines) + "\n"


def constant_cells(liberty: str) -> tuple[str, str] | None:
    """Return the library's cells of the constants 1 and 0, each as "CELL PIN"; None where it lacks one."""
    found: dict[str, str] = {}
    for cell in re.split(r"\bcell\s*\(", liberty)[1:]:
        if kind := re.search(r'\bfunction\s*:\s*"([01])"', cell):
            pin = re.split(r"\bpin\s*\(", cell[: kind.start()])[-1].partition(")")[0].strip(' "')
            name = cell.partition(")")[0].strip(' "')
            found.setdefault(kind.group(1), f"{name} {pin}")
    return (found["1"], found["0"]) if len(found) == 2 else None


def longest_path(folder: Path, unit: str) -> float | None:
    """Return the longest path of mapped.v in `folder` with its end's setup time, in ns; None without OpenSTA.

    Raises ToolError where OpenSTA finds none.
    """
    if shutil.which("sta") is None:
        return None
    write_unsigned(folder)
    (folder / "sta.tcl").write_text(
        "read_liberty cells.lib\nread_liberty memories.lib\nread_verilog unsigned.v\n"
        f"link_design {unit}\n"
        f"if {{[llength [get_ports -quiet clk]]}} {{ create_clock -name clk -period {PERIOD_NS} [get_ports clk] }} "
        f"else {{ create_clock -name clk -period {PERIOD_NS} }}\n"
        "set_input_delay 0 -clock clk [all_inputs]\nset_output_delay 0 -clock clk [all_outputs]\n"
        + "\n".join([NOT_READ_EARLY, NOT_TESTED, *SLACK_REPORTS, "exit"])
        + "\n"
    )
    done = subprocess.run(["sta", "-exit", "sta.tcl"], cwd=folder, capture_output=True, text=True, check=False)
    slack = worst_slack(done.stdout)
    said = done.stdout + done.stderr
    # It goes on after an error, and may end with exit code 0.
    error = next((line for line in said.splitlines() if re.match(r"(Error|.*\berror\b)", line)), "")
    if done.returncode != 0 or error or slack is None:
        raise ToolError(f"OpenSTA found no longest path of {unit}: {(error or said).strip()[-300:]}")
    return PERIOD_NS - slack


def write_unsigned(folder: Path) -> None:
    """Write mapped.v of `folder` as unsigned.v, for OpenSTA, whose reader knows no signed port."""
    netlist = (folder / "mapped.v").read_text()
    (folder / "unsigned.v").write_text(re.sub(r"\bsigned ", "", netlist))


def worst_slack(reports: str) -> float | None:
    """Return the worst slack of the answers to `SLACK_REPORTS`, one of each group of paths; None if there is none.

    A latch that is open when its data arrive has slack 0, and the path goes on through it.
    """
    slacks = [float(slack) for slack in re.findall(r"(-?[0-9.]+)\s+slack", reports)]
    return min((slack for slack in slacks if slack != 0.0), default=None)
