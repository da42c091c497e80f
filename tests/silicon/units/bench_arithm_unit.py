"""Arithmetic unit beside its twin: rows met again one, two and three entries later, bubbles, the largest values."""

import random

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from eie.chip.stepped.arithm_unit import ArithmUnit
from eie.model.numerics import Formats
from eie.program.constants import Constants
from silicon.units.lockstep import Lockstep


@cocotb.test()
async def equals_twin(dut: HierarchyObject) -> None:
    """Every output of every cycle, and in the end the sums, added up one after the other without a pipeline."""
    value_bits, accumulator_bits, registers = (
        int(getattr(dut, name).value) for name in ("VALUE_BITS", "ACCUMULATOR_BITS", "REGISTER_ENTRIES")
    )
    largest = 2 ** (value_bits - 1) - 1
    twin = ArithmUnit(1)
    both = Lockstep(dut, twin)
    book = np.array([0, largest, -largest, *(random.randint(-largest, largest) for _ in range(13))])
    formats = Formats(0, 0, value_bits, accumulator_bits)
    twin.write_codebook(Constants(formats, book, bias=np.zeros(registers, np.int64)))
    await both.drive(reset=1, busy=0, host_write=0, weight_valid=0, read_place=0)
    for number, value in enumerate(book.tolist()):
        await both.drive(host_write=1, host_address=number, host_data=value % 2**value_bits)
    await both.drive(busy=1, host_write=0)
    dut.reset.value = 0

    file = [0] * registers  # the destination file: written at the edge, read in the same cycle
    sums = [0] * registers
    column, row, in_first_stage, in_second_stage = 0, registers, False, False  # beyond the last row: a column begins
    for cycle in range(4000):
        if cycle % 50 == 0:
            issued = random.choice((0.2, 0.7, 1.0))
            rows = random.choice((2, registers))  # few rows: nearly every entry needs a sum that is on its way
        wires = both.propagate()
        index = random.randrange(min(rows, 16))
        first = random.random() < 0.5 or row + index + 1 >= rows
        valid = cycle < 3990 and random.random() < issued
        code, activation = random.randrange(16), random.randint(-largest - 1, largest)
        if valid:
            column = activation = activation if first else column  # a column's entries have one activation
            row = index if first else row + index + 1
            sums[row] += (int(book[code]) * activation + (1 << (value_bits - 2))) >> (value_bits - 1)
        writes, written, value = (wires[name][0] for name in ("write_valid", "write_row", "write_value"))
        await both.step(
            meaningless=() if in_second_stage else ("read_row",),
            weight_valid=valid,
            weight_code=code,
            weight_index=index,
            weight_activation=activation,
            weight_first=first,
            read_value=file[wires["read_row"][0]],
        )
        if writes:
            file[written] = value
        in_first_stage, in_second_stage = valid, in_first_stage
    assert not wires["pipeline_busy"][0]
    half = 2 ** (accumulator_bits - 1)
    assert file == [(total + half) % (2 * half) - half for total in sums]
    assert any(total != kept for total, kept in zip(sums, file, strict=True))  # some sum has wrapped
