"""The inference engine: compressed layers run as they are, on an ordinary CPU."""

from eie.engine.session import NUMERICS, AccumulatorOverflow, InferenceSession, LayerPlan

__all__ = ["NUMERICS", "AccumulatorOverflow", "InferenceSession", "LayerPlan"]
