"""The claims of the paper's abstract and conclusion: each ours beside theirs, with its derivation."""

from __future__ import annotations

from collections.abc import Callable

from eie.chip import Hardware
from eie.cost import cost
from eie.literature import reported
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.paper.platforms import energy_uj, time_us
from eie.paper.study import Study
from eie.paper.table1 import DRAM, sram_read_pj
from eie.paper.table5 import chip
from eie.paper.versus_cpu import geometric_mean, reported_mean
from eie.support.tables import Column, Provenance

__all__ = ["reproduce"]

ALEXNET = ("Alex-6", "Alex-7", "Alex-8")
CHIP, RIVAL = "EIE 256 PE", "DaDianNao"
OPERATIONS = 2  # a multiplication and an addition

Worked = tuple[float, Provenance, str]


def reproduce(study: Study) -> Reproduction:
    """Every claim on the nine generated layers, 64 PEs at 800 MHz, unless its derivation says otherwise."""
    paper = reported("claims")
    comparisons = []
    for name, claim in paper["claims"].items():
        ours, provenance, derivation = WORKED[name.split("_")[0]](study, name, claim.get("machine", ""))
        labels = {"claim": claim["claim"]}
        comparisons.append(Comparison(labels, ours, claim["value"], provenance, claim["unit"], derivation))
    apart = sorted((one for one in comparisons if one.counts), key=lambda one: abs((one.ratio or 1) - 1))
    within = [one for one in apart if abs((one.ratio or 1) - 1) <= 0.1]
    farthest = apart[-1]
    return Reproduction(
        name="claims",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("claim", "claim"),),
        comparisons=tuple(comparisons),
        scale=Scale.RATIO,
        verdict=(
            f"{len(within)} of {len(apart)} claims that can be worked out here come within a tenth of the paper's; "
            f"farthest is {farthest.labels['claim']!r}, {farthest.ours:,.4g} for {farthest.paper:g} {farthest.unit}."
        ),
        plot=Plot(category="claim", panel=None, value_title="ours over the paper's", relative=True, line_at_one=True),
        conditions=f"{study.technology.title}. {study.speed_of_memories()}",
    )


def _generated(study: Study) -> list[str]:
    return [name for name in study.names if not study.is_real(name)]


def _peak(_study: Study, _name: str, _machine: str) -> Worked:
    hardware = Hardware()
    rate = OPERATIONS * hardware.n_pe * hardware.clock_mhz / 1000
    return rate, Provenance.DERIVED, f"{OPERATIONS} operations x {hardware.n_pe} PEs x {hardware.clock_mhz:g} MHz"


def _equivalent(study: Study, _name: str, _machine: str) -> Worked:
    operations = sum(OPERATIONS * study.layer(name).codes.size for name in _generated(study))
    time = sum(study.simulation(name).latency_us for name in _generated(study))
    return operations / time / 1000, Provenance.SIMULATED, "2 x inputs x outputs of all layers over their time"


def _alexnet(study: Study, _name: str, _machine: str) -> Worked:
    time = sum(study.simulation(name).latency_us for name in ALEXNET)
    return 1e6 / time, Provenance.SIMULATED, f"one over the time of {', '.join(ALEXNET)} in a row"


def _power(study: Study, _name: str, _machine: str) -> Worked:
    made = cost([study.simulation(name) for name in ALEXNET], study.technology)
    return made.power_mw, Provenance.MODELLED, f"energy over time of the same; {made.power_put_in:.0%} put in"


def _faster(study: Study, _name: str, machine: str) -> Worked:
    ratios = [time_us(machine, name) / study.simulation(name).latency_us for name in _generated(study)]
    return geometric_mean(ratios), Provenance.SIMULATED, "Table IV's time over ours, geometric mean of nine layers"


def _less(study: Study, _name: str, machine: str) -> Worked:
    """Over the CPU by its energy on each layer; over another machine by dividing by that machine's bar of Figure 7."""
    cpu_uj = {name: energy_uj("CPU dense", name) or 0.0 for name in _generated(study)}
    over_cpu = geometric_mean([energy * 1000 / study.cost(name).energy_nj for name, energy in cpu_uj.items()])
    said = "Table IV's time x Deep Compression's power over our energy, geometric mean of nine layers"
    if machine == "CPU dense":
        return over_cpu, Provenance.MODELLED, said
    bar = reported_mean("figure7", "efficiency", machine)
    return over_cpu / bar, Provenance.MODELLED, f"our factor over the CPU by Figure 7's bar of that machine, {bar:g}"


def _dadiannao(study: Study, name: str, _machine: str) -> Worked:
    key = {"speed": "frames_per_s", "energy": "frames_per_j", "area": "frames_per_s_mm2"}[name.split("_")[1]]
    ours, provenance, note = chip(study, CHIP)[key]
    said = f"our {CHIP} at 28 nm over the paper's {RIVAL}, Table V{f'; {note}' if note else ''}"
    return ours / reported("table5")["platforms"][RIVAL][key], provenance, said


def _memory(study: Study, _name: str, _machine: str) -> Worked:
    ratio = reported("table1")["energy_pj"][DRAM] / sram_read_pj(study.memories)
    return ratio, Provenance.MODELLED, f"Table I's DRAM read over 32 KB of {study.memories.name}"


WORKED: dict[str, Callable[[Study, str, str], Worked]] = {
    "peak": _peak,
    "equivalent": _equivalent,
    "alexnet": _alexnet,
    "power": _power,
    "faster": _faster,
    "less": _less,
    "dadiannao": _dadiannao,
    "memory": _memory,
}
