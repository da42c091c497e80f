"""A reader under attack: seeds that it takes, changes to them, and what must hold of whatever comes out."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from pathlib import Path

from eie.errors import EieError
from fuzz.mutators import mutate_bytes

__all__ = ["Target", "check_sentence"]


class Target(ABC):
    """One reader. `name` names it on the command line; files are written under `folder`."""

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def seeds(self) -> list[bytes]:
        """Return what the reader takes, small and of every kind."""

    @abstractmethod
    def read(self, data: bytes) -> None:
        """Read hostile `data` and check what comes of it; an EieError is a refusal, anything else raised a finding."""

    def mutate(self, data: bytes, random: random.Random) -> bytes:
        """Return `data`, which has the reader's form, changed."""
        return mutate_bytes(data, random)

    def changed(self, data: bytes, random: random.Random) -> bytes:
        """Return `data` changed, byte by byte where it is not of the reader's form any more."""
        try:
            return self.mutate(data, random)
        except Exception:  # whatever parsing hostile bytes raises here, too
            return mutate_bytes(data, random)

    def run(self, data: bytes) -> bool:
        """Return whether `data` was accepted. Raises what a finding raises, AssertionError for a wrong sentence."""
        try:
            self.read(data)
        except EieError as error:
            check_sentence(error)
            return False
        return True

    def path(self, name: str, data: bytes) -> Path:
        """Write `data` to a file of the target's folder."""
        path = self.folder / name
        path.write_bytes(data)
        return path


def check_sentence(error: EieError) -> None:
    """One line that any terminal can show."""
    text = str(error)
    assert text, "the sentence is empty"
    assert len(text.splitlines()) == 1, f"not one line: {text!a}"
    assert len(text) < 20_000, f"{len(text)} characters"
    text.encode("utf-8")
