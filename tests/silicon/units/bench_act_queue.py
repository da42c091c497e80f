"""The activation queue beside its twin: broadcasts in gaps and bursts whenever it is not full, takes as it pleases."""

import random

import cocotb
from cocotb.handle import HierarchyObject

from eie.chip.stepped.act_queue import ActQueue
from silicon.units.lockstep import Lockstep


@cocotb.test()
async def equals_twin(dut: HierarchyObject) -> None:
    """Every output of every cycle, while the pace of both sides changes."""
    both = Lockstep(dut, ActQueue(1, int(dut.QUEUE_DEPTH.value)), ports={"any_full": "full"})
    await both.drive(reset=1, broadcast=0, take=0)
    dut.reset.value = 0
    filled = drained = 0
    for cycle in range(2000):
        if cycle % 50 == 0:
            incoming, outgoing = random.random(), random.random()
        wires = both.propagate()
        filled += bool(wires["any_full"])
        drained += not wires["queue_valid"][0]
        await both.step(
            broadcast=not wires["any_full"] and random.random() < incoming,
            broadcast_column=random.getrandbits(len(dut.broadcast_column)),
            broadcast_value=random.getrandbits(len(dut.broadcast_value)),
            take=bool(wires["queue_valid"][0]) and random.random() < outgoing,
        )
    assert filled > 100
    assert drained > 100
