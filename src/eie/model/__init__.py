"""A compressed network as plain data, its number formats, and its outputs in float64."""

from eie.model.network import Layer, Network, Step
from eie.model.numerics import Formats
from eie.model.reference import calibrate

__all__ = ["Formats", "Layer", "Network", "Step", "calibrate"]
