"""Table II: power and area of one PE, by unit and by kind, and what of it was put in."""

from __future__ import annotations

from typing import Any

from eie.chip import Hardware, Simulation
from eie.cost import Cost, cost
from eie.cost.technology import Memory, Technology
from eie.literature import reported
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale, modelled
from eie.paper.study import Study
from eie.support.tables import Column

__all__ = ["reproduce"]

POWER, AREA = "power", "area"
TOTAL = "whole PE"


def reproduce(study: Study) -> Reproduction:
    """Power per PE over the generated layers one after the other, and area per PE, 64 PEs; without the LNZD nodes."""
    paper = reported("table2")
    runs = [study.simulation(name) for name in study.names if not study.is_real(name)]
    technology = study.technology
    of_pes = technology.model_copy(
        update={"components": tuple(one for one in technology.components if one.per == "pe")}
    )
    made = cost(runs, of_pes)
    comparisons = _rows(TOTAL, "total", made, paper["total"], runs[0].hardware)
    for split, rows in (("kind", paper["kinds"]), ("unit", paper["units"])):
        parts = made.split("kind" if split == "kind" else "unit")
        for name, row in rows.items():
            comparisons += _rows(name, split, parts.get(name), row, runs[0].hardware)
    return Reproduction(
        name="table2",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("part", "part"), Column("by", "by"), Column("quantity", "quantity")),
        comparisons=tuple(comparisons),
        scale=Scale.RATIO,
        verdict=_verdict(study, made, runs, paper),
        plot=Plot(category="part", panel="quantity", value_title="of a PE"),
        conditions=(
            f"{technology.title}; {study.speed_of_memories()} The {len(runs)} generated layers, one after the other, "
            "64 PEs at 800 MHz. Which layers the paper's own powers were taken on it does not say."
        ),
    )


def _rows(part: str, split: str, made: Cost | None, row: dict[str, float], hardware: Hardware) -> list[Comparison]:
    """The power and the area of one part, where the table or the model has any."""
    rows = []
    power, area = (made.power_mw, made.area_mm2 * 1e6) if made else (0.0, 0.0)
    put_in = (made.power_put_in, made.area_put_in) if made else (0.0, 0.0)
    for quantity, unit, ours, theirs, share in (
        (POWER, "mW", power / hardware.n_pe, row["power_mw"], put_in[0]),
        (AREA, "um2", area / hardware.n_pe, row["area_um2"], put_in[1]),
    ):
        if theirs or ours:
            provenance, note = modelled(share)
            labels = {"part": part, "by": split, "quantity": quantity}
            rows.append(Comparison(labels, ours or None, theirs, provenance, unit, note))
    return rows


def _verdict(study: Study, made: Cost, runs: list[Simulation], paper: dict[str, Any]) -> str:
    """The PE worked out: each memory's leakage and reads beside its share of Table II, then the whole."""
    hardware, units = runs[0].hardware, paper["units"]
    both = units["SpmatRead"]["power_mw"] + units["PtrRead"]["power_mw"]
    text = ""
    for unit, name, memory, reads in (
        ("SpmatRead", "The weight memory", "spmat", [run.counts.spmat_reads for run in runs]),
        ("PtrRead", "The pointer memory", "pointer", [run.counts.ptr_reads for run in runs]),
    ):
        mine = made.split("unit").get(unit)
        ours = mine.split("kind").get("memory") if mine is not None else None
        if ours is None or ours.power_put_in > 0:
            continue
        leakage_mw, read_pj = _memory(study.technology, "spmat" if memory == "spmat" else "pointer", hardware)
        every = sum(run.cycles for run in runs) * hardware.n_pe / sum(reads)
        theirs = units[unit]["power_mw"] / both * paper["kinds"]["memory"]["power_mw"]
        text += (
            f"{name} takes {leakage_mw:.2f} mW of leakage and {read_pj:.2f} pJ a read, one every {every:.1f} cycles: "
            f"{ours.power_mw / hardware.n_pe:.2f} mW, where its share of Table II is {theirs:.2f}. "
        )
    total, theirs = made.power_mw / hardware.n_pe, paper["total"]["power_mw"]
    return (
        f"{text}The whole PE takes {total:.2f} mW and the paper's {theirs:.2f}, a ratio of {total / theirs:.2f}; "
        f"{made.power_put_in:.0%} of the power and {made.area_put_in:.0%} of the area were put in."
    )


def _memory(technology: Technology, memory: Memory, hardware: Hardware) -> tuple[float, float]:
    """Leakage in mW and energy of a read in pJ, at the technology's node."""
    figures = technology.memory(memory, hardware)
    return figures.leakage_mw, figures.read_pj / technology.scale
