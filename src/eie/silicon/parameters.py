"""The RTL's parameters for a hardware and a network: widths from `Hardware`, memories from it or as large as needed."""

from __future__ import annotations

from dataclasses import dataclass, fields

from eie.chip.memories import require_capacity
from eie.chip.stepped.signals import address_bits, bank_words, signal_sizes
from eie.errors import InputError
from eie.program.hardware import Hardware
from eie.program.lowering import Program
from eie.program.table import TABLE_STEPS, LayerTable, TableNeeds

__all__ = ["MAX_RTL_PES", "Parameters"]

MAX_RTL_PES = 256
# What a network must have as the chip does; memories may be larger than it needs.
_THE_SAME = ("value_bits", "accumulator_bits", "code_bits", "index_bits", "entry_bits", "entries_per_row")


@dataclass(frozen=True)
class Parameters:
    """Parameters of the top module `eie`, by its names in lower case; rtl/eie.sv describes them."""

    n_pe: int
    queue_depth: int
    register_entries: int
    value_bits: int
    accumulator_bits: int
    code_bits: int
    index_bits: int
    entry_bits: int
    entries_per_row: int
    spmat_rows: int
    pointer_bits: int
    pointer_words: int
    sram_words: int
    column_bits: int
    data_bits: int
    host_address_bits: int
    broadcast_stages: int
    table_steps: int

    @classmethod
    def of(cls, program: Program, table: LayerTable | None = None) -> Parameters:
        """Size the chip of the program's hardware for its layers, one after the other, or for its table of them.

        With `hardware.strict` the memories are as large as the hardware says, and a layer that is larger is refused by
        name; without, they grow to what the network needs. Raises InputError for what the RTL cannot be.
        """
        hardware, lowered = program.hardware, program.layers
        if hardware.changed_rules:
            raise InputError(
                f"the RTL has the paper's rules, and {hardware.changed_rules[0]} is "
                f"{getattr(hardware, hardware.changed_rules[0])!r}: the recurrence and the stepped chip follow it"
            )
        if hardware.n_pe > MAX_RTL_PES:
            raise InputError(f"the RTL has 1 to {MAX_RTL_PES} PEs, not {hardware.n_pe}")
        layers = program.network.layers
        for name in ("code_bits", "index_bits"):
            found = {getattr(layer.matrix, name) for layer in layers}
            if len(found) > 1:
                raise InputError(f"the RTL runs layers of one {name}, not of {' and '.join(map(str, sorted(found)))}")
        formats = [layer.constants.formats for layer in lowered]
        if len({(layer_formats.value_bits, layer_formats.accumulator_bits) for layer_formats in formats}) > 1:
            raise InputError("the RTL has one width of values and one of accumulators, but the layers' formats differ")
        code, index = layers[0].matrix.code_bits, layers[0].matrix.index_bits
        entry = 8 * -(-(code + index) // 8)
        entries = hardware.entries_per_row(code + index)
        if entries & (entries - 1):
            raise InputError(
                f"the RTL's weight-memory row holds a power of two of entries, not {entries} "
                f"({hardware.spmat_width_bits} bits of {entry})"
            )
        if hardware.strict:
            for layer in lowered:
                require_capacity(layer.passes, hardware, f"layer {layer.layer.name}")
        longest = max(max(layer.inputs, layer.outputs) for layer in layers)
        slices = max(int(part.matrix.pointers[:, -1].max()) for one in lowered for part in one.passes)
        needs = TableNeeds(0, 0, 0, 0, 0) if table is None else table.needs
        if hardware.strict:
            _require(needs, hardware, TABLE_STEPS)
        sizes = signal_sizes(hardware, program.network)
        pointer = max(sizes["P"], needs.entries.bit_length())
        pointer_words = max(bank_words(hardware, program.network), -(-needs.pointers // 2))
        column = address_bits(2 * pointer_words)
        spmat_rows = max(1, hardware.spmat_bytes * 8 // hardware.spmat_width_bits, -(-slices // entries), needs.rows)
        sram_words = max(
            hardware.activation_bytes * 8 // hardware.value_bits, -(-longest // hardware.n_pe), needs.words
        )
        table_steps = max(TABLE_STEPS, needs.steps)
        addresses = max(2 * pointer_words, spmat_rows, sram_words, hardware.register_entries, 2**code, 8)
        return cls(
            n_pe=hardware.n_pe,
            queue_depth=hardware.queue_depth,
            register_entries=hardware.register_entries,
            value_bits=formats[0].value_bits,
            accumulator_bits=formats[0].accumulator_bits,
            code_bits=code,
            index_bits=index,
            entry_bits=entry,
            entries_per_row=entries,
            spmat_rows=spmat_rows,
            pointer_bits=pointer,
            pointer_words=pointer_words,
            sram_words=sram_words,
            column_bits=column,
            # A row of weights, a sum, a pointer, and the settings: an input, a row count, a word, five bits of flags, a
            # number of steps.
            data_bits=max(
                entries * entry,
                formats[0].accumulator_bits,
                pointer,
                column,
                hardware.register_entries.bit_length(),
                address_bits(sram_words),
                5,
                table_steps.bit_length(),
            ),
            host_address_bits=address_bits(addresses),
            broadcast_stages=hardware.broadcast_stages,
            table_steps=table_steps,
        )

    def hardware(self) -> Hardware:
        """Return the sizes of this chip; a layer that its memories cannot hold is refused."""
        return Hardware(
            n_pe=self.n_pe,
            queue_depth=self.queue_depth,
            spmat_width_bits=self.entries_per_row * self.entry_bits,
            register_entries=self.register_entries,
            batched=True,
            strict=True,
            value_bits=self.value_bits,
            accumulator_bits=self.accumulator_bits,
            pointer_bits=self.pointer_bits,
            pointer_bytes=-(-2 * self.pointer_words * self.pointer_bits // 8),
            spmat_bytes=self.spmat_rows * self.entries_per_row * self.entry_bits // 8,
            activation_bytes=self.sram_words * self.value_bits // 8,
            broadcast_stages=self.broadcast_stages,
        )

    def require_fit(self, program: Program) -> None:
        """Raise InputError where this chip cannot run a program that was lowered for its `hardware()`."""
        needed = Parameters.of(program)
        for name in _THE_SAME:
            if getattr(needed, name) != getattr(self, name):
                raise InputError(f"the network has {name} {getattr(needed, name)}, and the chip {getattr(self, name)}")

    def require_table(self, table: LayerTable) -> None:
        """Raise InputError where a table that was made for this chip's `hardware()` does not fit it."""
        _require(table.needs, self.hardware(), self.table_steps)

    def signal_sizes(self) -> dict[str, int]:
        """Return the values of the letters in the signal tables' widths."""
        names = {"N": "n_pe", "R": "register_entries", "Q": "queue_depth", "X": "column_bits", "P": "pointer_bits"}
        names |= {"B": "value_bits", "A": "accumulator_bits", "C": "code_bits", "I": "index_bits"}
        return {letter: getattr(self, name) for letter, name in names.items()}

    def verilog(self) -> dict[str, int]:
        """Return the parameters by the names that the SystemVerilog has for them."""
        return {field.name.upper(): getattr(self, field.name) for field in fields(self)}


def _require(needs: TableNeeds, hardware: Hardware, steps: int) -> None:
    """Raise InputError, naming all that is too small for a table."""
    short = needs.short(hardware, steps)
    if short:
        raise InputError(
            f"the network does not run from the chip's table of layers, which {short}: run it step by step"
        )
