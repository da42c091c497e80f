"""The chip's host port: random words into every memory of every PE, and what is read in three steps, with gaps."""

import random
from collections import deque
from dataclasses import fields

import cocotb
from cocotb.handle import HierarchyObject

from eie.silicon.host_words import MEMORIES, memory
from eie.silicon.parameters import Parameters
from eie.silicon.registers import MAP
from silicon.units.lockstep import HALF_PERIOD, SETTLING


@cocotb.test()
async def reads_what_was_written(dut: HierarchyObject) -> None:
    """Three rounds of writes, whole at first, then some words, each followed by reads of any words in any order."""
    parameters = Parameters(**{one.name: int(getattr(dut, one.name.upper()).value) for one in fields(Parameters)})
    kinds = {name: memory(name, parameters) for name in MEMORIES}
    written: dict[tuple[str, int, int], int] = {}  # by space, PE and address
    asked: deque[tuple[str, int, int]] = deque(maxlen=3)
    bits = len(dut.host_read_data)

    async def clock(**ports: int) -> None:
        for port, value in ports.items():
            getattr(dut, port).value = value
        await SETTLING
        dut.clk.value = 0
        await HALF_PERIOD
        dut.clk.value = 1
        await HALF_PERIOD

    def place(space: str, pe: int, address: int) -> dict[str, int]:
        return {"host_space": MAP.number(space), "host_pe": pe, "host_address": address}

    async def write(space: str, pe: int, address: int) -> None:
        kind = kinds[space]
        half = 1 << (kind.bits - 1) if kind.signed else 0
        value = random.randrange((space == "CODEBOOK") - half, (1 << kind.bits) - half)
        if space == "CODEBOOK" and address == 0:
            value = 0
        # A memory takes the low bits, whatever the others are.
        data = value % (1 << kind.bits) | random.getrandbits(len(dut.host_data)) >> kind.bits << kind.bits
        await clock(host_write=1, host_read=0, host_data=data, **place(space, pe, address))
        for one in range(parameters.n_pe) if space == "CODEBOOK" else (pe,):
            written[space, one, address] = value

    async def write_some(space: str, pe: int, share: float) -> None:
        # From 0 on where the order may matter: behind slow memories pointers ascend.
        last = round(share * kinds[space].words)
        for address in range(last) if space == "POINTERS" else random.sample(range(kinds[space].words), last):
            await write(space, pe, address)

    await clock(reset=1, scan_enable=0, host_write=0, host_read=0)
    await clock(reset=0)
    reads = 0
    for source, share in enumerate((1.0, 0.5, 0.2)):
        # Which file is the source: the roles of the two change.
        flags = (source % 2) << MAP.bit("FLAGS", "SOURCE").bit_length() - 1
        await clock(host_write=1, host_read=0, host_data=flags, **place("SETTINGS", 0, MAP.setting("FLAGS")))
        swapped = {"SOURCE": "DESTINATION", "DESTINATION": "SOURCE"}
        written = {(swapped.get(space, space), pe, address): value for (space, pe, address), value in written.items()}
        for space in MEMORIES:
            for pe in range(parameters.n_pe):
                await write_some(space, pe, share)
        asked.clear()
        for _ in range(400):
            gap = random.random() < 0.2
            before = str(dut.host_read_data.value)
            space, pe, address = random.choice(list(written))
            await clock(host_write=0, host_read=not gap, **place(space, pe, address))
            if gap:
                assert str(dut.host_read_data.value) == before
                continue
            asked.append((space, pe, address))
            if len(asked) == 3:
                assert int(dut.host_read_data.value) == written[asked[0]] % (1 << bits), asked[0]
                reads += 1
    assert reads > 600
