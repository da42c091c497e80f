"""Table I: what an operation costs; of its rows only the SRAM read can be modelled here."""

from __future__ import annotations

from eie.cost import MemorySet
from eie.literature import reported
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.paper.study import Study
from eie.support.tables import Column, Provenance

__all__ = ["DRAM", "SRAM", "reproduce", "sram_read_pj"]

SRAM, DRAM = "32-bit SRAM read, 32 KB", "32-bit DRAM read, LPDDR2"
SRAM_BYTES, SRAM_BITS = 32 * 1024, 32


def reproduce(study: Study) -> Reproduction:
    """Energies in pJ: the paper's, and beside its SRAM read that of CACTI 7."""
    paper = reported("table1")
    memories = study.memories
    ours = {SRAM: sram_read_pj(memories)}
    comparisons = tuple(
        Comparison({"operation": name}, ours.get(name), energy, Provenance.MODELLED, "pJ")
        for name, energy in paper["energy_pj"].items()
    )
    dram = paper["energy_pj"][DRAM]
    return Reproduction(
        name="table1",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("operation", "operation"),),
        comparisons=comparisons,
        scale=Scale.RATIO,
        verdict=(
            f"{memories.name} gives {ours[SRAM]:.1f} pJ for the SRAM read, "
            f"{ours[SRAM] / paper['energy_pj'][SRAM]:.1f} times the paper's. The paper's DRAM read is "
            f"{dram / paper['energy_pj'][SRAM]:.0f} of its SRAM reads, which its text calls {paper['said_ratio']}; "
            f"with this one it would be {dram / ours[SRAM]:.0f}. Nothing else of the table is modelled here."
        ),
        plot=Plot(category="operation", panel=None, value_title="energy", logarithmic=True),
        conditions=f"{memories.source}; interpolated between the sizes that CACTI was run for.",
    )


def sram_read_pj(memories: MemorySet) -> float:
    """Energy of one read of the table's SRAM in pJ."""
    return memories.figures(SRAM_BYTES, SRAM_BITS).read_pj
