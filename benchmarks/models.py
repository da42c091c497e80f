"""Models of some thirty kinds, from PyTorch and ONNX to a compressed file, run and simulated: measured, as tables.

python benchmarks/models.py [--only NAME,...] [--rounds N]

benchmarks/zoo has the models and what is done with each. With --only nothing is written.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

import eie
from convolutions import busy
from eie.engine import NUMERICS
from eie.errors import InputError
from eie.support.output_files import atomic_write
from eie.support.processor import processor
from timing import faster, ratios
from zoo import ZOO, Example
from zoo.measure import ONNX_RUNTIME, OURS, PYTORCH, Refused, Result, measure

RESULTS = Path(__file__).parent / "results" / "models.md"
PEERS = (PYTORCH, ONNX_RUNTIME)
NAMED_LAYERS = 6  # of a model, the slowest

INTRODUCTION = (
    "*Weights* are all parameters. *From PyTorch* and *from ONNX*, a file as torch.onnx.export writes it unasked, give "
    "the largest difference of the network's outputs from PyTorch's over the largest of these, before training, in "
    "float32. Training is short: *right* is the part of test inputs whose class is right, of models with an R² the "
    "part of the variance explained, before and after pruning and sharing. *Kept* and *bits* are of the compressed "
    "layers' weights; *file* is every byte of it, beside four for each weight."
)


def main() -> None:
    """Measure and write benchmarks/results/models.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="parts of names, comma-separated")
    parser.add_argument("--rounds", type=int, default=12)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for example in chosen(arguments.only):
        start = time.perf_counter()
        results.append(measure(example, arguments.rounds))
        print(f"{example.name}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
    text = report(results)
    if not arguments.only:
        with atomic_write(RESULTS) as temporary:
            temporary.write_text(text)
    print(text)


def chosen(only: str) -> list[Example]:
    """Return the models whose names have one of these comma-separated parts in them."""
    parts = [part.strip().lower() for part in only.split(",")]
    found = [example for example in ZOO if any(part in example.name.lower() for part in parts)]
    if not found:
        raise InputError(f"no model's name has {only!r} in it; there are {', '.join(one.name for one in ZOO)}")
    return found


class Notes:
    """The words of refusals, numbered in the order of their first use."""

    def __init__(self) -> None:
        self.found: list[Refused] = []

    def cell(self, value: Any, shown: Callable[[Any], str]) -> str:
        """Return a cell: `shown(value)`, the number of a refusal's words, or nothing for what was never reached."""
        if not isinstance(value, Refused):
            return "" if value is None else shown(value)
        if value not in self.found:
            self.found.append(value)
        return f"{'refused' if value.asked else '**fails**'} ({self.found.index(value) + 1})"

    def lines(self) -> list[str]:
        """Return the list of them, under a heading; nothing where there are none."""
        words = [f"{number}. {one.words}" for number, one in enumerate(self.found, 1)]
        return ["## What was refused, in the words of the error", "", *words, ""] if words else []


def report(results: Sequence[Result]) -> str:
    """Return the whole page."""
    notes = Notes()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    tables = [
        *table("From a model to a file", results, file_columns(notes)),
        *table("Run and simulated", results, run_columns(notes)),
        "Cycles, layer by layer:",
        "",
        *(f"- {one.name}: {layers(one.cycles)}" for one in results if isinstance(one.cycles, dict)),
        "",
        *table("Time of one input", results, time_columns(notes)),
    ]
    lines = [
        "# Models of many kinds, start to finish",
        "",
        "<!-- --8<-- [start:tables] -->",
        f"Measured on {processor()}, commit {commit.strip()}; one thread; PyTorch {torch.__version__}. Every cell is "
        f"measured. {INTRODUCTION}" + busy(),
        "",
        *summary(results),
        "",
        *tables,
        *notes.lines(),
        "<!-- --8<-- [end:tables] -->",
        "",
    ]
    return "\n".join(lines)


Columns = dict[str, Callable[[Result], str]]


def table(title: str, results: Sequence[Result], columns: Columns) -> list[str]:
    """Return a table with a row for each model."""
    return [
        f"## {title}",
        "",
        "| model | " + " | ".join(columns) + " |",
        "| --- | " + " | ".join("---:" for _ in columns) + " |",
        *(f"| {one.name} | " + " | ".join(cell(one) for cell in columns.values()) + " |" for one in results),
        "",
    ]


def file_columns(notes: Notes) -> Columns:
    """Return the columns from the model to its file."""
    return {
        "trained on": lambda one: one.source,
        "weights": lambda one: f"{one.weights:,}",
        "from PyTorch, error": lambda one: notes.cell(one.from_pytorch, "{:.0e}".format),
        "from ONNX, error": lambda one: notes.cell(one.from_onnx, "{:.0e}".format),
        "right, %": lambda one: notes.cell(one.scores, lambda both: f"{both[0]:.1%} to {both[1]:.1%}".replace("%", "")),
        "kept, %": lambda one: notes.cell(one.density, lambda part: f"{part * 100:.0f}"),
        "bits": lambda one: notes.cell(one.bits, "{:.0f}".format),
        "file, bytes": lambda one: notes.cell(one.file_bytes, "{:,}".format),
        "times smaller": lambda one: notes.cell(one.file_bytes, lambda size: f"{one.dense_bytes / size:.1f}"),
        "loads": lambda one: notes.cell(one.loads, lambda same: "the same bits" if same else "**other bits**"),
    }


def run_columns(notes: Notes) -> Columns:
    """Return the columns of numerics and of the chip."""
    errors: Columns = {
        f"{numerics}, error": partial(lambda name, one: notes.cell(one.errors.get(name), "{:.0e}".format), numerics)
        for numerics in sorted(NUMERICS, key=("float32", "int16", "int8", "chip").index)
    }
    clock = eie.Hardware().clock_mhz

    def whole(cycles: dict[str, int]) -> str:
        return f"{sum(cycles.values()):,}"

    return {
        **errors,
        "steps in NumPy": lambda one: ", ".join(one.in_numpy),
        "chip, cycles": lambda one: notes.cell(one.cycles, whole),
        "chip, us": lambda one: notes.cell(one.cycles, lambda cycles: f"{sum(cycles.values()) / clock:,.1f}"),
    }


def layers(cycles: dict[str, int]) -> str:
    """Return the cycles of the slowest layers in their order, and those of all others together."""
    slowest = sorted(cycles, key=lambda name: -cycles[name])[:NAMED_LAYERS]
    named = [f"{name} {cycles[name]:,}" for name in cycles if name in slowest]
    others = [count for name, count in cycles.items() if name not in slowest]
    return ", ".join([*named, *([f"{len(others)} others {sum(others):,}"] if others else [])])


def time_columns(notes: Notes) -> Columns:
    """Return the columns of times."""

    def median(times: list[float]) -> str:
        return f"{statistics.median(times):,.1f}"

    def ratio(ours: str, peer: str, one: Result) -> str:
        first, second = one.times_us.get(ours), one.times_us.get(peer)
        return faster(first, second) if isinstance(first, list) and isinstance(second, list) else ""

    medians: Columns = {
        f"{name}, us": partial(lambda name, one: notes.cell(one.times_us.get(name), median), name)
        for name in (*OURS, *PEERS)
    }
    speeds: Columns = {f"{ours} over {peer}": partial(ratio, ours, peer) for ours in OURS for peer in PEERS}
    return medians | speeds


def summary(results: Sequence[Result]) -> list[str]:
    """Return how many models come how far, and which are faster or slower than with what one has."""

    def count(good: Callable[[Result], bool]) -> str:
        return f"{sum(map(good, results))} of {len(results)}"

    smaller = [one.dense_bytes / one.file_bytes for one in results if isinstance(one.file_bytes, int)]
    lines = [
        f"{count(lambda one: isinstance(one.from_pytorch, float))} models are read from PyTorch and "
        f"{count(lambda one: isinstance(one.from_onnx, float))} from ONNX; "
        f"{count(lambda one: isinstance(one.file_bytes, int))} are trained, compressed and saved, "
        f"{count(lambda one: one.loads is True)} give the same bits when loaded, "
        f"{count(lambda one: len(one.errors) > 0 and all(isinstance(e, float) for e in one.errors.values()))} run in "
        f"all numerics and {count(lambda one: isinstance(one.cycles, dict))} on the simulated chip."
    ]
    if smaller:
        lines.append(
            f"Files are {min(smaller):.1f} to {max(smaller):.1f} times smaller than float32 weights, half of them "
            f"{statistics.median(smaller):.1f} times or more."
        )
    for peer in PEERS:
        for ours in OURS:
            both = {}
            for one in results:
                first, second = one.times_us.get(ours), one.times_us.get(peer)
                if isinstance(first, list) and isinstance(second, list):
                    both[one.name] = ratios(first, second)
            slower = [name for name, (_, _, most) in both.items() if most < 1]
            quicker = sum(least > 1 for least, _, _ in both.values())
            lines.append(
                f"{ours} is faster than {peer} for {quicker} of {len(both)} models"
                + (f" and slower for {len(slower)}: {', '.join(slower)}." if slower else " and slower for none.")
            )
    return [" ".join(lines)]


if __name__ == "__main__":
    main()
