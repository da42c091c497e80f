"""Figure 7: how much less energy than the CPU, dense, batch 1."""

from __future__ import annotations

from eie.literature import reported
from eie.paper.comparison import Plot, Reproduction, Scale
from eie.paper.platforms import MACHINES, energy_uj
from eie.paper.study import Study, benchmark_of
from eie.paper.versus_cpu import EIE, MEAN, versus_cpu
from eie.support.tables import Column, Provenance

__all__ = ["reproduce"]


def reproduce(study: Study) -> Reproduction:
    """EIE modelled; the paper's machines worked out from Table IV and the powers that Deep Compression reports."""
    paper = reported("figure7")
    costs = {name: study.cost(name) for name in study.names}
    ours: dict[str, dict[str, float | None]] = {
        machine: {name: _efficiency(energy_uj(machine, benchmark_of(name)), name) for name in study.names}
        for machine in MACHINES
        if machine != "CPU dense"
    }
    ours[EIE] = {name: _efficiency(made.energy_nj / 1000, name) for name, made in costs.items()}
    comparisons = versus_cpu(study, ours, paper["efficiency"], paper["layers"], Provenance.MODELLED)
    mean = next(one for one in comparisons if one.labels == {"layer": MEAN, "machine": EIE})
    powers = {name: made.power_mw / 1000 for name, made in costs.items()}
    least, most = min(powers, key=lambda name: powers[name]), max(powers, key=lambda name: powers[name])
    put_in = [made.power_put_in for made in costs.values()]
    return Reproduction(
        name="figure7",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("layer", "layer"), Column("machine", "machine")),
        comparisons=comparisons,
        scale=Scale.RATIO,
        verdict=(
            f"EIE takes {mean.ours:,.0f} times less energy than the paper's CPU (geometric mean), the paper prints "
            f"{mean.paper:,.0f}. The paper's bars are its times at a constant 0.600 W; modelled from what "
            f"each layer does, "
            f"the chip takes {powers[least]:.2f} W ({least}) to {powers[most]:.2f} W ({most})."
        ),
        headlines=(
            (f"{mean.ours:,.0f} ×", f"less energy than the paper's CPU, modelled; the paper says {mean.paper:,.0f} ×"),
        ),
        plot=Plot(
            category="layer", panel="machine", value_title="energy efficiency", logarithmic=True, line_at_one=True
        ),
        conditions=(
            f"Batch 1. {study.technology.title}; {min(put_in):.0%} to {max(put_in):.0%} of a layer's energy put in. "
            f"{study.speed_of_memories()} The paper's machines: time of Table IV times power of Deep "
            f"Compression's Table "
            "9, which has none for NeuralTalk; its CPU power there is worked out from the figure itself. No "
            "power meter "
            "is read here, so this CPU has no bar."
        ),
    )


def _efficiency(energy: float | None, name: str) -> float | None:
    """The CPU's energy, dense, over `energy`, both in uJ."""
    cpu = energy_uj("CPU dense", benchmark_of(name))
    return None if energy is None or cpu is None else cpu / energy
