"""Output of the commands: results on stdout, as text or JSON; progress and warnings on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["JsonOption", "log", "print_json", "print_table", "result"]

# Names come from files, so nothing in a text is markup. Into a file or a pipe, tables are as wide as they need to be
# unless COLUMNS says otherwise; 240 is more than any of ours.
_WIDTH = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 240
result = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=_WIDTH)
log = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]


def print_json(document: Mapping[str, Any]) -> None:
    """Print `document` as JSON on stdout; arrays become lists."""
    typer.echo(json.dumps(document, indent=2, default=_plain, allow_nan=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their column names on stdout, numbers to the right.

    A table wider than the terminal is printed in parts, one under the other, each with the first column.
    """
    rest = list(range(1, len(columns)))
    unbounded = result.options.update(max_width=10_000)
    while True:
        chosen = [0, *rest]
        table = _table(title, columns, rows, chosen)
        while len(chosen) > 2 and result.measure(table, options=unbounded).maximum > result.width:
            chosen.pop()
            table = _table(title, columns, rows, chosen)
        result.print(table)
        rest = rest[len(chosen) - 1 :]
        if not rest:
            return


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], chosen: Sequence[int]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for index in chosen:
        numeric = all(isinstance(row[index], int | float) or row[index] is None for row in rows)
        table.add_column(columns[index], justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(row[index]) for index in chosen))
    return table


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def _plain(value: object) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
