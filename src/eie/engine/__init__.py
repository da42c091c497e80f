"""The inference engine: runs compressed layers on an ordinary CPU without expanding them."""

from eie.engine.activity import Activity, activities
from eie.engine.generation import generate
from eie.engine.session import KERNELS, NUMERICS, AccumulatorOverflow, InferenceSession, LayerPlan

__all__ = [
    "KERNELS",
    "NUMERICS",
    "AccumulatorOverflow",
    "Activity",
    "InferenceSession",
    "LayerPlan",
    "activities",
    "generate",
]
