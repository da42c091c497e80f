"""How much each energy figure depends on the memories assumed: the same figure under every memory set."""

from __future__ import annotations

from eie.chip import Hardware
from eie.cost import MemorySet, Technology, cost, slowest_memory_ns
from eie.errors import InputError
from eie.literature import reported
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.paper.platforms import energy_uj
from eie.paper.study import Study
from eie.paper.table1 import SRAM, sram_read_pj
from eie.paper.table5 import WORKLOAD
from eie.paper.versus_cpu import EIE, geometric_mean, reported_mean
from eie.support.tables import Column, Provenance

__all__ = ["reproduce"]

READ, POWER, MEMORY = "Table I, SRAM read", "Table II, a PE", "Table II, its memories"
CHIP, EFFICIENCY, CYCLE = "Table V, power", "Figure 7, over the CPU", "slowest memory"
UNITS = {READ: "pJ", POWER: "mW", MEMORY: "mW", CHIP: "W", EFFICIENCY: "x", CYCLE: "ns"}


def reproduce(study: Study) -> Reproduction:
    """Each figure under every memory set of the technology; none counts as agreement, for only one set is used."""
    paper = {
        READ: reported("table1")["energy_pj"][SRAM],
        POWER: reported("table2")["total"]["power_mw"],
        MEMORY: reported("table2")["kinds"]["memory"]["power_mw"],
        CHIP: reported("table5")["platforms"]["EIE 64 PE"]["power_w"],
        EFFICIENCY: reported_mean("figure7", "efficiency", EIE),
        CYCLE: None,
    }
    period = 1000 / Hardware().clock_mhz
    comparisons, can_run = [], []
    for memories in study.memory_sets:
        ours, note = _figures(study, memories)
        cycle = ours.get(CYCLE)
        if cycle is not None and cycle > period:
            note = f"cannot keep {Hardware().clock_mhz:g} MHz"
        elif not note:
            can_run.append(memories.name)
        for figure, theirs in paper.items():
            labels = {"figure": figure, "memories": memories.name}
            value = ours.get(figure)
            comparisons.append(
                Comparison(labels, value, theirs, Provenance.MODELLED, UNITS[figure], note, counted=False)
            )
    told = "; ".join(
        f"{one.ours:.1f} mW with {one.labels['memories']}"
        for one in comparisons
        if one.labels["figure"] == POWER and one.ours is not None
    )
    return Reproduction(
        name="assumptions",
        title="Each energy figure under every memory set",
        source="Tables I, II and V and Figure 7 as above",
        labels=(Column("memories", "memories"), Column("figure", "figure")),
        comparisons=tuple(comparisons),
        scale=Scale.RATIO,
        verdict=(
            f"A PE takes {told}; the paper's takes {paper[POWER]:g}. Sets that have all of a PE's memories and keep "
            f"{Hardware().clock_mhz:g} MHz: {', '.join(can_run) or 'none'}. {study.memories.name} is used elsewhere."
        ),
        plot=Plot(category="memories", panel="figure", value_title="", logarithmic=True),
        conditions=(
            f"{study.technology.title}. Sets that CACTI was run for at 128 KB alone have no pointer memory, and no PE."
        ),
    )


def _figures(study: Study, memories: MemorySet) -> tuple[dict[str, float], str]:
    """The figures that the set allows, and a note where it does not allow all."""
    technology = study.technology.with_memories(memories.name) if study.technology.memories else study.technology
    found: dict[str, float] = {}
    note = ""
    for work in (_sram, _pe):
        try:
            found |= work(study, technology, memories)
        except InputError:
            note = "has not all of a PE's memories"
    return found, note


def _sram(_study: Study, _technology: Technology, memories: MemorySet) -> dict[str, float]:
    return {READ: sram_read_pj(memories)}


def _pe(study: Study, technology: Technology, _memories: MemorySet) -> dict[str, float]:
    names = [name for name in study.names if not study.is_real(name)]
    all_layers = cost([study.simulation(name) for name in names], technology)
    n_pe = Hardware().n_pe
    ratios = []
    for name in names:
        cpu = energy_uj("CPU dense", name)
        if cpu is not None:
            ratios.append(cpu * 1000 / cost(study.simulation(name), technology).energy_nj)
    kinds, cycle = all_layers.split("kind"), slowest_memory_ns(technology, Hardware())
    return {
        POWER: all_layers.power_mw / n_pe,
        **({MEMORY: kinds["memory"].power_mw / n_pe} if "memory" in kinds else {}),
        CHIP: cost(study.simulation(WORKLOAD), technology).power_mw / 1000,
        EFFICIENCY: geometric_mean(ratios),
        **({CYCLE: cycle} if cycle is not None else {}),
    }
