"""EIE: the Efficient Inference Engine on compressed neural networks, open, exact and fast."""

from eie.csc import InterleavedCSC, encode, share
from eie.errors import InputError

__all__ = ["InputError", "InterleavedCSC", "encode", "share"]

__version__ = "0.1.0"
