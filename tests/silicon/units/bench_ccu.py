"""Control unit beside its twin: batches that are loaded first, full queues at random, the counters."""

import random

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from eie.chip.stepped.ccu import Ccu
from eie.program.lowering import Batch
from silicon.units.lockstep import Lockstep

OCCUPANCY = ("queue_valid", "stage_valid", "weight_valid", "pipeline_busy")  # the RTL takes them as one, any_busy


@cocotb.test()
async def equals_twin(dut: HierarchyObject) -> None:
    """Every output of every cycle, from start to completion, and the performance counters over several scans."""
    n_pe = int(dut.N_PE.value)
    rows_limit = 2 ** len(dut.rows) - 1
    twin = Ccu(n_pe)
    both = Lockstep(dut, twin, portless=OCCUPANCY)
    await both.drive(reset=1, clear=1, start=0, found=0, scan_finished=0, any_full=0, any_busy=0)
    await both.drive(reset=0, clear=0)
    cycles = broadcasts = stalls = 0
    for _scan in range(20):
        rows, loads = random.randint(1, rows_limit), random.random() < 0.5
        first_input = random.randrange(1, 2 ** (len(dut.first_input) - 1)) if loads else 0
        first_word = random.randrange(2 ** len(dut.first_word) - rows_limit)
        settings = {"rows": rows, "load": loads, "first_input": first_input, "first_word": first_word}
        dut.start.value = 1
        await both.drive(**settings, found=0, scan_finished=0)
        twin.start(Batch(first_input, rows * n_pe, first_word, rows))
        word_read = first_word  # at the start's edge
        finished, complete = 60, False
        held_back = random.choice((0.0, 0.3, 0.9))
        began = both.cycle
        while not complete:
            at = both.cycle - began
            scanning = at >= (rows if loads else 0)
            done = at >= finished and random.random() < 0.5
            busy = np.array([[random.random() < 0.2 for _ in range(n_pe)] for _ in OCCUPANCY])
            wires = both.propagate(
                found=scanning and not done and random.random() < 0.7,
                found_row=random.randint(0, rows - 1),
                found_position=random.randrange(n_pe),
                found_value=random.getrandbits(len(dut.found_value)),
                scan_finished=done,
                any_full=random.random() < held_back,
                **dict(zip(OCCUPANCY, busy, strict=True)),
            )
            complete = wires["complete"]
            if wires["load_enable"]:
                assert word_read == first_word + wires["load_row"]
            reads, word = await both.step(
                ports={"start": 0, "any_busy": bool(busy.any()), **dict.fromkeys(settings, 0)},
                watch=("load_read", "load_address"),
            )
            word_read = word if reads else None
            cycles += not complete
            broadcasts += wires["broadcast"]
            stalls += wires["found"] and wires["any_full"]
        assert dut.busy.value == 0
    assert (dut.cycles.value, dut.broadcasts.value, dut.stalls.value) == (cycles, broadcasts, stalls)
    assert stalls > 20
