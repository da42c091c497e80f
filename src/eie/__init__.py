"""EIE: the Efficient Inference Engine on compressed neural networks, open, exact and fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eie.chip import Hardware, Simulation, simulate, simulate_network
from eie.encoding.clustering import share
from eie.encoding.csc import InterleavedCSC, encode
from eie.engine import InferenceSession
from eie.errors import EieError, InputError
from eie.model.network import Layer, Network
from eie.model.numerics import Formats
from eie.model.reference import calibrate
from eie.storage import load, save

if TYPE_CHECKING:
    from eie.compress import compress_
else:

    def compress_(*arguments: Any, **keywords: Any) -> Any:
        """Compress a PyTorch model in place: `eie.compress.compress_`, imported with PyTorch when it is called."""
        from eie.compress import compress_ as compress_in_place

        return compress_in_place(*arguments, **keywords)


__all__ = [
    "EieError",
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
