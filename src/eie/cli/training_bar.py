"""A bar for each training on a terminal: epoch, loss, accuracy and the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from eie.cli.output import log

if TYPE_CHECKING:
    from eie.pytorch.training import Progress as Training

__all__ = ["training_bar"]


@contextmanager
def training_bar() -> Iterator[Callable[[Training], None] | None]:
    """Yield a function that draws a training's progress on stderr, or None where that is no terminal."""
    if not log.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.fields[facts]}"))
    with Progress(*columns, TimeRemainingColumn(elapsed_when_finished=True), console=log) as bar:
        tasks: dict[str, TaskID] = {}

        def watch(training: Training) -> None:
            if training.stage not in tasks:
                tasks[training.stage] = bar.add_task(training.stage, total=1.0, facts="")
            epoch = 0 if training.last is None else training.last.number
            facts = f"epoch {epoch} of {training.epochs}"
            if training.last is not None:
                facts += f", loss {training.last.loss:.3f}, {training.last.accuracy:.1%} right"
            bar.update(tasks[training.stage], completed=training.done, facts=facts)

        yield watch
