"""Pointer read beside its twin: random columns, offered in gaps and bursts, each until it is taken."""

import random

import cocotb
from cocotb.handle import HierarchyObject

from eie.chip.stepped.ptr_read import PtrRead
from silicon.units.lockstep import Lockstep
from silicon.units.slices import random_slice


@cocotb.test()
async def equals_twin(dut: HierarchyObject) -> None:
    """Every output of every cycle: empty columns, long ones, pointers up to the largest there is."""
    twin = PtrRead(1)
    both = Lockstep(dut, twin)
    columns = 2 * int(dut.POINTER_WORDS.value) - 1
    part = random_slice(20, columns, most=2 ** int(dut.POINTER_BITS.value) - 1)
    twin.write_memory(part)
    await both.drive(reset=1, busy=0, host_write=0, host_read=0, queue_valid=0)
    for number, pointer in enumerate(part.matrix.pointers[0].tolist()):
        await both.drive(host_write=1, host_address=number, host_data=pointer)
    column, value, valid = random.randrange(columns), 0, False
    await both.drive(busy=1, host_write=0, coming_column=column)
    dut.reset.value = 0
    taken = issued = expected = 0
    for cycle in range(3000):
        if cycle % 50 == 0:
            offered = random.choice((0.1, 0.9, 1.0))
        wires = both.propagate(queue_valid=valid)
        was_taken = bool(wires["take"][0])
        taken += was_taken
        issued += bool(wires["entry_valid"][0])
        expected += int(part.matrix.counts[0, column]) if was_taken else 0
        stays = valid and not was_taken  # the queue's head, until it is taken
        coming = (column, value) if stays else (random.randrange(columns), random.getrandbits(len(dut.head_value)))
        await both.step(ports={"coming_column": coming[0]}, head_column=column, head_value=value)
        (column, value), valid = coming, stays or random.random() < offered
    assert taken > 200
    assert expected - 20 <= issued <= expected  # the last column may be on its way
