"""A figure of bars over the CPU, dense, batch 1: a group per machine, a bar per layer, and their geometric mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from eie.literature import reported
from eie.paper.comparison import Comparison
from eie.paper.study import Study, benchmark_of
from eie.support.tables import Provenance

__all__ = ["EIE", "MEAN", "THIS_CPU", "geometric_mean", "reported_mean", "versus_cpu"]

EIE, THIS_CPU, MEAN = "EIE", "this CPU compressed", "geometric mean"


def geometric_mean(values: Sequence[float]) -> float:
    """The exponential of the mean logarithm."""
    return float(np.exp(np.mean(np.log(values))))


def reported_mean(figure: str, quantity: str, machine: str) -> float:
    """The geometric mean that Figure 6 or 7 prints for a machine."""
    paper = reported(figure)
    return float(paper[quantity][machine][paper["layers"].index(MEAN)])


def versus_cpu(
    study: Study,
    ours: Mapping[str, Mapping[str, float | None]],
    paper: Mapping[str, Sequence[float]],
    paper_layers: Sequence[str],
    provenance: Provenance,
) -> tuple[Comparison, ...]:
    """Compare `ours[machine][layer]` with the paper's bars; `provenance` is that of the EIE bars.

    The geometric mean is over the nine benchmark layers, as the paper's, and left out where a layer has no number.
    """
    comparisons = []
    for machine, values in ours.items():
        bars = dict(zip(paper_layers, paper[machine], strict=True)) if machine in paper else {}
        own = provenance if machine == EIE else Provenance.MEASURED if "this CPU" in machine else Provenance.DERIVED
        for name in study.names:
            comparisons.append(
                Comparison({"layer": name, "machine": machine}, values[name], bars.get(benchmark_of(name)), own, "x")
            )
        nine = [values[name] for name in study.names if not study.is_real(name)]
        known = [value for value in nine if value is not None]
        mean = geometric_mean(known) if len(known) == len(nine) else None
        comparisons.append(Comparison({"layer": MEAN, "machine": machine}, mean, bars.get(MEAN), own, "x"))
    return tuple(comparisons)
