"""Sweeps: a space of parameters, a runner that resumes, one long table, and its Pareto front.

space = load_space("space.toml")
table = explore(space, "results")          # polars DataFrame; results/runs.parquet, runs.csv, pareto.csv
"""

from eie.explore.pareto import pareto_front
from eie.explore.runner import explore
from eie.explore.space import PARAMETERS, Space, load_space, ready_spaces

__all__ = ["PARAMETERS", "Space", "explore", "load_space", "pareto_front", "ready_spaces"]
