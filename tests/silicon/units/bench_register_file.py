"""A file of latches beside a list: what is written is read in the next cycle; in a test of the chip nothing changes."""

import random

import cocotb
from cocotb.handle import HierarchyObject

from silicon.units.lockstep import HALF_PERIOD, SETTLING


@cocotb.test()
async def equals_a_list(dut: HierarchyObject) -> None:
    """Random writes and reads, a fifth of them while scan_enable is high; it changes while the clock is high."""
    places, bits = int(dut.ENTRIES.value), int(dut.WORD_BITS.value)
    words: dict[int, int] = {}
    held = 0
    dut.clk.value = 1
    dut.write.value = dut.scan_enable.value = 0
    await HALF_PERIOD
    for _ in range(3000):
        place, value, write, scan = random.randrange(places), random.getrandbits(bits), random.random() < 0.6, False
        if len(words) == places:
            scan = random.random() < 0.2
        dut.write_place.value, dut.write_data.value, dut.write.value = place, value, write
        dut.scan_enable.value = scan
        await SETTLING
        dut.clk.value = 0
        await HALF_PERIOD
        dut.clk.value = 1
        held += scan and write
        if write and not scan:
            words[place] = value
        dut.write.value = 0
        dut.read_place.value = read = random.choice(list(words) or [place])
        await HALF_PERIOD
        assert not words or int(dut.read_data.value) == words[read]
    assert held > 100
