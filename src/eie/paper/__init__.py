"""What the paper reports, and one module per table, figure or question that works it out again.

A module named like its table, figure or question has one function, `reproduce(study)`, which returns a `Reproduction`.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from eie.errors import InputError
from eie.paper.comparison import Agreement, Comparison, Plot, Reproduction, Scale, agreement_words
from eie.paper.study import Study
from eie.workloads.layers import Benchmark, LayerData, benchmarks, generate

__all__ = [
    "REPRODUCTIONS",
    "Agreement",
    "Benchmark",
    "Comparison",
    "LayerData",
    "Plot",
    "Reproduction",
    "Scale",
    "Study",
    "agreement_words",
    "benchmarks",
    "generate",
    "reproduce",
    "selected",
]

REPRODUCTIONS = (
    "table1",
    "table2",
    "table3",
    "table4",
    "table5",
    "figure6",
    "figure7",
    "figure8",
    "figure9",
    "figure10",
    "figure11",
    "figure12",
    "figure13",
    "claims",
    "assumptions",
    "rivals",
    "external",
)


def selected(names: Iterable[str]) -> tuple[str, ...]:
    """The reproductions meant by `names`, in the paper's order; "all" is every one. InputError for any other."""
    asked = set(names)
    for name in asked - {"all", *REPRODUCTIONS}:
        raise InputError(f"nothing to reproduce is named {name!r}; there are {', '.join(REPRODUCTIONS)}, and all")
    return REPRODUCTIONS if "all" in asked else tuple(name for name in REPRODUCTIONS if name in asked)


def reproduce(name: str, study: Study) -> Reproduction:
    """Work out the table or figure `name`, such as "table4", on the study's layers."""
    (name,) = selected([name])
    result: Reproduction = import_module(f"eie.paper.{name}").reproduce(study)
    return result
