"""EIE: the Efficient Inference Engine on compressed neural networks, open, exact and fast."""

from eie.chip import Hardware, Simulation, simulate, simulate_network
from eie.csc import InterleavedCSC, encode, share
from eie.engine import InferenceSession
from eie.engine.reference import calibrate
from eie.errors import InputError
from eie.network import Layer, Network
from eie.numerics import Formats
from eie.storage import load, save

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
    "encode",
    "load",
    "save",
    "share",
    "simulate",
    "simulate_network",
]

__version__ = "0.1.0"
