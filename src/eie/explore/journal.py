"""The journal of a sweep: every finished run as one line of JSON, so that an interrupted sweep goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import eie
from eie.cost import Technology
from eie.errors import InputError
from eie.explore.space import PARAMETERS, Space
from eie.support.output_files import existing_file

__all__ = ["Journal"]

_COLUMNS = {"layer", *PARAMETERS}  # what tells a run from every other


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
            "files": _digest(*(sha256(path.read_bytes()).hexdigest() for path in space.files())),
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
        existing_file(self.path, "journal")
        data = self.path.read_bytes()
        # What follows the last newline was being written when the sweep was interrupted.
        whole = data.rfind(b"\n") + 1
        documents = []
        if whole == 0 and not f"{json.dumps(self._header)}\n".encode().startswith(data):
            raise InputError(f"{self.path} is no journal of a sweep: give another folder")
        for number, line in enumerate(data[:whole].splitlines(), 1):
            try:
                document = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"line {number} of {self.path} is not JSON: {error}; give another folder") from error
            if number == 1 and document != self._header:
                raise InputError(
                    f"{self.path} holds runs of another version, technology or layer, expected {self._header}: "
                    "give another folder"
                )
            if number > 1 and not _is_row(document):
                raise InputError(f"line {number} of {self.path} is no run of a sweep: give another folder")
            documents.append(document)
        self.rows = documents[1:]
        if whole < len(data):
            try:
                os.truncate(self.path, whole)
            except OSError as error:
                raise InputError(f"cannot write {self.path}: {error.strerror}") from error
        if not documents:
            self._append([self._header])

    def _append(self, documents: list[dict[str, Any]]) -> None:
        length = None
        try:
            with open(self.path, "ab", buffering=0) as stream:
                length = stream.tell()
                data = "".join(f"{json.dumps(document)}\n" for document in documents).encode()
                while data:
                    data = data[stream.write(data) :]
        except OSError as error:
            if length is not None:
                with suppress(OSError):
                    os.truncate(self.path, length)  # no half of a line stays
            raise InputError(
                f"cannot write {self.path}: {error.strerror}; the runs before are kept, and the same command goes on"
            ) from error


def _is_row(document: object) -> bool:
    return (
        isinstance(document, dict)
        and document.keys() >= _COLUMNS
        and all(isinstance(value, bool | int | float | str) for value in document.values())
    )


def _digest(*texts: str) -> str:
    return sha256("\n".join(texts).encode()).hexdigest()[:16]
