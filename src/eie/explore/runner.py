"""A sweep from end to end: what is done already is kept, the rest is run, and the whole is one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from eie.cost import require_figures
from eie.errors import InputError, Interrupted
from eie.explore.journal import Journal
from eie.explore.pareto import pareto_front
from eie.explore.space import PARAMETERS, Space
from eie.explore.task import tasks_of
from eie.explore.workers import done
from eie.support.extras import needed_for
from eie.support.output_files import atomic_write

with needed_for("a sweep"):
    import polars as pl

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
    Raises InputError, before any run, for values that the hardware or the technology refuses; WorkerLost where a
    process or the cluster is lost; Interrupted for Ctrl-C. The journal keeps what was done.
    """
    space = space.spelt_out()
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
    try:
        with closing(done(tasks_of(missing, space, technology), workers, scheduler)) as results:
            for new in results:
                journal.add(new)
                rows |= {_key(row): row for row in new}
                finished += len(new)
                progress(finished, len(runs))
    except KeyboardInterrupt:
        kept = f"what is done is kept in {folder}, and the same command goes on from there"
        raise Interrupted(f"interrupted after {finished} of {len(runs)} runs: {kept}") from None
    try:
        table = pl.DataFrame([rows[_key(run.parameters)] for run in runs], infer_schema_length=None)
        fronts = {"pareto.csv": pareto_front(table), "pareto-fits.csv": pareto_front(table, fitting=True)}
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"the runs in {journal.path} have other columns or values: give another folder") from error
    with atomic_write(folder / "runs.parquet") as path:
        table.write_parquet(path)
    for name, written in {"runs.csv": table, **fronts}.items():
        with atomic_write(folder / name) as path:
            written.write_csv(path)
    return table


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells a run from every other."""
    return (row["layer"], *(row[name] for name in PARAMETERS))
