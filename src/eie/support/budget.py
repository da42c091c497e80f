"""How much memory a file may cost: a small one can describe gigabytes, so it is counted before it is paid."""

from __future__ import annotations

import os

from eie.errors import InputError

__all__ = ["BUDGET_BYTES", "budget", "check_budget"]

BUDGET_BYTES = 2**31
_VARIABLE = "EIE_BUDGET_BYTES"


def budget(budget_bytes: int | None = None) -> int:
    """Return `budget_bytes`, or else what the environment variable EIE_BUDGET_BYTES says, or else BUDGET_BYTES.

    Raises InputError for a budget that is no positive integer.
    """
    text = os.environ.get(_VARIABLE, "")
    if budget_bytes is not None:
        name, given = "budget_bytes", str(budget_bytes)
    elif text:
        name, given = f"environment variable {_VARIABLE}", text
    else:
        return BUDGET_BYTES
    if not (given.isascii() and given.isdecimal() and len(given) <= 18 and int(given) > 0):
        raise InputError(f"{name} must be a positive integer of at most 18 digits, the bytes allowed, not {given!r}")
    return int(given)


def check_budget(what: str, needed: int, budget_bytes: int | None = None) -> None:
    """Raise InputError where `what`, "loading it" say, may take more bytes than the budget."""
    allowed = budget(budget_bytes)
    if needed > allowed:
        raise InputError(
            f"{what} may take {needed:,} bytes, more than the budget of {allowed:,}: where you trust it, set the "
            f"environment variable {_VARIABLE}"
        )
