"""Weight-memory read beside its twin: entries in a row, jumps and gaps, and layers that begin with an empty buffer."""

import random

import cocotb
from cocotb.handle import HierarchyObject

from eie.chip.stepped.spmat_read import SpmatRead
from silicon.units.lockstep import Lockstep
from silicon.units.slices import random_slice


@cocotb.test()
async def equals_twin(dut: HierarchyObject) -> None:
    """Every output of every cycle; a memory row is read again after `clear`, and only then."""
    twin = SpmatRead(1)
    both = Lockstep(dut, twin)
    per_row = int(dut.ENTRIES_PER_ROW.value)
    memory = per_row * int(dut.SPMAT_ROWS.value)
    await both.drive(reset=1, busy=0, host_write=0, host_read=0, entry_valid=0, clear=0)
    dut.reset.value = 0
    reads, column = 0, None
    for _layer in range(4):
        part = random_slice(30, 60, most=memory)
        count = part.matrix.n_entries
        for row, entries in enumerate(part.weight_rows(0, per_row)):
            await both.drive(
                busy=0, host_write=1, host_address=row, host_data=int.from_bytes(entries.tobytes(), "little")
            )
        await both.drive(busy=1, host_write=0, clear=1)
        dut.clear.value = 0
        twin.write_memory(part, per_row)
        address = 0
        for cycle in range(600):
            if cycle % 50 == 0:
                issued = random.choice((0.1, 0.9, 1.0))
            jumps = random.random() < 0.1
            address = random.randrange(count) if jumps else (address + 1) % count
            reads += bool(both.propagate()["row_read"][0])
            # The last cycle issues nothing, so that the unit is at rest when the next layer is written.
            valid = cycle < 599 and random.random() < issued
            first = column is None or random.random() < 0.3
            activation = random.getrandbits(len(dut.entry_activation))
            if valid:
                column = activation = activation if first else column  # a column's entries have one activation
            await both.step(entry_valid=valid, entry_address=address, entry_activation=activation, entry_first=first)
    assert reads > 100
