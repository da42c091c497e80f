"""The power of a PE's memories beside that of its routed gates: how often each was read, times CACTI's energies."""

from __future__ import annotations

from dataclasses import dataclass

from eie.silicon.memory_cells import memory_point, memory_sizes
from eie.silicon.power import PePower
from eie.silicon.sources import default_parameters

__all__ = ["MemoryPower", "memory_power"]


@dataclass(frozen=True)
class MemoryPower:
    """Power of reads, and leakage whether read or not, of all memories of one PE, in mW."""

    read_mw: float
    leakage_mw: float


def memory_power(found: PePower, memories: str, clock_mhz: float) -> MemoryPower:
    """Return the memories' power over the cycles that `found` measured: weights, both banks of pointers, activations.

    They are of the paper's sizes. Activations are read from their memory only for a later batch, which is not measured.
    """
    weights, pointers, activations = (memory_point(*size, memories) for size in memory_sizes(default_parameters("pe")))
    nanoseconds = found.cycles / clock_mhz * 1000
    energy_pj = found.happened["spmat_read"] * weights.read_pj + 2 * found.happened["ptr_read"] * pointers.read_pj
    leakage = weights.leakage_mw + 2 * pointers.leakage_mw + activations.leakage_mw
    return MemoryPower(energy_pj / nanoseconds, leakage)
