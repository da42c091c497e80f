"""One detector of the quadtree beside the stepped simulator's whole tree, which for four leaves is one node."""

import random
from itertools import product

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from eie.chip.stepped.lnzd import leading_nonzero
from silicon.units.lockstep import HALF_PERIOD, packed


@cocotb.test()
async def equals_twin(dut: HierarchyObject) -> None:
    """All sixteen patterns of children that have found something, with random positions and values."""
    for pattern in product((False, True), repeat=4):
        children = np.array(pattern)
        for _ in range(20):
            positions = np.array([random.getrandbits(len(dut.position)) for _ in range(4)])
            values = np.array([random.getrandbits(len(dut.value)) for _ in range(4)])
            dut.found_in.value = packed(children, 4)
            dut.position_in.value = packed(positions, len(dut.position_in))
            dut.value_in.value = packed(values, len(dut.value_in))
            await HALF_PERIOD
            found, child = leading_nonzero(children)
            assert dut.found.value == int(found)
            if found:
                assert dut.position.value == int(positions[child])
                assert dut.value.value == int(values[child])
