"""A technology from a chip of one's own: its logic as synthesised and measured, memories from CACTI 7.

technology = technology_from([Logic("ArithmUnit", {"register": Cells(1200.0, 0.22, 0.02), ...}), ...], activity, ...)
write_technology(technology, "mine.toml")      # `load_technology`, a space and --technology take it
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eie.cost.technology import Action, Activity, Component, Memory, Technology
from eie.errors import InputError
from eie.literature import reported
from eie.support.extras import needed_for
from eie.support.output_files import atomic_write

__all__ = ["CLOCK", "LOGIC_ACTIONS", "Cells", "Logic", "technology_from", "write_technology"]

PAPER_GHZ = 0.8
CLOCK = "clock network"
MEMORIES_FROM, MEMORIES = "cacti-45nm", "itrs-lop, ED2"

# The units of a PE, "between them" its other cells, and a node of the leading non-zero detector; what moves their
# registers and gates, and the size of the hardware that they grow with.
LOGIC_ACTIONS: dict[str, Action] = {
    "Act_queue": "queue_entry",
    "PtrRead": "ptr_read",
    "SpmatRead": "spmat_read",
    "ArithmUnit": "entry",
    "ActRW": "entry",
    "between them": "cycle",
    "filler cell": "cycle",
    "LNZD": "cycle",
}
GROWS: dict[str, Literal["queue_depth", "register_entries", "arithmetic_units"]] = {
    "Act_queue": "queue_depth",
    "ActRW": "register_entries",
    "ArithmUnit": "arithmetic_units",
}
MEMORY_READS: tuple[tuple[str, Memory, Action, str], ...] = (
    ("SpmatRead", "spmat", "spmat_read", "one read"),
    ("PtrRead", "pointer", "ptr_read", "one read of the even bank and one of the odd"),
    ("ActRW", "activation", "activation_read", "one read"),
)


@dataclass(frozen=True)
class Cells:
    """One kind of a unit's cells: um2 of one instance, and mW where they were measured, of which `leakage_mw`."""

    area_um2: float
    power_mw: float | None = None
    leakage_mw: float = 0.0


@dataclass(frozen=True)
class Logic:
    """One unit of `LOGIC_ACTIONS` without its memories: its cells by kind, such as "clock network" and "register"."""

    unit: str
    kinds: Mapping[str, Cells]


def technology_from(
    logic: Sequence[Logic],
    activity: Mapping[Action, float],
    *,
    name: str,
    title: str,
    source: str,
    activity_source: str,
    clock_mhz: float,
    critical_path_ns: float,
    node_nm: float = 45,
    memories: str = MEMORIES,
    origin: Literal["synthesised here", "placed and routed here"] = "synthesised here",
) -> Technology:
    """The technology of a chip whose logic was synthesised, and measured at `clock_mhz` while `activity` happened.

    `activity` is how often each action happened per PE and cycle of that run; `source` names library, tools and data.
    Memories, their areas and their speed are CACTI 7's, of the set `memories`. The power of a detector node that was
    not measured is the paper's. The register files are part of ActRW. Raises InputError for a unit that is not in
    `LOGIC_ACTIONS` or is there twice, an action that the activity does not have, and a power below its leakage.
    """
    for unit in logic:
        if unit.unit not in LOGIC_ACTIONS:
            raise InputError(f"there is no unit {unit.unit!r} to price; there are {', '.join(LOGIC_ACTIONS)}")
        if [one.unit for one in logic].count(unit.unit) > 1:
            raise InputError(f"unit {unit.unit} is priced twice, expected once")
        for kind, cells in unit.kinds.items():
            action = _action(unit.unit, kind)
            if cells.power_mw is not None and action != "cycle" and not activity.get(action):
                raise InputError(
                    f"unit {unit.unit} needs how often {action} happened, and the activity has no such count"
                )
            if cells.power_mw is not None and cells.leakage_mw > cells.power_mw:
                raise InputError(f"unit {unit.unit}, {kind}, leaks more than its power, {cells}")
    return Technology(
        name=name,
        title=title,
        node_nm=node_nm,
        critical_path_ns=critical_path_ns,
        critical_path_source=source,
        calibrated_at_mhz=clock_mhz,
        activity=Activity(
            source=activity_source,
            per_cycle={action: rate for action, rate in activity.items() if rate and action != "cycle"},
        ),
        memories_from=MEMORIES_FROM,
        memories=memories,
        components=(*_memories(memories), *(part for unit in logic for part in _parts(unit, source, origin))),
    )


def write_technology(technology: Technology, path: str | Path) -> None:
    """Write a technology as a TOML file; nothing is left behind when it fails."""
    with needed_for("writing a technology file"):
        import tomli_w
    document = technology.model_dump(mode="json", exclude_defaults=True)
    with atomic_write(Path(path)) as temporary:
        temporary.write_text(tomli_w.dumps(document), encoding="utf-8")


def _memories(memories: str) -> Iterator[Component]:
    for unit, memory, action, what in MEMORY_READS:
        yield Component(
            unit=unit,
            kind="memory",
            memory=memory,
            action=action,
            source=f"CACTI 7, 45 nm, {memories}: {what}, and leakage",
            origin="CACTI 7",
        )


def _action(unit: str, kind: str) -> Action:
    """What moves a unit's cells of that kind: the clock its network, else the unit's own action."""
    return "cycle" if kind == CLOCK else LOGIC_ACTIONS[unit]


def _parts(
    logic: Logic, source: str, origin: Literal["synthesised here", "placed and routed here"]
) -> Iterator[Component]:
    """Each kind's area, leakage and energy; the paper's energy for a detector node that was not measured."""
    per: Literal["pe", "lnzd_node"] = "lnzd_node" if logic.unit == "LNZD" else "pe"
    for kind, cells in logic.kinds.items():
        measured = cells.power_mw is not None
        yield Component(
            unit=logic.unit,
            kind=kind,
            per=per,
            action=_action(logic.unit, kind) if measured else None,
            power_mw=None if cells.power_mw is None else cells.power_mw - cells.leakage_mw,
            area_um2=cells.area_um2,
            leakage_mw=cells.leakage_mw,
            area_grows_with=GROWS.get(logic.unit),
            source=source,
            origin=origin,
        )
    if logic.unit == "LNZD" and all(cells.power_mw is None for cells in logic.kinds.values()):
        yield Component(
            unit=logic.unit,
            kind="combinational",
            per="lnzd_node",
            action="cycle",
            energy_pj=reported("table2")["lnzd"]["power_mw"] / PAPER_GHZ,
            source="EIE, arXiv 1602.01528v2, section VI: 0.023 mW at 800 MHz; its power was not measured here",
            origin="paper",
        )
