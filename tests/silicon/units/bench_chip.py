"""The whole chip, steered as `src/eie/silicon/harness.cpp` steers the verilated one: same program in, same files out.

PROGRAM, TRACE and SUMS in the environment name the files.
"""

import os
from pathlib import Path

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from eie.silicon.host_words import READ, RUN, SCAN, word_type
from eie.silicon.record import COMPARED, record_type
from silicon.units.lockstep import HALF_PERIOD

LONGEST_SCAN = 10_000  # cycles


@cocotb.test()
async def run_program(dut: HierarchyObject) -> None:
    """Play the host's words, and write down every computing cycle."""
    record = record_type(int(dut.N_PE.value))
    program = np.fromfile(os.environ["PROGRAM"], word_type(int(dut.DATA_BITS.value)))
    trace, sums = [], []

    async def clock(**ports: int) -> None:
        dut.clk.value = 0
        for port, value in ports.items():
            getattr(dut, port).value = value
        await HALF_PERIOD
        dut.clk.value = 1
        await HALF_PERIOD

    async def compute() -> None:
        for _ in range(LONGEST_SCAN):
            dut.clk.value = 0
            await HALF_PERIOD
            trace.append(_cycle(dut, record))
            finished = bool(dut.finished.value)
            dut.clk.value = 1
            await HALF_PERIOD
            if finished:
                return
        raise AssertionError(f"the chip is not finished after {LONGEST_SCAN} cycles")

    await clock(reset=1, scan_enable=0, host_write=0, host_read=0)
    dut.reset.value = 0
    for word in program:
        dut.host_space.value = int(word["space"])
        dut.host_pe.value = int(word["pe"])
        dut.host_address.value = int(word["address"])
        dut.host_data.value = int.from_bytes(word["data"].tobytes(), "little") & (2 ** len(dut.host_data) - 1)
        if word["operation"] == READ:
            for _ in range(3):  # a read takes three steps
                await clock(host_read=1)
            dut.host_read.value = 0
            sums.append(int(dut.host_read_data.value) & 0xFFFFFFFF)
            continue
        await clock(host_write=1)
        dut.host_write.value = 0
        if word["operation"] in (SCAN, RUN):
            await compute()
    Path(os.environ["TRACE"]).write_bytes(np.concatenate(trace).tobytes())
    Path(os.environ["SUMS"]).write_bytes(np.array(sums, "<u4").tobytes())


def _cycle(dut: HierarchyObject, record: np.dtype[np.void]) -> np.ndarray:
    """Return the compared signals of one cycle, 0 for what means nothing in it."""
    row = np.zeros(1, record)
    for name, signal in COMPARED.items():
        if signal.when and not getattr(dut, signal.when).value:
            continue
        value, places = int(getattr(dut, name).value), record[name].shape
        if places:
            width = len(getattr(dut, name)) // places[0]
            value = [value >> (width * pe) & ((1 << width) - 1) for pe in range(places[0])]
        row[name] = value
    return row
