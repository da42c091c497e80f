"""What the commands print: tables that fit the terminal, bars on one, and help texts with all their words."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from rich.console import Console

from eie.cli import output, training_bar
from eie.cli.commands import app
from eie.pytorch.training import Epoch, Progress


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_table_fits_its_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide one comes in parts, each with the first column; no cell is cut, and none is lost."""
    stream = io.StringIO()
    monkeypatch.setattr(output, "result", Console(file=stream, width=width, highlight=False, soft_wrap=True))
    columns = ["layer", *(f"column {number}" for number in range(12))]
    rows = [[name, *(1000 * number + 7 for number in range(12))] for name in ("conv1", "fc1")]
    output.print_table("Sizes", columns, rows)
    text = stream.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    assert text.count("Sizes") == text.count("conv1") == text.count("layer") == {40: 6, 80: 2, 200: 1}[width]
    for cell in (*columns, *(f"{value:,}" for value in rows[0][1:])):
        assert cell in text


def commands(group: Any) -> Iterator[Any]:
    for command in group.commands.values():
        yield from commands(command) if hasattr(command, "commands") else [command]


def test_help_texts_keep_their_brackets() -> None:
    """Typer reads [torch] as markup and prints nothing for it: each bracket of ours is escaped."""
    for command in commands(typer.main.get_command(app)):
        texts = [command.help or "", *(getattr(option, "help", None) or "" for option in command.params)]
        for text in texts:
            assert text.count("[") == text.count("\\["), text


def test_a_bar_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows epoch, loss and accuracy; into a pipe there are lines instead."""
    stream = io.StringIO()
    monkeypatch.setattr(training_bar, "log", Console(file=stream, width=100, force_terminal=True, highlight=False))
    with training_bar.training_bar() as watch:
        assert watch is not None
        watch(Progress("prune", 0.0, 8, None))
        watch(Progress("prune", 0.5, 8, Epoch(4, 0.25, 0.9)))
    assert "epoch 4 of 8, loss 0.250, 90.0% right" in stream.getvalue()
    monkeypatch.setattr(training_bar, "log", Console(file=io.StringIO()))
    with training_bar.training_bar() as watch:
        assert watch is None
