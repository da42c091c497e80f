"""Figure 9: how wide the weight memory should be for the least energy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from eie.chip import Hardware
from eie.cost import MemoryFigures, MemorySet
from eie.literature import reported
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.paper.study import Study
from eie.paper.sweep import curves
from eie.support.tables import Column, Provenance

__all__ = ["reproduce"]

WIDTH = "width"
LEFT = ("Alex-6: reads", "energy per read")


def reproduce(study: Study) -> Reproduction:
    """Rows read, energy of a read, and their product per layer, for each width of the weight memory at 64 PEs."""
    paper = reported("figure9")
    widths = paper["widths_bits"]
    memories = study.memories
    figures = {width: memories.figures(Hardware().spmat_bytes, width) for width in widths}
    read_pj = {width: found.read_pj for width, found in figures.items()}
    slow = {
        width: f"reads every {found.cycle_ns:.2f} ns, too slow for {Hardware().clock_mhz:g} MHz"
        for width, found in figures.items()
        if _too_slow(found)
    }

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
        comparisons=tuple(replace(one, note=slow.get(int(str(one.labels[WIDTH])), "")) for one in (*left, *right)),
        scale=Scale.RATIO,
        verdict=_verdict(study, paper),
        plot=Plot(category=WIDTH, panel="layer", value_title="", lines=True),
        conditions=f"64 PEs, queue depth 8. Energy per read: {memories.source}. {paper['note']}",
    )


def _verdict(study: Study, paper: dict[str, Any]) -> str:
    widths = [int(width) for width in paper["widths_bits"]]
    total_reads = {
        width: sum(study.simulation(name, Hardware(spmat_width_bits=width)).counts.spmat_reads for name in study.names)
        for width in widths
    }
    theirs = [sum(values[place] for values in paper["energy_nj"].values()) for place in range(len(widths))]
    bars = np.array(paper["left"]["read_pj"])
    with_bars = widths[int(np.argmin(bars * list(total_reads.values())))]
    settings = "; ".join(f"{_least(memories, total_reads)} ({memories.name})" for memories in study.memory_sets)
    return (
        f"Which width takes the least energy for all layers together depends on the energy of a read. With the "
        f"paper's own left panel and our read counts it is {with_bars} bits; with CACTI 7, of the widths that keep "
        f"{Hardware().clock_mhz:g} MHz, {settings}. The paper says {paper['chosen_bits']}; its right panel, summed "
        f"over the layers, is least at {widths[int(np.argmin(theirs))]}."
    )


def _least(memories: MemorySet, total_reads: dict[int, int]) -> str:
    """Of the widths that can be read in every cycle, the one at which all reads together take the least energy."""
    figures = {width: memories.figures(Hardware().spmat_bytes, width) for width in total_reads}
    kept = [width for width in figures if not _too_slow(figures[width])]
    return f"{min(kept, key=lambda width: total_reads[width] * figures[width].read_pj)} bits" if kept else "none"


def _too_slow(figures: MemoryFigures) -> bool:
    """Whether a memory cannot be read in every cycle of the paper's clock."""
    return figures.cycle_ns is not None and figures.cycle_ns > 1000 / Hardware().clock_mhz
