"""Table III: the benchmark layers, as generated (or as published, where given) beside the paper's densities."""

from __future__ import annotations

import numpy as np

from eie.literature import reported
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.paper.study import Study, benchmark_of
from eie.support.tables import Column, Provenance

__all__ = ["reproduce"]

QUANTITIES = {
    "weights": "weight_percent",
    "activations": "activation_percent",
    "operations": "flop_percent",
}


def reproduce(study: Study) -> Reproduction:
    """Share of weights kept, of activations not zero, and of multiplications left, counted on each layer, in %."""
    paper = reported("table3")
    comparisons = []
    for name in study.names:
        layer = study.layer(name)
        counts = study.simulation(name).counts
        here = {
            "weights": np.count_nonzero(layer.codes) / layer.codes.size,
            "activations": counts.broadcasts / layer.activations.size,
            "operations": counts.macs / layer.codes.size,
        }
        comparisons += [
            Comparison(
                labels={"layer": name, "quantity": quantity},
                ours=here[quantity] * 100,
                paper=paper["layers"][benchmark_of(name)][key],
                provenance=Provenance.PUBLISHED if study.is_real(name) else Provenance.CALIBRATED,
                unit="%",
            )
            for quantity, key in QUANTITIES.items()
        ]
    return Reproduction(
        name="table3",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("layer", "layer"), Column("quantity", "share of")),
        comparisons=tuple(comparisons),
        scale=Scale.POINTS,
        verdict=_verdict(study, comparisons),
        plot=Plot(category="layer", panel="quantity", value_title="share"),
    )


def _verdict(study: Study, comparisons: list[Comparison]) -> str:
    drawn = [
        one
        for one in comparisons
        if one.provenance is Provenance.CALIBRATED and one.labels["quantity"] in ("weights", "activations")
    ]
    apart = max(drawn, key=lambda one: abs(one.difference or 0))
    text = (
        "The generated layers have the published densities, which is no agreement; farthest from them are "
        f"{apart.labels['layer']}'s {apart.labels['quantity']}, {apart.ours:.2f} against {apart.paper:g} %. "
        "The paper prints its operations as whole numbers."
    )
    for one in comparisons:
        if study.is_real(str(one.labels["layer"])) and one.labels["quantity"] == "activations":
            text += (
                f" The one published image has {one.ours:.1f} % of its inputs to Alex-8 active, the bias's "
                f"included, where the table has {one.paper:g} %."
            )
    return text
