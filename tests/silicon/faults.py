"""Faults put into the RTL, to see what finds them."""

from __future__ import annotations

from pathlib import Path

from eie.silicon.sources import source_files


def changed_sources(folder: Path, unit: str, right: str, wrong: str) -> list[Path]:
    """Return copies of the sources in `folder`, with a fault in `unit`: `wrong` in place of `right`."""
    changed = []
    for path in source_files():
        text = path.read_text()
        if path.stem == unit:
            assert right in text
            text = text.replace(right, wrong)
        (folder / path.name).write_text(text)
        changed.append(folder / path.name)
    return changed
