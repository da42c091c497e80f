"""The chip's parameters, checked, with the paper's configuration as the default."""

from __future__ import annotations

from dataclasses import dataclass, fields

from eie.encoding.csc import MAX_PES
from eie.errors import InputError
from eie.model.numerics import ACCUMULATOR_BITS, VALUE_BITS
from eie.program.entries import RELATIVE, EntryRule
from eie.program.rules import PAPERS_SCAN, ROUND_ROBIN, RowAssignment, ScanRule

__all__ = ["RULES", "Hardware"]

# Least and largest value of each size. A ring of `queue_depth` slots is full with one slot free, so 2 is the least.
_LIMITS = {
    "n_pe": (1, MAX_PES),
    "queue_depth": (2, 4096),
    "spmat_width_bits": (8, 4096),
    "register_entries": (1, 65536),
    "value_bits": (2, 16),
    "accumulator_bits": (2, 32),
    "pointer_bits": (1, 32),
    "pointer_bytes": (2, 2**30),
    "spmat_bytes": (1, 2**30),
    "activation_bytes": (0, 2**30),
    "arithmetic_units": (1, 64),
    "broadcast_stages": (0, 16),
}
RULES = {"row_assignment": RowAssignment, "scan_rule": ScanRule, "entry_rule": EntryRule}
_CLOCK_MHZ = (1e-6, 1e6)  # a cycle per second to one per picosecond


@dataclass(frozen=True)
class Hardware:
    """The chip's parameters (docs/hardware.md, "Sizes"); memories are per processing element (PE).

    n_pe: processing elements. queue_depth: slots of the activation queue, one of which stays free.
    spmat_width_bits: bits read from the weight memory at once. clock_mhz: clock frequency.
    register_entries: R, activations per PE in each of the two register files. batched: run inputs beyond R N in batches
    and outputs beyond R N in passes, as the hardware must; off, a layer is one scan, as in the authors' simulator.
    strict: refuse a layer that the memories cannot hold; off, the layer is simulated without that limit.
    value_bits: B. accumulator_bits: A. pointer_bits, pointer_bytes, spmat_bytes, activation_bytes: the memories.
    row_assignment, scan_rule, entry_rule: rules of the machine, by default the paper's (`eie.program.rules`,
    `eie.program.entries`). arithmetic_units: per PE, and the entries of a column that it issues per cycle; the paper's
    PE has one. broadcast_stages: P, registers that a broadcast passes on its way to the queues, and a free slot on its
    way back (docs/hardware.md, T6); 0 as in the authors' simulator.
    Raises InputError for a value out of range.
    """

    n_pe: int = 64
    queue_depth: int = 8
    spmat_width_bits: int = 64
    clock_mhz: float = 800.0
    register_entries: int = 64
    batched: bool = False
    strict: bool = False
    value_bits: int = VALUE_BITS
    accumulator_bits: int = ACCUMULATOR_BITS
    pointer_bits: int = 16
    pointer_bytes: int = 32 * 1024
    spmat_bytes: int = 128 * 1024
    activation_bytes: int = 2 * 1024
    row_assignment: RowAssignment = ROUND_ROBIN
    scan_rule: ScanRule = PAPERS_SCAN
    entry_rule: EntryRule = RELATIVE
    arithmetic_units: int = 1
    broadcast_stages: int = 0

    def __post_init__(self) -> None:
        """Check every size against its limits."""
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if name in ("batched", "strict"):
                if not isinstance(value, bool):
                    raise InputError(f"{name} must be true or false, not {value!r}")
            elif name in RULES:
                if not isinstance(value, RULES[name]):
                    raise InputError(f"{name} must be a {RULES[name].__name__} of eie.program, not {value!r}")
            elif name == "clock_mhz":
                least, most = _CLOCK_MHZ
                if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                    raise InputError(f"clock_mhz must be a number from {least:g} to {most:g} MHz, not {value!r}")
            else:
                least, most = _LIMITS[name]
                if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                    raise InputError(f"{name} must be an integer from {least} to {most}, not {value!r}")
        if self.broadcast_stages and self.scan_rule != PAPERS_SCAN:
            raise InputError(
                f"broadcast_stages must be 0 with another scan rule than the paper's, not {self.broadcast_stages}"
            )
        if self.spmat_width_bits % 8:
            raise InputError(f"spmat_width_bits must be a multiple of 8, not {self.spmat_width_bits}")
        if self.accumulator_bits < self.value_bits:
            raise InputError(
                f"accumulator_bits must be at least value_bits, {self.value_bits}, not {self.accumulator_bits}"
            )

    @property
    def register_inputs(self) -> int:
        """R N, the activations that one register file of the whole chip holds."""
        return self.register_entries * self.n_pe

    def document(self) -> dict[str, int | float | str]:
        """Return every parameter by name, for JSON and tables; a rule is given as its Python expression."""
        return {name: repr(value) if name in RULES else value for name, value in vars(self).items()}

    @property
    def changed_rules(self) -> tuple[str, ...]:
        """The rules of the machine that are not the paper's, by the name of their parameter."""
        names = (*RULES, "arithmetic_units")
        return tuple(f.name for f in fields(self) if f.name in names and getattr(self, f.name) != f.default)

    def entries_per_row(self, entry_bits: int) -> int:
        """Return how many entries of `entry_bits` bits, each in whole bytes, one weight-memory row holds.

        Raises InputError where a row is narrower than an entry.
        """
        entry_bytes = -(-entry_bits // 8)
        if self.spmat_width_bits < 8 * entry_bytes:
            raise InputError(
                f"spmat_width_bits must be at least {8 * entry_bytes} to hold an entry of {entry_bits} bits, "
                f"not {self.spmat_width_bits}"
            )
        return self.spmat_width_bits // (8 * entry_bytes)
