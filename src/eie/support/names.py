"""Names made of other names: never one that is there already."""

from __future__ import annotations

from collections.abc import Container

__all__ = ["unique_name"]


def unique_name(wanted: str, taken: Container[str]) -> str:
    """Return `wanted`, or the first of wanted_2, wanted_3, ... that is not taken."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name
