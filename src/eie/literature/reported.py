"""What the paper reports, read from the data files beside this module; each says its source and how it was read."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["reported"]


@cache
def reported(name: str) -> dict[str, Any]:
    """The data file of one table or figure, such as "table4": values, `source`, `evidence`, `title`, units."""
    return tomllib.loads((files("eie.literature") / f"{name}.toml").read_text(encoding="utf-8"))
