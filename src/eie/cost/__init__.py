"""Energy, area and power from counts and a technology file."""

from eie.cost.energy import Cost, Part, UnitPrice, cost, price_list, require_figures, slowest_memory_ns
from eie.cost.memory import MemoryFigures, MemorySet
from eie.cost.own_chip import LOGIC_ACTIONS, Logic, LogicPower, technology_from, write_technology
from eie.cost.technology import Component, Technology, load_technology, technologies

__all__ = [
    "LOGIC_ACTIONS",
    "Component",
    "Cost",
    "Logic",
    "LogicPower",
    "MemoryFigures",
    "MemorySet",
    "Part",
    "Technology",
    "UnitPrice",
    "cost",
    "load_technology",
    "price_list",
    "require_figures",
    "slowest_memory_ns",
    "technologies",
    "technology_from",
    "write_technology",
]
