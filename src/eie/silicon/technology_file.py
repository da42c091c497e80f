"""The technology of the chip as it was synthesised here, from the power of its gates."""

from __future__ import annotations

from eie.cost import Technology
from eie.cost.own_chip import Logic, LogicPower, technology_from
from eie.errors import ToolError
from eie.silicon.memory_cells import MEMORIES
from eie.silicon.power import PePower
from eie.silicon.synthesis import UnitSynthesis

__all__ = ["PAPER_UNITS", "technology_of"]

# Table II's name of each unit that it has.
PAPER_UNITS = {
    "act_queue": "Act_queue",
    "ptr_read": "PtrRead",
    "spmat_read": "SpmatRead",
    "arithm_unit": "ArithmUnit",
    "act_rw": "ActRW",
}


def technology_of(
    name: str, found: PePower, node: UnitSynthesis, *, clock_mhz: float, library: str, layer: str
) -> Technology:
    """Return the PE's logic as `found` at `clock_mhz`, the area of an LNZD node, and the memories that its path has.

    Raises ToolError where the longest path is not known, as the fastest clock follows from it, and InputError where an
    action never happened in the cycles measured.
    """
    if found.delay_ns is None:
        raise ToolError("a technology file needs the longest path: install OpenSTA, Debian's opensta")
    logic = [
        Logic(
            PAPER_UNITS.get(unit.unit, unit.unit),
            unit.area_um2,
            LogicPower(unit.clock_mw, unit.register_mw, unit.combinational_mw, unit.leakage_mw),
        )
        for unit in found.units
    ]
    return technology_from(
        [*logic, Logic("LNZD", node.area_um2)],
        {action: times / found.cycles for action, times in found.happened.items()},
        name=name,
        title=f"Logic synthesised here with {library} at {found.voltage:g} V, memories from CACTI 7",
        source=f"synthesised here with {library}, {found.voltage:g} V, without wires",
        activity_source=f"{found.cycles} cycles of {layer} on one PE, its gates run at {clock_mhz:g} MHz",
        clock_mhz=clock_mhz,
        critical_path_ns=found.delay_ns,
        memories=MEMORIES,
    )
