"""`eie bench --sweep`: one layer over density, activity and batch, and where something else is faster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import eie
from eie.cli.output import log, print_json, print_table, result
from eie.errors import InputError
from eie.peers.libraries import Peer, available, set_threads
from eie.peers.sweep import ALONE, LEVEL, SLOWER, Cell, Grid, Sweep, advice, measure_sweep
from eie.support.output_files import atomic_write, require_folder
from eie.support.processor import build, processor

__all__ = ["grid_of", "run_sweep"]


def grid_of(
    shape: str | None, densities: str | None, activities: str | None, batches: str | None, numerics: str | None
) -> Grid:
    """Return the grid that the options say; one that is not given has the grid's own values."""
    given: dict[str, Any] = {}
    if shape is not None:
        given["outputs"], given["inputs"] = _shape(shape)
    for name, text in (("densities", densities), ("activities", activities)):
        if text is not None:
            given[name] = tuple(_number(part, f"--{name}") / 100 for part in text.split(","))
    if batches is not None:
        numbers = [_number(part, "--batches") for part in batches.split(",")]
        if any(number != int(number) for number in numbers):
            raise InputError(f"--batches must be whole numbers, such as 1,4,16, not {batches!r}")
        given["batches"] = tuple(int(number) for number in numbers)
    if numerics is not None:
        given["numerics"] = tuple(part.strip() for part in numerics.split(","))
    return Grid(**given)


def _shape(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise InputError(f"--shape must be OUTPUTSxINPUTS, such as 2048x2048, not {text!r}")
    return int(parts[0]), int(parts[1])


def _number(text: str, option: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e9:
        raise InputError(f"{option} must be numbers with commas between them, such as 1,10,100, not {text!r}")
    return number


def run_sweep(
    grid: Grid,
    peers: Sequence[Peer],
    threads: int,
    seconds: float,
    kernel: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure `grid`, print who is faster where, and write the page and the numbers into `out`."""
    require_folder(out)
    if out is not None:
        from eie.report import sweep as _page  # noqa: F401  # what it needs must be there before minutes of work
    set_threads(threads)

    def progress(what: str, done: int, cells: int) -> None:
        log.print(f"measuring {what} ({done} of {cells} places done)" if done < cells else what, style="dim")

    sweep = measure_sweep(grid, peers, threads=threads, seconds=seconds, kernel=kernel, progress=progress)
    document = _document(sweep, seconds)
    if out is not None:
        _write(sweep, document, out)
    if as_json:
        print_json(document)
        return
    for numerics in grid.numerics:
        _print_table(sweep, numerics)
    busy = sum(cell.busy for cell in sweep.cells)
    result.print(f"Measured on {processor()}, {threads} thread(s); {build()}.")
    if busy:
        result.print(
            f"The machine was BUSY with other work in {busy} of {len(sweep.cells)} comparisons: trust their ratios, "
            "which are of calls in turns, before their times."
        )
    for numerics in grid.numerics:
        for line in advice(sweep, numerics):
            result.print(line)
    for line in (*(f"missing: {name}" for name in available()[1]), *(f"failed: {text}" for text in sweep.failed)):
        log.print(line, style="yellow")
    if out is not None:
        result.print(
            f"Every number is in {out / 'points.csv'} and {out / 'sweep.json'}, drawn in {out / 'report.html'}"
        )


def _print_table(sweep: Sweep, numerics: str) -> None:
    """A row per density, a column per batch: the ratios from the least to the most over all activities."""
    grid = sweep.grid
    rows = []
    for density in grid.densities:
        row: list[object] = [f"{100 * density:.4g} %"]
        for batch in grid.batches:
            row.append(
                _range(
                    [
                        cell
                        for cell in sweep.cells
                        if (cell.numerics, cell.density, cell.batch) == (numerics, density, batch)
                    ]
                )
            )
        rows.append(row)
    print_table(
        f"{numerics}, {grid.outputs} x {grid.inputs}: best peer's time / ours (! slower, = level)",
        ["kept", *(f"batch {batch}" for batch in grid.batches)],
        rows,
    )


def _range(cells: Sequence[Cell]) -> str:
    ratios = [cell.ratio for cell in cells if cell.ratio is not None]
    if not ratios:
        return ALONE
    least, most = f"{min(ratios):.2g}", f"{max(ratios):.2g}"
    verdicts = {cell.verdict for cell in cells}
    mark = " !" if SLOWER in verdicts else " =" if LEVEL in verdicts else ""
    return (least if least == most else f"{least} to {most}") + mark


def _document(sweep: Sweep, seconds: float) -> dict[str, Any]:
    """Everything that was measured, as JSON takes it."""
    return {
        "provenance": "measured here",
        "eie": eie.__version__,
        "processor": processor(),
        "build": build(),
        "threads": sweep.threads,
        "seconds": seconds,
        "grid": asdict(sweep.grid),
        "points": [asdict(point) for point in sweep.points],
        "cells": [asdict(cell) for cell in sweep.cells],
        "verdict": {numerics: advice(sweep, numerics) for numerics in sweep.grid.numerics},
        "missing": available()[1],
        "failed": sweep.failed,
    }


def _write(sweep: Sweep, document: dict[str, Any], out: Path) -> None:
    from eie.report.sweep import points_table, sweep_report  # Altair is slow to import

    report = sweep_report(sweep)
    report.write_figures(out, ("svg",))
    report.write(out / "report.html")
    points_table(sweep).write_csv(out / "points.csv")
    with atomic_write(out / "sweep.json") as temporary:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
