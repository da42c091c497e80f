"""SRAM figures at any size and width between those of a technology file; larger ones are made of equal banks.

CACTI picks the best of many ways to divide a memory, so its figures move in steps, and a wider memory can be the
smaller one. They are kept as they are: nothing is smoothed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from eie.errors import InputError

__all__ = ["MemoryFigures", "MemorySet"]


class MemoryPoint(BaseModel):
    """One memory as a tool reported it; what it did not report is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    capacity_bytes: int = Field(gt=0, le=2**40)
    width_bits: int = Field(gt=0, le=2**20)
    read_pj: float = Field(gt=0)
    write_pj: float | None = Field(default=None, gt=0)
    leakage_mw: float = Field(ge=0)
    area_um2: float = Field(gt=0)
    access_ns: float | None = Field(default=None, gt=0)
    cycle_ns: float | None = Field(default=None, gt=0)


MOST_BANKS = 64

FIGURES = ("read_pj", "leakage_mw", "area_um2", "access_ns", "cycle_ns")


@dataclass(frozen=True)
class MemoryFigures:
    """Energy of a read (pJ), leakage (mW) and area (um2) of all banks; times (ns) to the data and from read to read.

    A time is None where the set has none near that size and width.
    """

    read_pj: float
    leakage_mw: float
    area_um2: float
    access_ns: float | None
    cycle_ns: float | None
    banks: int = 1


class MemorySet(BaseModel):
    """Memories made with the same cells and found with the same search."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: str
    points: tuple[MemoryPoint, ...] = Field(min_length=1)

    def figures(self, capacity_bytes: int, width_bits: int) -> MemoryFigures:
        """The figures of a memory of that size and width.

        A point of the set is returned as it is. Between points of the same capacity, the logarithm of each figure is
        linear in the logarithm of the width; between capacities, in those of capacity and width, over the triangles
        that the points span. Outside of them the memory is 2, 4, ... or 64 equal banks of which a read wakes one:
        energy and times are the bank's, leakage and area all banks'; the wires between banks are left out.
        Raises InputError where no bank lies inside.
        """
        return _figures(self, capacity_bytes, width_bits)

    def spanned(self) -> str:
        """The sizes and widths there are, in words."""
        return ", ".join(f"{point.capacity_bytes} bytes by {point.width_bits} bits" for point in self.points)


@lru_cache(maxsize=4096)
def _figures(memories: MemorySet, capacity_bytes: int, width_bits: int) -> MemoryFigures:
    banks = 1
    while banks <= MOST_BANKS and capacity_bytes % banks == 0:
        bank = _one_bank(memories, capacity_bytes // banks, width_bits)
        if bank is not None:
            return replace(bank, leakage_mw=banks * bank.leakage_mw, area_um2=banks * bank.area_um2, banks=banks)
        banks *= 2
    raise InputError(
        f"a memory of {capacity_bytes} bytes by {width_bits} bits lies outside the set {memories.name!r}, and so do "
        f"banks of it; the set has {memories.spanned()}"
    )


def _one_bank(memories: MemorySet, capacity_bytes: int, width_bits: int) -> MemoryFigures | None:
    """The figures of one bank; None outside of the points."""
    read_pj, leakage_mw, area_um2, access_ns, cycle_ns = (
        _between(memories.points, name, capacity_bytes, width_bits) for name in FIGURES
    )
    if read_pj is None or leakage_mw is None or area_um2 is None:
        return None
    return MemoryFigures(read_pj, leakage_mw, area_um2, access_ns, cycle_ns)


def _between(points: Sequence[MemoryPoint], name: str, capacity_bytes: int, width_bits: int) -> float | None:
    """One figure, interpolated over the points that have it; None outside of them."""
    known = [(one.capacity_bytes, one.width_bits, getattr(one, name)) for one in points if getattr(one, name)]
    same = sorted((width, value) for capacity, width, value in known if capacity == capacity_bytes)
    if same and same[0][0] <= width_bits <= same[-1][0]:
        widths, values = np.log2(same).T
        return float(2 ** np.interp(np.log2(width_bits), widths, values))
    places = np.log2([(capacity, width) for capacity, width, _ in known]) if known else np.zeros((1, 2))
    if np.linalg.matrix_rank(places - places[0]) < 2:
        return None
    # Slow to import, and only sizes between the points need it.
    from scipy.interpolate import LinearNDInterpolator

    found = LinearNDInterpolator(places, np.log2([value for *_, value in known]))(np.log2([capacity_bytes, width_bits]))
    return None if np.isnan(found[0]) else float(2 ** found[0])
