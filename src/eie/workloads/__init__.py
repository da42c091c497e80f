"""Workloads: the nine layers of the paper's Table III, generated, and labelled data for training and tests."""

from eie.workloads.data import Data, load_data
from eie.workloads.layers import Benchmark, LayerData, benchmarks, draw, generate

__all__ = ["Benchmark", "Data", "LayerData", "benchmarks", "draw", "generate", "load_data"]
