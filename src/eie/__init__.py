"""EIE: the Efficient Inference Engine on compressed neural networks, open, exact and fast.

A name is imported at its first use, so `import eie` is fast, and only the features used need their packages.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eie import compress as compress
    from eie import nn as nn
    from eie.chip import Hardware, Simulation, simulate, simulate_network
    from eie.compress import compress_
    from eie.encoding import InterleavedCSC, encode, share
    from eie.engine import InferenceSession
    from eie.errors import EieError, InputError, Interrupted, MissingExtra, ToolError, WorkerLost
    from eie.model import Formats, Layer, Network, calibrate
    from eie.storage import load, save
else:

    def compress_(*arguments: Any, **keywords: Any) -> Any:
        """Compress a PyTorch model in place: `eie.compress.compress_`, imported with PyTorch when it is called."""
        return import_module("eie.compress").compress_(*arguments, **keywords)


__all__ = [
    "EieError",
    "Formats",
    "Hardware",
    "InferenceSession",
    "InputError",
    "InterleavedCSC",
    "Interrupted",
    "Layer",
    "MissingExtra",
    "Network",
    "Simulation",
    "ToolError",
    "WorkerLost",
    "calibrate",
    "compress_",
    "encode",
    "load",
    "save",
    "share",
    "simulate",
    "simulate_network",
]

__version__ = "0.1.0"

_HOMES = {
    "chip": ("Hardware", "Simulation", "simulate", "simulate_network"),
    "encoding": ("InterleavedCSC", "encode", "share"),
    "engine": ("InferenceSession",),
    "errors": ("EieError", "InputError", "Interrupted", "MissingExtra", "ToolError", "WorkerLost"),
    "model": ("Formats", "Layer", "Network", "calibrate"),
    "storage": ("load", "save"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_NEED_PYTORCH = ("compress", "nn")


def __getattr__(name: str) -> Any:
    """Import the name at its first use; raise AttributeError, naming the package, if one that it needs is missing."""
    if name in _HOME_OF:
        found: Any = getattr(import_module(f"eie.{_HOME_OF[name]}"), name)
    elif name in _NEED_PYTORCH:
        try:
            found = import_module(f"eie.{name}")
        except ImportError as error:
            raise AttributeError(str(error)) from error
    else:
        raise AttributeError(f"module 'eie' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_NEED_PYTORCH})
