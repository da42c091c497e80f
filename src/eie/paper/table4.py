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
NOTABLE = 0.1  # a difference worth a cause


def reproduce(study: Study) -> Reproduction:
    """The two EIE rows at 64 PEs and 800 MHz, and the CPU rows at batch 1 beside the CPU this runs on, in us."""
    paper = reported("table4")
    comparisons = []
    for name in study.names:
        simulation = study.simulation(name)
        times = study.cpu_times(name)
        place = paper["layers"].index(benchmark_of(name))
        weights = "published weights" if study.is_real(name) else "generated weights"
        host = f"host: {simulation.host.per_input:,} words besides"
        simulated = "; ".join(text for text in (weights, study.shortfall(name), host) if text)
        for quantity, ours, reported_us, provenance, note in (
            (THEORETICAL, simulation.theoretical_us, paper["eie"]["theoretical"], Provenance.SIMULATED, simulated),
            (ACTUAL, simulation.latency_us, paper["eie"]["actual"], Provenance.SIMULATED, simulated),
            (DENSE, times.dense.median_us, paper["cpu"]["dense_1"], Provenance.MEASURED, times.dense.spread),
            (SPARSE, times.sparse.median_us, paper["cpu"]["sparse_1"], Provenance.MEASURED, times.sparse.spread),
        ):
            comparisons.append(
                Comparison(
                    labels={"layer": name, "quantity": quantity},
                    ours=ours,
                    paper=reported_us[place],
                    provenance=provenance,
                    unit="us",
                    note=note,
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
        plot=Plot(category="layer", panel="quantity", value_title="time", logarithmic=True),
        conditions=(
            f"EIE: 64 PEs, queue depth 8, 64-bit weight memory, 800 MHz. {study.speed_of_memories()} "
            f"CPU here: {this_cpu.describe()}; medians, the two in turns; the paper's: {paper['cpu']['machine']}."
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
    theoretical = next(
        one for one in comparisons if one.labels == {"layer": farthest.labels["layer"], "quantity": THEORETICAL}
    )
    busy = [name for name in study.names if study.cpu_times(name).dense.busy or study.cpu_times(name).sparse.busy]
    return (
        f"{text}Of the generated layers {farthest.labels['layer']} is farthest, at {farthest.ratio:.2f} of the paper's "
        f"actual time and {theoretical.ratio:.2f} of its theoretical one; the others part from the actual times by "
        f"{others}. {_causes(comparisons)}The CPU rows are two machines: shown, and not counted as agreement."
        + (f" This machine was busy with other work while it timed {', '.join(busy)}." if busy else "")
    )


def _causes(comparisons: tuple[Comparison, ...]) -> str:
    """Which layers part from the paper by their count of work, which theoretical time is, and which by its balance."""
    places: dict[str, dict[str, Comparison]] = {}
    for one in comparisons:
        places.setdefault(str(one.labels["layer"]), {})[str(one.labels["quantity"])] = one
    work: list[str] = []
    balance: list[str] = []
    for name, quantities in places.items():
        count = (quantities[THEORETICAL].ratio or 1) - 1
        rest = (quantities[ACTUAL].ratio or 1) / (1 + count) - 1
        if max(abs(count), abs(rest)) > NOTABLE:
            (work if abs(count) >= abs(rest) else balance).append(name)
    return "".join(
        f"{', '.join(names)} part{'s' if len(names) == 1 else ''} from it by the {what}. "
        for names, what in (
            (work, "count of entries, which the theoretical time shows already"),
            (balance, "balance between the PEs, the theoretical time being nearer"),
        )
        if names
    )
