"""`eie explore`: a sweep over hardware, encoding and layers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.errors import InputError

__all__ = ["command"]

SHOWN = 12
LINE_EVERY_S = 5.0


def command(
    space: Annotated[str, typer.Argument(metavar="SPACE", help="A space file (.toml), or the name of a ready space.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; an interrupted sweep goes on from it.")] = Path(
        "exploration"
    ),
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, such as tcp://host:8786.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate and cost every point of SPACE: one long table as Parquet and CSV, and the Pareto front, drawn too.

    Example: eie explore paper --out exploration
    """
    # Polars and Altair are slow to import.
    from eie.explore import PARAMETERS, explore, load_space, pareto_front
    from eie.report.front import front_chart, sweep_report
    from eie.support.chart_files import write_chart

    if workers is not None and scheduler is not None:
        raise InputError("--workers and --scheduler exclude each other: a cluster has workers of its own")
    points = load_space(space)
    started = time.perf_counter()
    with _progress(points.name) as progress:
        table = explore(points, out, workers=workers, scheduler=scheduler, progress=progress)
    seconds = time.perf_counter() - started
    every, fitting = pareto_front(table), pareto_front(table, fitting=True)
    for kind in ("html", "svg") if every.height else ():
        write_chart(front_chart(every), out / f"front.{kind}", "front")
    sweep_report(points, table, every, fitting).write(out / "report.html")
    if as_json:
        fronts = {"pareto": every.to_dicts(), "pareto_fits": fitting.to_dicts()}
        print_json({"runs": table.height, "seconds": seconds, "folder": out, **fronts})
        return
    front = fitting if fitting.height else every
    varied = [name for name in PARAMETERS if table[name].n_unique() > 1]
    shown = front.head(SHOWN).select([*varied, "latency_us", "energy_nj", "area_mm2", "slowest_memory_ns", "fits"])
    print_table(
        f"Pareto front of time, energy and area (modelled){' of those that fit' if fitting.height else ''}, "
        f"{front.height} of {table.height // max(table['layer'].n_unique(), 1)} configurations over all layers",
        shown.columns,
        shown.rows(),
    )
    if front.height > SHOWN:
        kept = out / ("pareto-fits.csv" if fitting.height else "pareto.csv")
        result.print(f"The first {SHOWN} of {front.height}; all are in {kept}.")
    if not fitting.height:
        result.print(
            "No configuration fits: its memories do not hold every layer, or cannot be read in every cycle."
            if every.height
            else "No configuration was run on every layer, so that there is no front."
        )
    result.print(
        f"{table.height} runs in {seconds:.1f} s: {out / 'runs.parquet'}, {out / 'runs.csv'}, {out / 'report.html'}"
    )


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; elsewhere, such as in a file, a line now and then."""
    if log.is_terminal:
        columns = (TextColumn("exploring"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=log, transient=True) as bar:
            task = bar.add_task(name, total=None)
            yield lambda finished, runs: bar.update(task, completed=finished, total=runs)
        return
    started = said = time.perf_counter()

    def line(finished: int, runs: int) -> None:
        nonlocal said
        now = time.perf_counter()
        if now - said >= LINE_EVERY_S or finished == runs:
            said = now
            log.print(f"exploring: {finished:,} of {runs:,} runs, {now - started:.0f} s")

    yield line
