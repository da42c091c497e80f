"""Table II: power and area of one PE, by unit and by kind."""

from __future__ import annotations

from eie.cost import cost, load_technology
from eie.literature import reported
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.paper.study import Study
from eie.support.tables import Column, Provenance

__all__ = ["reproduce"]

TECHNOLOGY = "eie-paper-45nm"
POWER, AREA = "power", "area"


def reproduce(study: Study) -> Reproduction:
    """Power per PE over all layers one after the other, and area per PE, 64 PEs; LNZD nodes in no row but the total."""
    paper = reported("table2")
    runs = [study.simulation(name) for name in study.names]
    technology = load_technology(TECHNOLOGY)
    pes_only = technology.model_copy(
        update={"components": tuple(one for one in technology.components if one.per == "pe")}
    )
    made = cost(runs, pes_only)
    n_pe = runs[0].hardware.n_pe
    comparisons = []
    for split, rows in (("kind", paper["kinds"]), ("unit", paper["units"])):
        for name, (power, area) in made.by(split).items():
            for quantity, unit, ours, theirs in (
                (POWER, "mW", power / n_pe, rows[name]["power_mw"]),
                (AREA, "um2", area / n_pe, rows[name]["area_um2"]),
            ):
                if theirs or ours:
                    labels = {"part": name, "by": split, "quantity": quantity}
                    comparisons.append(Comparison(labels, ours, theirs, Provenance.MODELLED, unit))
    total = made.power_mw / n_pe
    per_spmat = sum(run.cycles for run in runs) * n_pe / sum(run.counts.spmat_reads for run in runs)
    per_pointer = sum(run.cycles for run in runs) * n_pe / sum(run.counts.ptr_reads for run in runs)
    return Reproduction(
        name="table2",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("part", "part"), Column("by", "by"), Column("quantity", "quantity")),
        comparisons=tuple(comparisons),
        scale=Scale.RATIO,
        verdict=(
            "The areas are those of the table, which the model is calibrated on. Its energies per action are "
            "the table's "
            "powers at the steady state that the paper states, one access of each memory in 8 cycles; the "
            "layers access "
            f"the weight memory once in {per_spmat:.1f} cycles and the pointers once in {per_pointer:.1f}, "
            f"so that a PE "
            f"takes {total:.1f} mW on them and not {paper['total']['power_mw']:g}. Which layers the paper's "
            f"own powers were "
            "measured on it does not say."
        ),
        plot=Plot(category="part", panel="quantity", value_title="value", logarithmic=True),
        conditions=f"{technology.title}; all {len(runs)} layers, one after the other, 64 PEs at 800 MHz.",
    )
