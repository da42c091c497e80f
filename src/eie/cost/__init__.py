"""Energy, area and power from counts and a technology file."""

from eie.cost.energy import Cost, Part, UnitPrice, cost, price_list, require_figures, slowest_memory_ns
from eie.cost.external import (
    ExternalMemory,
    Stream,
    cost_with_streams,
    external_memories,
    load_external_memory,
    stream,
    stream_matrix,
    streamed_layers,
)
from eie.cost.memory import MemoryFigures, MemorySet
from eie.cost.own_chip import LOGIC_ACTIONS, Cells, Logic, technology_from, write_technology
from eie.cost.technology import Component, Technology, load_technology, technologies

__all__ = [
    "LOGIC_ACTIONS",
    "Cells",
    "Component",
    "Cost",
    "ExternalMemory",
    "Logic",
    "MemoryFigures",
    "MemorySet",
    "Part",
    "Stream",
    "Technology",
    "UnitPrice",
    "cost",
    "cost_with_streams",
    "external_memories",
    "load_external_memory",
    "load_technology",
    "price_list",
    "require_figures",
    "slowest_memory_ns",
    "stream",
    "stream_matrix",
    "streamed_layers",
    "technologies",
    "technology_from",
    "write_technology",
]
