"""A figure with a curve per layer: the paper's digitised curves beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from eie.paper.comparison import Comparison, Scale, agreement
from eie.paper.study import Study, benchmark_of
from eie.support.tables import Provenance

__all__ = ["about_the_real_layer", "curves", "mean_of"]


def curves(
    study: Study,
    along: str,
    places: Sequence[int],
    paper: Mapping[str, Sequence[float]],
    ours: Callable[[str, int], float | None],
    unit: str,
    provenance: Provenance = Provenance.SIMULATED,
) -> tuple[Comparison, ...]:
    """One comparison per layer of the study and place on the axis `along`; `ours(layer, place)` gives our number.

    A curve of the paper's shorter than the axis is empty past its end.
    """
    return tuple(
        Comparison(
            labels={"layer": name, along: place},
            ours=ours(name, place),
            paper=theirs,
            provenance=provenance,
            unit=unit,
        )
        for name in study.names
        for place, theirs in zip(places, _padded(paper[benchmark_of(name)], len(places)), strict=True)
    )


def mean_of(comparisons: Sequence[Comparison], label: str, place: int, *, ours: bool) -> float:
    """The mean over the layers at one place of the axis, of ours or of the paper's."""
    values = [one.ours if ours else one.paper for one in comparisons if one.labels[label] == place]
    return float(np.mean([value for value in values if value is not None]))


def about_the_real_layer(study: Study, comparisons: Sequence[Comparison], scale: Scale) -> str:
    """A sentence on how far the published layer by itself is from the paper; nothing where it is not given."""
    real = tuple(one for one in comparisons if study.is_real(str(one.labels["layer"])))
    agreed = agreement(real, scale)
    return f" The real Alex-8 parts from the paper's by {agreed}." if agreed else ""


def _padded(values: Sequence[float], length: int) -> list[float | None]:
    return [*values, *[None] * (length - len(values))]
