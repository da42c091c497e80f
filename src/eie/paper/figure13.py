"""Figure 13: how evenly the load is spread, against the number of PEs."""

from __future__ import annotations

from eie.chip import Hardware
from eie.literature import reported
from eie.paper.comparison import Plot, Reproduction, Scale
from eie.paper.study import Study
from eie.paper.sweep import about_the_real_layer, curves, mean_of
from eie.support.tables import Column

__all__ = ["reproduce"]

PES = "PEs"


def reproduce(study: Study) -> Reproduction:
    """Load efficiency in % at queue depth 8, for each number of PEs."""
    paper = reported("figure13")

    def ours(name: str, n_pe: int) -> float:
        return study.simulation(name, Hardware(n_pe=n_pe)).load_efficiency * 100

    comparisons = curves(study, PES, paper["pes"], paper["load_efficiency_percent"], ours, "%")
    here, there = ([mean_of(comparisons, PES, n_pe, ours=whose) for n_pe in (16, 64, 256)] for whose in (True, False))
    farthest = max(comparisons, key=lambda one: abs(one.difference or 0))
    return Reproduction(
        name="figure13",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("layer", "layer"), Column(PES, PES)),
        comparisons=comparisons,
        scale=Scale.POINTS,
        verdict=(
            f"On average over the layers 16, 64 and 256 PEs give {here[0]:.0f}, {here[1]:.0f} and "
            f"{here[2]:.0f} % here, and "
            f"{there[0]:.0f}, {there[1]:.0f} and {there[2]:.0f} % in the paper; farthest is "
            f"{farthest.labels['layer']} at "
            f"{farthest.labels[PES]} PEs, {farthest.ours:.0f} against {farthest.paper:.0f} %. The caption "
            f"says the ratio of "
            "stalled cycles, the curves are 1 minus that." + about_the_real_layer(study, comparisons, Scale.POINTS)
        ),
        plot=Plot(category=PES, panel="layer", value_title="load efficiency", lines=True),
        conditions="Queue depth 8, 64-bit weight memory.",
    )
