"""The inference engine: compressed layers run as they are, on an ordinary CPU."""

from eie.engine.session import KERNELS, NUMERICS, AccumulatorOverflow, InferenceSession, LayerPlan

__all__ = ["KERNELS", "NUMERICS", "AccumulatorOverflow", "InferenceSession", "LayerPlan"]
