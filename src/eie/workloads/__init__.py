"""What is run: the nine layers of the paper's Table III, generated, and labelled data to train and test on."""

from eie.workloads.data import Data, read_data
from eie.workloads.layers import Benchmark, LayerData, benchmarks, draw, generate

__all__ = ["Benchmark", "Data", "LayerData", "benchmarks", "draw", "generate", "read_data"]
