"""LNZD beside its twin: rows full, sparse and empty; broadcasts held back and scans paused at random."""

import random

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from eie.chip.stepped.lnzd import Lnzd
from silicon.units.lockstep import Lockstep, packed


@cocotb.test()
async def equals_twin(dut: HierarchyObject) -> None:
    """Every output of every cycle; what was broadcast is the non-zeros, each once and in order."""
    n_pe = int(dut.N_PE.value)
    half = 2 ** (int(dut.VALUE_BITS.value) - 1)
    twin = Lnzd(n_pe)
    both = Lockstep(dut, twin)

    async def step(computing: bool, broadcast: bool, row: np.ndarray) -> None:
        ports = {"source_nonzero": packed(row != 0, n_pe)}
        await both.step(ports, computing=computing, broadcast=broadcast, source_row=row)

    await both.drive(reset=1, start=0, computing=0, storing=0, broadcast=0)
    dut.reset.value = 0
    for _scan in range(30):
        rows = random.randrange(1, 12)
        rng = np.random.default_rng(random.getrandbits(32))
        active = random.choice((0.0, 0.1, 0.5, 1.0))
        source = np.where(rng.random((rows, n_pe)) < active, rng.integers(-half, half, (rows, n_pe)), 0)
        await both.drive(start=1, rows=rows, computing=0, broadcast=0)
        dut.start.value = 0
        twin.start(rows)
        passes, pauses = random.choice((0.3, 1.0)), random.choice((0.0, 0.2))
        found = []
        while not both.propagate()["scan_finished"]:
            wires = both.propagate()
            computing = random.random() >= pauses
            broadcast = wires["found"] and computing and random.random() < passes
            if broadcast:
                found.append((wires["found_row"], wires["found_position"], wires["found_value"]))
            # The row after the last shows what the file happens to hold.
            row = source[wires["row_address"]] if wires["row_address"] < rows else rng.integers(-half, half, n_pe)
            await step(computing, broadcast, row)
        await step(True, False, np.ones(n_pe, int))
        places = np.argwhere(source)
        assert found == [(row, position, source[row, position]) for row, position in places.tolist()]
