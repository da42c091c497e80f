"""Table IV: the time of one matrix-vector product, EIE simulated here and this CPU measured, beside the paper's."""

from __future__ import annotations

from eie.literature import reported
from eie.paper import this_cpu
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale, agreement
from eie.paper.study import Study, benchmark_of
from eie.support.tables import Column, Provenance

__all__ = ["reproduce"]

THEORETICAL, ACTUAL = "EIE theoretical", "EIE actual"
DENSE, SPARSE = "CPU dense", "CPU sparse"


def reproduce(study: Study) -> Reproduction:
    """The two EIE rows at 64 PEs and 800 MHz, and the CPU rows at batch 1 beside the CPU this runs on, in us."""
    paper = reported("table4")
    comparisons = []
    for name in study.names:
        simulation = study.simulation(name)
        times = study.cpu_times(name)
        place = paper["layers"].index(benchmark_of(name))
        for quantity, ours, reported_us, provenance in (
            (THEORETICAL, simulation.theoretical_us, paper["eie"]["theoretical"], Provenance.SIMULATED),
            (ACTUAL, simulation.latency_us, paper["eie"]["actual"], Provenance.SIMULATED),
            (DENSE, times.dense_us, paper["cpu"]["dense_1"], Provenance.MEASURED),
            (SPARSE, times.sparse_us, paper["cpu"]["sparse_1"], Provenance.MEASURED),
        ):
            comparisons.append(
                Comparison(
                    labels={"layer": name, "quantity": quantity},
                    ours=ours,
                    paper=reported_us[place],
                    provenance=provenance,
                    unit="us",
                    note="published weights" if study.is_real(name) else "generated weights",
                )
            )
    actual = [one for one in comparisons if one.labels["quantity"] == ACTUAL]
    shown = next((one for one in actual if study.is_real(str(one.labels["layer"]))), actual[1])
    return Reproduction(
        name="table4",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("layer", "layer"), Column("quantity", "time")),
        comparisons=tuple(comparisons),
        scale=Scale.RATIO,
        verdict=_verdict(study, tuple(comparisons)),
        headlines=(
            (
                f"{shown.ours:.1f} µs",
                f"{shown.labels['layer']} on 64 PEs, simulated; the paper says {shown.paper:g} µs",
            ),
        ),
        plot=Plot(category="layer", panel="quantity", value_title="time (µs)", logarithmic=True),
        conditions=(
            f"EIE: 64 PEs, queue depth 8, 64-bit weight memory, 800 MHz. CPU here: {this_cpu.describe()}; "
            f"the paper's: {paper['cpu']['machine']}."
        ),
    )


def _verdict(study: Study, comparisons: tuple[Comparison, ...]) -> str:
    """In words: how near the simulated times are, which layer is farthest and why, and what the CPU rows mean."""
    actual = tuple(one for one in comparisons if one.labels["quantity"] == ACTUAL)
    generated = tuple(one for one in actual if not study.is_real(str(one.labels["layer"])))
    farthest = max(generated, key=lambda one: abs((one.ratio or 1) - 1))
    others = agreement(tuple(one for one in generated if one is not farthest), Scale.RATIO)
    text = "".join(
        f"On the real weights, {one.ours:.1f} µs simulated against the paper's {one.paper:g}. "
        for one in actual
        if one not in generated
    )
    text += (
        f"Of the generated layers {farthest.labels['layer']} is farthest, at {farthest.ratio:.2f} of the paper's "
        f"actual time; the others part from it by {others}. "
        "Generated weights are spread evenly over the PEs, real ones are not. "
    )
    if farthest.labels["layer"] == "VGG-6":
        theoretical = next(one for one in comparisons if one.labels == {"layer": "VGG-6", "quantity": THEORETICAL})
        text += (
            f"The paper gives VGG-6 {theoretical.paper:g} µs at peak rate, 1.23 times what its own Table III and "
            "Figure 12 imply, so its number is in doubt too. "
        )
    return text + "The CPU rows are two machines, ten years apart: they are shown and not counted as agreement."
