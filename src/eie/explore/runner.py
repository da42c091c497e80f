"""A sweep from end to end: what is done already is kept, the rest is run, and the whole is one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from eie.cost import require_figures
from eie.errors import InputError
from eie.explore.journal import Journal
from eie.explore.pareto import pareto_front
from eie.explore.space import PARAMETERS, Space
from eie.explore.task import tasks_of
from eie.explore.workers import done
from eie.support.output_files import atomic_write

__all__ = ["explore"]


def explore(
    space: Space,
    folder: str | Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] = lambda finished, runs: None,
) -> pl.DataFrame:
    """Run every point of the space and return one row per run, in the space's order.

    `folder` gets runs.jsonl as runs finish, and at the end runs.parquet, runs.csv, pareto.csv and pareto-fits.csv, the
    front of the configurations that fit. Runs that its journal has already are not run again.
    `progress(finished, runs)` is called as runs finish.
    Raises InputError, before any run, for values that the hardware or the technology refuses.
    """
    runs = space.runs()
    technology = space.load_technology()
    for hardware in dict.fromkeys(run.hardware for run in runs):
        require_figures(technology, hardware)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    journal = Journal(folder / "runs.jsonl", space, technology)
    rows = {_key(row): row for row in journal.rows}
    missing = [run for run in runs if _key(run.parameters) not in rows]
    finished = len(runs) - len(missing)
    progress(finished, len(runs))
    for new in done(tasks_of(missing, space, technology), workers, scheduler):
        journal.add(new)
        rows |= {_key(row): row for row in new}
        finished += len(new)
        progress(finished, len(runs))
    table = pl.DataFrame([rows[_key(run.parameters)] for run in runs], infer_schema_length=None)
    with atomic_write(folder / "runs.parquet") as path:
        table.write_parquet(path)
    fronts = {"pareto.csv": pareto_front(table), "pareto-fits.csv": pareto_front(table, fitting=True)}
    for name, written in {"runs.csv": table, **fronts}.items():
        with atomic_write(folder / name) as path:
            written.write_csv(path)
    return table


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells a run from every other."""
    return (row["layer"], *(row[name] for name in PARAMETERS))
