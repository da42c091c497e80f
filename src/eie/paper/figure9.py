"""Figure 9: how wide the weight memory should be for the least energy."""

from __future__ import annotations

import numpy as np

from eie.chip import Hardware
from eie.cost import MemorySet, load_technology
from eie.literature import reported
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.paper.study import Study
from eie.paper.sweep import curves
from eie.support.tables import Column, Provenance

__all__ = ["reproduce"]

WIDTH = "width"
TECHNOLOGY = "cacti-45nm"
LEFT = ("Alex-6: reads", "energy per read")


def reproduce(study: Study) -> Reproduction:
    """Rows read, energy of a read, and their product per layer, for each width of the weight memory at 64 PEs."""
    paper = reported("figure9")
    widths = paper["widths_bits"]
    memories = _nearest_set(paper)
    read_pj = {width: memories.figures(Hardware().spmat_bytes, width).read_pj for width in widths}

    def reads(name: str, width: int) -> int:
        return study.simulation(name, Hardware(spmat_width_bits=width)).counts.spmat_reads

    left = [
        Comparison({"layer": panel, WIDTH: width}, ours, theirs, provenance, unit)
        for panel, unit, provenance, values, numbers in (
            (LEFT[0], "reads", Provenance.SIMULATED, paper["left"]["reads"], [reads("Alex-6", w) for w in widths]),
            (LEFT[1], "pJ", Provenance.MODELLED, paper["left"]["read_pj"], list(read_pj.values())),
        )
        for width, ours, theirs in zip(widths, numbers, values, strict=True)
    ]
    right = curves(
        study,
        WIDTH,
        widths,
        paper["energy_nj"],
        lambda name, width: reads(name, width) * read_pj[width] / 1000,
        "nJ",
        Provenance.MODELLED,
    )
    return Reproduction(
        name="figure9",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("layer", "panel"), Column(WIDTH, WIDTH, "bits")),
        comparisons=(*left, *right),
        scale=Scale.RATIO,
        verdict=_verdict(study, right, paper),
        plot=Plot(category=WIDTH, panel="layer", value_title="value", lines=True),
        conditions=(
            f"64 PEs, queue depth 8. Energy per read: {memories.source}, the set nearest to the paper's own bars. "
            f"{paper['note']}"
        ),
    )


def _nearest_set(paper: dict[str, dict[str, list[float]]]) -> MemorySet:
    """The memory set whose energies per read are nearest to the figure's left panel (mean squared log ratio)."""
    widths, bars = paper["widths_bits"], np.log(paper["left"]["read_pj"])
    capacity = Hardware().spmat_bytes

    def distance(memories: MemorySet) -> float:
        return float(np.mean((np.log([memories.figures(capacity, int(w)).read_pj for w in widths]) - bars) ** 2))

    return min(load_technology(TECHNOLOGY).memory_sets, key=distance)


def _verdict(study: Study, right: tuple[Comparison, ...], paper: dict[str, dict[str, list[float]]]) -> str:
    widths = [int(width) for width in paper["widths_bits"]]
    total_reads = {
        width: sum(study.simulation(name, Hardware(spmat_width_bits=width)).counts.spmat_reads for name in study.names)
        for width in widths
    }
    least = {}
    for memories in load_technology(TECHNOLOGY).memory_sets:
        energies = [total_reads[w] * memories.figures(Hardware().spmat_bytes, w).read_pj for w in widths]
        least[memories.name] = widths[int(np.argmin(energies))]
    theirs = [sum(values[place] for values in paper["energy_nj"].values()) for place in range(len(widths))]
    bars = np.array(paper["left"]["read_pj"])
    with_bars = widths[int(np.argmin(bars * list(total_reads.values())))]
    if len(set(least.values())) == 1:
        settings = f"{next(iter(least.values()))} bits under each of its {len(least)} settings"
    else:
        settings = "; ".join(f"{width} bits ({name})" for name, width in least.items())
    return (
        "Our read counts are those of generated layers, and agree with the figure's in shape. Which width "
        "takes the least "
        f"energy is a matter of the energy per read: for all layers together it is {with_bars} bits with the "
        f"paper's own "
        f"left panel, and with CACTI 7 {settings}, as its energies grow more slowly with the width than the "
        f"paper's. The "
        f"paper says 64; its own right panel, summed over the layers, is least at "
        f"{widths[int(np.argmin(theirs))]}, and "
        "was not made with the energies of its left panel."
    )
