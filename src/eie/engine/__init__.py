"""The inference engine: runs compressed layers on an ordinary CPU without expanding them."""

from eie.engine.session import KERNELS, NUMERICS, AccumulatorOverflow, InferenceSession, LayerPlan

__all__ = ["KERNELS", "NUMERICS", "AccumulatorOverflow", "InferenceSession", "LayerPlan"]
