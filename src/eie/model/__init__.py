"""A compressed network as plain data, its number formats, and what it computes: the reference for everything else."""

from eie.model.network import Layer, Network, Step
from eie.model.numerics import Formats
from eie.model.reference import calibrate

__all__ = ["Formats", "Layer", "Network", "Step", "calibrate"]
