"""The simulated accelerator: its parameters, cycles, counts and memory capacity."""

from eie.chip.counts import Counts
from eie.chip.memories import Requirement, capacity, require_capacity
from eie.chip.simulation import LayerSimulation, simulate, simulate_network
from eie.chip.timing import Simulation
from eie.program.hardware import Hardware

__all__ = [
    "Counts",
    "Hardware",
    "LayerSimulation",
    "Requirement",
    "Simulation",
    "capacity",
    "require_capacity",
    "simulate",
    "simulate_network",
]
