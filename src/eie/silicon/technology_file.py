"""A technology file of the chip as it was synthesised here: area, energy and longest path of each unit's logic.

Its memories are those of a memory set of `cacti-45nm`, whose access times the longest path has.
"""

from __future__ import annotations

from eie.cost.technology import Action
from eie.errors import ToolError
from eie.silicon.memory_cells import MEMORIES, MEMORY_TECHNOLOGY
from eie.silicon.power import PePower
from eie.silicon.synthesis import UnitSynthesis

__all__ = ["technology_text"]

# Table II's name of each unit, and the action that what is not its clock is charged to.
_UNITS: dict[str, tuple[str, Action]] = {
    "act_queue": ("Act_queue", "queue_entry"),
    "ptr_read": ("PtrRead", "ptr_read"),
    "spmat_read": ("SpmatRead", "spmat_read"),
    "arithm_unit": ("ArithmUnit", "entry"),
    "act_rw": ("ActRW", "entry"),
    "between them": ("PE", "cycle"),
}
_MEMORIES = (("PtrRead", "pointer", "ptr_read"), ("SpmatRead", "spmat", "spmat_read"), ("ActRW", "activation", None))


def technology_text(
    name: str, found: PePower, node: UnitSynthesis, *, clock_mhz: float, library: str, layer: str
) -> str:
    """Return the file: the PE's logic as `found`, the LNZD node's area, and the memories.

    A kind's power, less its leakage, over the cycles measured at `clock_mhz` is divided by how often its action
    happened in them: of the clock network the cycles, else the unit's own action. Raises ToolError where the longest
    path is not known, as the fastest clock follows from it, and where an action never happened.
    """
    if found.delay_ns is None:
        raise ToolError("a technology file needs the longest path: install OpenSTA, Debian's opensta")
    source = f"{library}, {found.voltage:g} V, {found.cycles} cycles of {layer} at {clock_mhz:g} MHz; without wires"
    lines = [
        f'name = "{name}"',
        f'title = "Logic synthesised here with {library} at {found.voltage:g} V, memories from CACTI 7"',
        "node_nm = 45",
        f"critical_path_ns = {found.delay_ns:.4f}",
        f'critical_path_source = "synthesised here, with the access times of {MEMORIES}; without wires"',
        f"calibrated_at_mhz = {clock_mhz:g}",
        f'memories_from = "{MEMORY_TECHNOLOGY}"',
        f'memories = "{MEMORIES}"',
    ]
    for unit in found.units:
        paper_name, action = _UNITS[unit.unit]
        for kind, milliwatts, area, leakage in (
            ("clock network", unit.clock_mw, unit.clock_um2, unit.clock_leakage_mw),
            ("register", unit.register_mw, unit.register_um2, unit.register_leakage_mw),
            ("combinational", unit.combinational_mw, unit.combinational_um2, unit.combinational_leakage_mw),
        ):
            if not milliwatts and not area:
                continue
            charged: Action = "cycle" if kind == "clock network" else action
            times = found.happened[charged]
            if not times:
                raise ToolError(f"the action {charged} never happened in the {found.cycles} cycles: run more cycles")
            energy_pj = (milliwatts - leakage) * found.cycles / clock_mhz * 1000 / times
            lines += [
                "",
                "[[components]]",
                f'unit = "{paper_name}"',
                f'kind = "{kind}"',
                f'action = "{charged}"',
                f"energy_pj = {energy_pj:.5g}",
                f"area_um2 = {area:.5g}",
                f"leakage_mw = {leakage:.4g}",
                f'source = "{source}"',
                'origin = "synthesised here"',
            ]
    for unit_name, memory, read in _MEMORIES:
        lines += [
            "",
            "[[components]]",
            f'unit = "{unit_name}"',
            'kind = "memory"',
            f'memory = "{memory}"',
            *([f'action = "{read}"'] if read else []),
            'source = "CACTI 7, 45 nm"',
            'origin = "CACTI 7"',
        ]
    lines += [
        "",
        "[[components]]",
        'unit = "LNZD"',
        'kind = "combinational"',
        'per = "lnzd_node"',
        f"area_um2 = {node.area_um2:.5g}",
        f'source = "{library}; its energy is not measured"',
        'origin = "synthesised here"',
    ]
    return "\n".join(lines) + "\n"
