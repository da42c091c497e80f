"""The errors that the package raises on purpose; each message is one sentence that can be shown to the user."""

from __future__ import annotations

__all__ = ["EieError", "InputError", "Interrupted", "MissingExtra", "ToolError", "WorkerLost"]


class EieError(Exception):
    """What all of them are but an interrupt; the message is one sentence that names the thing and its value.

    Names and values come from files: what no terminal should be sent, a line's end among it, is shown escaped.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__("".join(one if one.isprintable() else ascii(one)[1:-1] for one in sentence))


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
