"""The errors that a user's input can cause: one sentence each, naming the thing, its value and what was expected."""

from __future__ import annotations

__all__ = ["InputError", "MissingExtra"]


class InputError(ValueError):
    """Something the user gave is wrong; the message is one sentence, fit to be shown as it is."""


class MissingExtra(InputError):
    """A command needs a package that an optional extra of this one brings."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs the package {package}: install it with pip install 'eie[{extra}]'")
