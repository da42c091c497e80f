"""Whether a layer fits the chip's memories: needed and available size of each memory of a processing element (PE)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.program.hardware import Hardware
from eie.program.lowering import Pass, passes_of

__all__ = ["WEIGHT_MEMORIES", "Requirement", "capacity", "pass_needs", "require_capacity"]

# The requirements that the weights and their pointers make, and no vector.
WEIGHT_MEMORIES = ("pointer memory", "pointer range", "weight memory")


@dataclass(frozen=True)
class Requirement:
    """The size of one memory, `needed` and `available`, both in `unit`; `pe` is the PE that needs most of it."""

    memory: str
    unit: str
    pe: int
    needed: int
    available: int

    @property
    def fits(self) -> bool:
        """Whether the memory holds what is needed."""
        return self.needed <= self.available

    def __str__(self) -> str:
        """Return the requirement as a clause for a message."""
        return f"the {self.memory} of PE {self.pe} needs {self.needed:,} {self.unit} and has {self.available:,}"


def capacity(matrix: InterleavedCSC, hardware: Hardware) -> tuple[Requirement, ...]:
    """Return the requirements of `matrix`: each memory and the range of pointers (docs/hardware.md, M2 to M5)."""
    return _largest(passes_of(matrix, hardware), hardware)


def require_capacity(passes: Sequence[Pass], hardware: Hardware, name: str = "the layer") -> None:
    """Raise InputError, naming every memory that is too small, if a layer's passes do not fit."""
    short = [str(requirement) for requirement in _largest(passes, hardware) if not requirement.fits]
    if short:
        raise InputError(f"{name} does not fit the chip: " + "; ".join(short))


def _largest(passes: Sequence[Pass], hardware: Hardware) -> tuple[Requirement, ...]:
    """Return the largest requirement of any pass for each memory: the host refills the memories for each pass."""
    needs = [pass_needs(part, hardware) for part in passes]
    return tuple(
        max(requirements, key=lambda requirement: requirement.needed) for requirements in zip(*needs, strict=True)
    )


def pass_needs(part: Pass, hardware: Hardware) -> tuple[Requirement, ...]:
    """Return what one pass needs of each memory."""
    matrix = part.matrix
    slices = np.diff(matrix.slice_starts)
    fullest = int(slices.argmax())
    most_entries = int(slices[fullest])
    entry_bytes = -(-matrix.entry_bits // 8)
    # Both halves of a layer's vectors pass through the activation SRAM of the PE with most rows: PE 0.
    activations = max(-(-matrix.inputs // matrix.n_pe), matrix.local_rows(0))
    in_registers = activations <= hardware.register_entries
    return (
        Requirement(
            "pointer memory", "pointers", 0, matrix.inputs + 1, hardware.pointer_bytes * 8 // hardware.pointer_bits
        ),
        Requirement("pointer range", "entries", fullest, most_entries, 2**hardware.pointer_bits - 1),
        Requirement("weight memory", "entries", fullest, most_entries, hardware.spmat_bytes // entry_bytes),
        Requirement(
            "activation memory",
            "values",
            0,
            0 if in_registers else activations,
            hardware.activation_bytes * 8 // hardware.value_bits,
        ),
    )
