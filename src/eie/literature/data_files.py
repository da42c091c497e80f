"""Reading the figures that the paper reports; each data file names its source and how the figures were read off."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["reported"]


@cache
def reported(name: str) -> dict[str, Any]:
    """Return the data file of one table or figure, such as "table4": values, `source`, `evidence`, `title`, units."""
    return tomllib.loads((files("eie.literature") / f"{name}.toml").read_text(encoding="utf-8"))
