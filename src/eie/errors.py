"""The errors that the package raises on purpose; each message is one sentence that can be shown to the user."""

from __future__ import annotations

__all__ = ["EieError", "InputError", "Interrupted", "MissingExtra", "ToolError", "WorkerLost"]


class EieError(Exception):
    """The base of all errors except Interrupted; the message is one sentence that names the thing and its value."""


class InputError(EieError, ValueError):
    """Something the user gave is wrong; the message says what was expected."""


class MissingExtra(EieError, ImportError):
    """A feature needs a package that an optional extra installs."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs the package {package}: install it with pip install 'eie[{extra}]'")


class ToolError(EieError, RuntimeError):
    """A program that this package calls (a compiler, Yosys, Verilator) is missing or has failed."""


class WorkerLost(EieError, RuntimeError):
    """A process that worked for this one ended before it answered."""


class Interrupted(KeyboardInterrupt):
    """The user stopped a run; the message says what has been kept and how to go on."""
