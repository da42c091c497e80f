"""What a layer's execution does to each unit, counted: the numbers that cost models multiply."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counts"]


@dataclass(frozen=True)
class Counts:
    """Counts over all processing elements (docs/hardware.md, C1 to C4).

    entries: of the whole layer, padding included; nnz: without padding. broadcasts: non-zero activations.
    ptr_reads: one per broadcast and PE. entries_issued: those of the columns broadcast, padding included;
    macs: those of them that are weights. spmat_reads: weight-memory rows read.
    """

    entries: int
    nnz: int
    broadcasts: int
    ptr_reads: int
    entries_issued: int
    macs: int
    spmat_reads: int

    def __add__(self, other: Counts) -> Counts:
        """Sum two parts of a layer."""
        return Counts(**{name: value + getattr(other, name) for name, value in vars(self).items()})
