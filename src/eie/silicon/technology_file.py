"""The technology of the chip as it was synthesised or laid out here, from the power of its gates."""

from __future__ import annotations

from typing import Literal

from eie.cost import Technology
from eie.cost.own_chip import Cells, Logic, technology_from
from eie.errors import ToolError
from eie.silicon.memory_cells import MEMORIES
from eie.silicon.power import PePower

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
    name: str,
    found: PePower,
    node_um2: float,
    *,
    clock_mhz: float,
    library: str,
    layer: str,
    memories: str = MEMORIES,
    empty_um2: float | None = None,
) -> Technology:
    """Return the PE's logic as `found` at `clock_mhz`, the area of an LNZD node, and the memories that its path has.

    `empty_um2` is what a layout has neither cells nor memories in; without it the logic is synthesised, without wires.

    Raises ToolError where the longest path is not known, as the fastest clock follows from it, and InputError where an
    action never happened in the cycles measured.
    """
    if found.delay_ns is None:
        raise ToolError("a technology file needs the longest path: install OpenSTA, Debian's opensta")
    logic = [Logic(PAPER_UNITS.get(unit.unit, unit.unit), unit.kinds) for unit in found.units]
    if empty_um2 is not None:
        logic.append(Logic("filler cell", {"filler cell": Cells(empty_um2)}))
    made: Literal["synthesised here", "placed and routed here"]
    made, wires = ("synthesised here", "without") if empty_um2 is None else ("placed and routed here", "with")
    return technology_from(
        [*logic, Logic("LNZD", {"combinational": Cells(node_um2)})],
        {action: times / found.cycles for action, times in found.happened.items()},
        name=name,
        title=f"Logic {made} with {library} at {found.voltage:g} V, memories from CACTI 7",
        source=f"{made} with {library}, {found.voltage:g} V, {wires} wires",
        activity_source=f"{found.cycles} cycles of {layer} on one PE, its gates run at {clock_mhz:g} MHz",
        clock_mhz=clock_mhz,
        critical_path_ns=found.delay_ns,
        memories=memories,
        origin=made,
    )
