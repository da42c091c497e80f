"""Counts of each unit's actions while a layer runs; cost models multiply them by the cost of an action."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counts"]


@dataclass(frozen=True)
class Counts:
    """Counts over all processing elements (docs/hardware.md, B3 and C1 to C4).

    entries: entries of the whole layer, padding included. nnz: the same without padding. broadcasts: non-zero
    activations. ptr_reads: one per broadcast and PE. entries_issued: entries of the columns broadcast, padding
    included. macs: the same without padding. spmat_reads: weight-memory rows read. activation_reads: activations that
    PEs load from their SRAM, for batches after a pass's first.
    """

    entries: int
    nnz: int
    broadcasts: int
    ptr_reads: int
    entries_issued: int
    macs: int
    spmat_reads: int
    activation_reads: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Return the counts of two parts of a layer together."""
        return Counts(**{name: value + getattr(other, name) for name, value in vars(self).items()})
