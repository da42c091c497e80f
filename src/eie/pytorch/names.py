"""Names for the modules of a row that is made of a file's own names."""

from __future__ import annotations

import re
from collections.abc import Container

from torch import nn

from eie.support.names import unique_name

__all__ = ["module_name"]

_RESERVED = frozenset(dir(nn.Sequential()))  # "forward", "training": a module cannot have such a child


def module_name(wanted: str, taken: Container[str]) -> str:
    """Return a name that a module can have and none has yet, as like `wanted` as can be; "layer" where that is empty.

    Dots and all else but letters, digits and underscores become underscores: "a.b" and "a_b" are told apart by a
    number.
    """
    name = re.sub(r"[^0-9A-Za-z_]+", "_", wanted).strip("_") or "layer"
    if name in _RESERVED:
        name = f"{name}_layer"
    return unique_name(name, taken)
