"""Figure 8: how deep the activation queues must be to even out the load."""

from __future__ import annotations

from eie.chip import Hardware
from eie.literature import reported
from eie.paper.comparison import Plot, Reproduction, Scale
from eie.paper.study import Study
from eie.paper.sweep import about_the_real_layer, curves, mean_of
from eie.support.tables import Column

__all__ = ["reproduce"]

DEPTH = "queue depth"
SHALLOWEST = 2


def reproduce(study: Study) -> Reproduction:
    """Load efficiency in % at 64 PEs, for each queue depth of the figure that can run."""
    paper = reported("figure8")

    def ours(name: str, depth: int) -> float | None:
        if depth < SHALLOWEST:
            return None
        return study.simulation(name, Hardware(queue_depth=depth)).load_efficiency * 100

    comparisons = curves(study, DEPTH, paper["queue_depths"], paper["load_efficiency_percent"], ours, "%")
    here, there = ([mean_of(comparisons, DEPTH, depth, ours=whose) for depth in (2, 8, 256)] for whose in (True, False))
    return Reproduction(
        name="figure8",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("layer", "layer"), Column(DEPTH, DEPTH, "slots")),
        comparisons=comparisons,
        scale=Scale.POINTS,
        verdict=(
            "The figure fits if its label is the ring's size, of which one slot stays free; a ring of 1 can "
            "hold nothing, "
            f"so that column cannot be run. On average over the layers 2, 8 and 256 slots give {here[0]:.0f}, "
            f"{here[1]:.0f} and {here[2]:.0f} % here and {there[0]:.0f}, {there[1]:.0f} and {there[2]:.0f} % "
            f"in the paper: "
            f"past 8 slots {here[2] - here[1]:.0f} points are left to win here and {there[2] - there[1]:.0f} there."
            + about_the_real_layer(study, comparisons, Scale.POINTS)
        ),
        plot=Plot(category=DEPTH, panel="layer", value_title="load efficiency", lines=True),
        conditions="64 PEs, 64-bit weight memory.",
    )
