"""Figure 6: how much faster than the CPU, dense, batch 1."""

from __future__ import annotations

from typing import Any

from eie.literature import reported
from eie.paper import this_cpu
from eie.paper.comparison import Plot, Reproduction, Scale, agreement
from eie.paper.platforms import MACHINES, time_us
from eie.paper.study import Study, benchmark_of
from eie.paper.versus_cpu import EIE, THIS_CPU, versus_cpu
from eie.support.tables import Column, Provenance

__all__ = ["reproduce"]


def reproduce(study: Study) -> Reproduction:
    """EIE simulated; the paper's machines worked out from its Table IV; EIE over this CPU measured."""
    paper = reported("figure6")
    ours: dict[str, dict[str, float | None]] = {
        machine: {name: _reported_speedup(machine, name) for name in study.names} for machine in MACHINES
    }
    ours[EIE] = {
        name: time_us("CPU dense", benchmark_of(name)) / study.simulation(name).latency_us for name in study.names
    }
    ours[f"{EIE} over this CPU"] = {
        name: study.cpu_times(name).dense.median_us / study.simulation(name).latency_us for name in study.names
    }
    ours[THIS_CPU] = {
        name: study.cpu_times(name).dense.median_us / study.cpu_times(name).sparse.median_us for name in study.names
    }
    del ours["CPU dense"]
    comparisons = versus_cpu(study, ours, paper["speedup"], paper["layers"], Provenance.SIMULATED)
    chip = {one.labels["layer"]: one for one in comparisons if one.labels["machine"] == EIE}
    mean = chip["geometric mean"]
    apart = agreement(tuple(one for one in comparisons if one.labels["machine"] == EIE), Scale.RATIO)
    here = next(
        one for one in comparisons if one.labels == {"layer": "geometric mean", "machine": f"{EIE} over this CPU"}
    )
    return Reproduction(
        name="figure6",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("layer", "layer"), Column("machine", "machine")),
        comparisons=comparisons,
        scale=Scale.RATIO,
        verdict=(
            f"EIE as simulated is {mean.ours:.0f} times as fast as the paper's CPU (geometric mean), the paper prints "
            f"{mean.paper:g}; they part by {apart}. {_contradictions(paper)}"
            f"EIE is {here.ours:.0f} times as fast as this CPU, dense, on one thread, which takes "
            f"{(here.ours or 0) / (mean.ours or 1):.2f} times as long as the paper's."
        ),
        headlines=((f"{mean.ours:.0f} ×", f"faster than the paper's CPU, simulated; the paper says {mean.paper:g} ×"),),
        plot=Plot(category="layer", panel="machine", value_title="speed-up", logarithmic=True, line_at_one=True),
        conditions=f"Batch 1. The bars of CPU and GPUs are worked out from Table IV. CPU here: {this_cpu.describe()}.",
    )


def _contradictions(paper: dict[str, Any]) -> str:
    """Which of the figure's EIE bars are not what the paper's Table IV gives, to a twentieth."""
    times = reported("table4")
    bars = {
        layer: (printed, time_us("CPU dense", layer) / times["eie"]["actual"][times["layers"].index(layer)])
        for layer, printed in zip(paper["layers"], paper["speedup"][EIE], strict=True)
        if layer in times["layers"]
    }
    apart = {layer: pair for layer, pair in bars.items() if abs(pair[0] / pair[1] - 1) > 0.04}
    words = ", ".join(f"{layer} {printed:.0f} (there {given:.0f})" for layer, (printed, given) in apart.items())
    return f"Bars of the figure that contradict the paper's own Table IV: {words}. " if words else ""


def _reported_speedup(machine: str, name: str) -> float:
    layer = benchmark_of(name)
    return time_us("CPU dense", layer) / time_us(machine, layer)
