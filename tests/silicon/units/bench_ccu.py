"""Control unit beside its twin: batches that are loaded first, rows that are moved, full queues, the counters."""

import random

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from eie.chip.stepped.ccu import Ccu
from eie.program.table import StepKind
from eie.silicon.registers import MAP
from silicon.units.lockstep import Lockstep

OCCUPANCY = ("queue_valid", "stage_valid", "weight_valid", "pipeline_busy")  # the RTL takes them as one, any_busy


@cocotb.test()
async def equals_twin(dut: HierarchyObject) -> None:
    """Every output of every cycle, from start to completion, and the performance counters over several steps."""
    n_pe, codes = int(dut.N_PE.value), 2 ** int(dut.CODE_BITS.value)
    numbers = {kind.name: kind.number for kind in MAP.kinds}
    rows_limit = 2 ** len(dut.rows) - 1
    twin = Ccu(n_pe)
    both = Lockstep(dut, twin, portless=OCCUPANCY)
    quiet = {"found": 0, "scan_finished": 0, "any_full": 0, "any_busy": 0}
    await both.drive(reset=1, clear=1, start=0, running=0, kind=0, **quiet)
    await both.drive(reset=0, clear=0)
    cycles = broadcasts = stalls = 0
    for number in range(40):
        kind = list(StepKind)[number // 2 % 4] if number % 2 else StepKind.SCAN
        rows, loads = random.randint(1, rows_limit), random.random() < 0.5
        running = random.random() < 0.5
        first_input = random.randrange(1, 2 ** (len(dut.first_input) - 1))
        first_word = random.randrange(2 ** len(dut.first_word) - max(rows_limit, codes))
        settings = {"rows": rows, "load": loads, "first_input": first_input, "first_word": first_word}
        dut.start.value = 1
        await both.drive(**settings, **quiet, kind=numbers[kind], running=running)
        cycles += running
        moves = codes if kind is StepKind.CODEBOOK else rows if loads or kind is not StepKind.SCAN else 0
        twin.start(first_input, moves, kind)
        word_read, moved = first_word, 0  # at the start's edge
        finished, complete = 60, False
        held_back = random.choice((0.0, 0.3, 0.9))
        began = both.cycle
        while not complete:
            at = both.cycle - began
            scanning = kind is StepKind.SCAN and at >= moves
            done = at >= finished and random.random() < 0.5
            busy = np.array([[scanning and random.random() < 0.2 for _ in range(n_pe)] for _ in OCCUPANCY])
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
            stays = {"rows": rows, "load": 0, "first_input": 0, "first_word": 0}
            reads, word, fills, code = await both.step(
                ports={"start": 0, "any_busy": bool(busy.any()), **stays},
                watch=("load_read", "load_address", "codebook_enable", "load_code"),
            )
            assert fills == (kind is StepKind.CODEBOOK and at < moves)
            if wires["store_enable"]:
                assert (word, wires["load_row"], reads) == (first_word + moved, moved, 0)
            elif at < moves:
                assert word_read == first_word + moved
                assert moved == (code if fills else wires["load_row"])
            moved += 1
            word_read = word if reads else None
            cycles += running or not complete
            broadcasts += wires["broadcast"]
            stalls += wires["found"] and wires["any_full"]
        assert dut.busy.value == 0
        assert moved - 1 == moves or kind is StepKind.SCAN
    assert (dut.cycles.value, dut.broadcasts.value, dut.stalls.value) == (cycles, broadcasts, stalls)
    assert stalls > 20
