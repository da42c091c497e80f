"""The rules of the machine by name in a space: those that come with EIE, and a user's own as "file.py:Name"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from eie.errors import InputError
from eie.program.entries import RELATIVE, AbsoluteIndex, EntryRule
from eie.program.rules import BalancedRows, InOrderScan, RoundRobin, RowAssignment, ScanRule
from eie.support.python_files import module_from

__all__ = ["IN_ORDER", "assignment", "beside", "entry_rule", "files_of", "scan_rule"]

ASSIGNMENTS: dict[str, RowAssignment] = {"round robin": RoundRobin(), "by load": BalancedRows()}
IN_ORDER = "in order"
ENTRY_RULES: dict[str, EntryRule] = {"relative index": RELATIVE, "absolute index": AbsoluteIndex()}

Rule = TypeVar("Rule", RowAssignment, ScanRule, EntryRule)


def assignment(name: str) -> RowAssignment:
    """The assignment of rows that a space calls `name`. Raises InputError where there is none."""
    return _named("row_assignment", name, RowAssignment, ASSIGNMENTS)  # type: ignore[type-abstract]


def entry_rule(name: str) -> EntryRule:
    """The rule for entries that a space calls `name`. Raises InputError where there is none."""
    return _named("entry_rule", name, EntryRule, ENTRY_RULES)  # type: ignore[type-abstract]


def scan_rule(name: str, per_cycle: int) -> ScanRule:
    """The detector's rule that a space calls `name`, with broadcasts per cycle where it is EIE's own."""
    if name == IN_ORDER:
        return InOrderScan(per_cycle)
    if per_cycle != 1:
        raise InputError(f"broadcasts_per_cycle is {per_cycle}, but scan_rule {name!r} has its own: leave one out")
    return _own("scan_rule", name, ScanRule, [IN_ORDER])  # type: ignore[type-abstract]


def beside(name: object, folder: Path) -> object:
    """A rule's name with its file relative to `folder`; other values as they are."""
    if isinstance(name, str) and ".py:" in name:
        return str(folder / name)
    return name


def files_of(names: list[str]) -> list[Path]:
    """The files that these rules come from."""
    return [Path(name.rpartition(":")[0]) for name in names if ".py:" in name]


def _named(parameter: str, name: str, kind: type[Rule], ready: Mapping[str, Rule]) -> Rule:
    return ready[name] if name in ready else _own(parameter, name, kind, ready)


def _own(parameter: str, name: object, kind: type[Rule], ready: Iterable[str]) -> Rule:
    """A class of a user's file, made without arguments."""
    file, _, called = str(name).rpartition(":")
    if not file.endswith(".py"):
        raise InputError(f"{parameter} must be {', '.join(map(repr, ready))} or 'file.py:Name', not {name!r}")
    try:
        made = getattr(module_from(file), called)()
    except InputError:
        raise
    except Exception as error:  # whatever the user's file raises
        raise InputError(f"{parameter} {name} could not be made: {type(error).__name__}: {error}") from error
    if not isinstance(made, kind):
        raise InputError(f"{parameter} {name} is a {type(made).__name__}, expected a {kind.__name__} of eie.program")
    return made
