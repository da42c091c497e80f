"""EIE: the Efficient Inference Engine on compressed neural networks, open, exact and fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eie.chip import Hardware, Simulation, simulate, simulate_network
from eie.compress.clustering import share
from eie.csc import InterleavedCSC, encode
from eie.engine import InferenceSession
from eie.engine.reference import calibrate
from eie.errors import InputError
from eie.network import Layer, Network
from eie.numerics import Formats
from eie.storage import load, save

if TYPE_CHECKING:
    from eie.compress.pipeline import compress_

__all__ = [
    "Formats",
    "Hardware",
    "InferenceSession",
    "InputError",
    "InterleavedCSC",
    "Layer",
    "Network",
    "Simulation",
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


def __getattr__(name: str) -> Any:
    """Import `compress_`, which needs PyTorch, when it is first asked for."""
    if name != "compress_":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import eie.compress

    return eie.compress.compress_
