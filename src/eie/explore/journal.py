"""The journal of a sweep: every finished run as one line of JSON, so that an interrupted sweep goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import eie
from eie.cost import Technology
from eie.errors import InputError
from eie.explore.space import Space

__all__ = ["Journal"]


class Journal:
    """Rows in `path`, appended as they come; its first line says what they were made with."""

    def __init__(self, path: Path, space: Space, technology: Technology) -> None:
        """Open the journal, or begin it. Raises InputError where it is another version's, technology's or layer's."""
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self._header = {
            "eie": eie.__version__,
            "technology": f"{technology.name}, {_digest(technology.model_dump_json())}",
            "own_layers": _digest(*(layer.model_dump_json() for layer in space.own_layers.values())),
        }
        if path.exists():
            self._read()
        else:
            self._append([self._header])

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Keep finished rows. Raises InputError where the disk does not take them."""
        new = list(rows)
        self._append(new)
        self.rows += new

    def _read(self) -> None:
        whole, lines = 0, self.path.read_bytes().splitlines(keepends=True)
        documents = []
        for line in lines:
            try:
                documents.append(json.loads(line))
            except ValueError:
                break  # the line that was being written when the sweep was interrupted
            whole += len(line)
        if not documents or documents[0] != self._header:
            raise InputError(
                f"{self.path} holds runs of another version, technology or layer, expected {self._header}: "
                "give another folder"
            )
        self.rows = documents[1:]
        if whole < sum(map(len, lines)):
            with open(self.path, "r+b") as stream:
                stream.truncate(whole)

    def _append(self, documents: list[dict[str, Any]]) -> None:
        try:
            with open(self.path, "a", encoding="utf-8") as stream:
                stream.write("".join(f"{json.dumps(document)}\n" for document in documents))
        except OSError as error:
            raise InputError(
                f"cannot write {self.path}: {error.strerror}; the runs before are kept, and the same command goes on"
            ) from error


def _digest(*texts: str) -> str:
    return sha256("\n".join(texts).encode()).hexdigest()[:16]
