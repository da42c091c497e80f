"""Figure 12: how much of the work is real, and how much padding zeros."""

from __future__ import annotations

from eie.literature import reported
from eie.paper.comparison import Plot, Reproduction, Scale
from eie.paper.study import Study
from eie.paper.sweep import about_the_real_layer, curves, mean_of
from eie.support.tables import Column, Provenance

__all__ = ["reproduce"]

PES = "PEs"


def reproduce(study: Study) -> Reproduction:
    """Weights over entries of the whole layer, in %, for each number of PEs."""
    paper = reported("figure12")

    def ours(name: str, n_pe: int) -> float:
        matrix = study.matrix(name, n_pe)
        return matrix.nnz / matrix.n_entries * 100

    comparisons = curves(study, PES, paper["pes"], paper["real_work_percent"], ours, "%", Provenance.GENERATED)
    ends = [mean_of(comparisons, PES, paper["pes"][place], ours=True) for place in (0, -1)]
    farthest = max(comparisons, key=lambda one: abs(one.difference or 0))
    return Reproduction(
        name="figure12",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("layer", "layer"), Column(PES, PES)),
        comparisons=comparisons,
        scale=Scale.POINTS,
        verdict=(
            f"From {paper['pes'][0]} to {paper['pes'][-1]} PEs real work goes from {ends[0]:.0f} to {ends[1]:.0f} % on "
            "average over the layers, for a gap of more than 15 zeros within one PE's rows becomes rare. The largest "
            f"difference is {farthest.labels['layer']} at {farthest.labels[PES]} PEs, {farthest.ours:.0f} against "
            f"{farthest.paper:.0f} %." + about_the_real_layer(study, comparisons, Scale.POINTS)
        ),
        plot=Plot(category=PES, panel="layer", value_title="real work", lines=True),
        conditions="4-bit relative indices; all weights of the layer, not only those of active columns.",
    )
