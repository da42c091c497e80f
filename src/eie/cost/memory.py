"""SRAM figures at any size and width between those of a technology file: interpolated, never extrapolated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.interpolate import LinearNDInterpolator

from eie.errors import InputError

__all__ = ["MemoryFigures", "MemorySet"]


class MemoryPoint(BaseModel):
    """One memory as a tool reported it; what it did not report is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    capacity_bytes: int = Field(gt=0)
    width_bits: int = Field(gt=0)
    read_pj: float = Field(gt=0)
    write_pj: float | None = Field(default=None, gt=0)
    leakage_mw: float = Field(ge=0)
    area_um2: float = Field(gt=0)
    access_ns: float | None = Field(default=None, gt=0)
    cycle_ns: float | None = Field(default=None, gt=0)


@dataclass(frozen=True)
class MemoryFigures:
    """Energy of one read (pJ), leakage (mW), area (um2) and, where every neighbour has it, access time (ns)."""

    read_pj: float
    leakage_mw: float
    area_um2: float
    access_ns: float | None


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
        that the points span. Raises InputError outside of them.
        """
        return _figures(self, capacity_bytes, width_bits)

    def spanned(self) -> str:
        """The sizes and widths there are, in words."""
        return ", ".join(f"{point.capacity_bytes} bytes by {point.width_bits} bits" for point in self.points)


@lru_cache(maxsize=4096)
def _figures(memories: MemorySet, capacity_bytes: int, width_bits: int) -> MemoryFigures:
    place = np.log2([capacity_bytes, width_bits])
    same = sorted((p for p in memories.points if p.capacity_bytes == capacity_bytes), key=lambda p: p.width_bits)
    if same and same[0].width_bits <= width_bits <= same[-1].width_bits:
        widths = np.log2([point.width_bits for point in same])

        def between(name: str) -> float | None:
            values = [getattr(point, name) for point in same]
            if None in values:
                return None
            return float(2 ** np.interp(place[1], widths, np.log2(values)))

    else:
        places = np.log2([(point.capacity_bytes, point.width_bits) for point in memories.points])
        if np.linalg.matrix_rank(places - places[0]) < 2:
            raise InputError(_outside(memories, capacity_bytes, width_bits))

        def between(name: str) -> float | None:
            values = [getattr(point, name) for point in memories.points]
            if None in values:
                return None
            found = float(LinearNDInterpolator(places, np.log2(values))(place)[0])
            if np.isnan(found):
                raise InputError(_outside(memories, capacity_bytes, width_bits))
            return float(2**found)

    figures = {name: between(name) for name in ("read_pj", "leakage_mw", "area_um2")}
    return MemoryFigures(**{name: value or 0.0 for name, value in figures.items()}, access_ns=between("access_ns"))


def _outside(memories: MemorySet, capacity_bytes: int, width_bits: int) -> str:
    return (
        f"a memory of {capacity_bytes} bytes by {width_bits} bits lies outside the set {memories.name!r}, "
        f"which is not extrapolated; it has {memories.spanned()}"
    )
