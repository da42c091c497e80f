"""Figure 11: how speed grows with the number of PEs."""

from __future__ import annotations

import math

from eie.chip import Hardware
from eie.literature import reported
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.paper.study import Study
from eie.paper.sweep import about_the_real_layer, curves
from eie.support.tables import Column

__all__ = ["reproduce"]

PES = "PEs"


def reproduce(study: Study) -> Reproduction:
    """Cycles on one PE over cycles on each number of PEs, queue depth 8."""
    paper = reported("figure11")

    def ours(name: str, n_pe: int) -> float:
        return study.simulation(name, Hardware(n_pe=1)).cycles / study.simulation(name, Hardware(n_pe=n_pe)).cycles

    comparisons = curves(study, PES, paper["pes"], paper["speedup"], ours, "x")
    printed, swapped = (_error(comparisons, paper["speedup"], swap=swap) for swap in (False, True))
    gains = {str(one.labels["layer"]): one.ours or 0 for one in comparisons if one.labels[PES] == paper["pes"][-1]}
    least, most = min(gains, key=lambda name: gains[name]), max(gains, key=lambda name: gains[name])
    nearer = "fits better" if swapped < printed else "does not fit better"
    return Reproduction(
        name="figure11",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("layer", "layer"), Column(PES, PES)),
        comparisons=comparisons,
        scale=Scale.RATIO,
        verdict=(
            f"On {paper['pes'][-1]} PEs the layers run {gains[least]:.0f} ({least}) to {gains[most]:.0f} ({most}) "
            "times as fast as on one. Are the figure's labels swapped between AlexNet and VGG? On those six layers at "
            f"16 PEs and more ours part from it by {printed:.1f} % (rms) as printed and by {swapped:.1f} % with the "
            f"two networks interchanged, which {nearer}. Taken as printed above."
            + about_the_real_layer(study, comparisons, Scale.RATIO)
        ),
        plot=Plot(category=PES, panel="layer", value_title="speed-up over one PE", lines=True, logarithmic=True),
        conditions="Queue depth 8, 64-bit weight memory; the figure cuts bars off at 200, and those are empty.",
    )


def _error(comparisons: tuple[Comparison, ...], speedup: dict[str, list[float]], *, swap: bool) -> float:
    """Rms relative difference in % over the AlexNet and VGG layers from 16 PEs, names interchanged if `swap`."""
    pes = reported("figure11")["pes"]
    apart = []
    for one in comparisons:
        layer, n_pe = str(one.labels["layer"]), one.labels[PES]
        network, _, number = layer.partition("-")
        if network not in ("Alex", "VGG") or not number.isdigit() or one.ours is None or pes.index(n_pe) < 4:
            continue
        other = {"Alex": "VGG", "VGG": "Alex"}[network]
        curve = speedup[f"{other}-{number}" if swap else layer]
        if pes.index(n_pe) < len(curve):
            apart.append(math.log(one.ours / curve[pes.index(n_pe)]) ** 2)
    return math.expm1(math.sqrt(sum(apart) / len(apart))) * 100
