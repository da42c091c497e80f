"""The chip in a LiteX system, steered over the system's bus: registers, memory, DMA each way, the interrupt.

SYSTEM in the environment names LiteX's own list of the system's registers and memories.
"""

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, FallingEdge

import eie
from eie.device import Device
from eie.errors import ToolError
from eie.silicon.registers import MAP
from silicon.networks import random_network

X = np.random.default_rng(0).normal(size=5).astype(np.float32)
NETWORK = eie.calibrate(random_network(2, [5, 4, 3], n_pe=2), X)


class SystemBus:
    """The chip's registers and streams, as software on the system's bus has them: a `StreamBus`."""

    def __init__(self, dut: HierarchyObject, system: dict[str, Any]) -> None:
        self.dut = dut
        self.base = system["memories"]["eie"]["base"]
        self.memory = system["memories"]["main_ram"]["base"]
        self.registers = system["csr_registers"]

    @resume
    async def access(self, address: int, value: int | None = None) -> int:
        """Write a word, or read one. Raises ToolError where the bus answers with an error."""
        dut = self.dut
        dut.bus_adr.value = address // 4
        dut.bus_we.value, dut.bus_dat_w.value = value is not None, value or 0
        dut.bus_cyc.value = dut.bus_stb.value = 1
        await FallingEdge(dut.sys_clk)
        for _ in range(1000):
            if dut.bus_ack.value:
                break
            await FallingEdge(dut.sys_clk)
        assert dut.bus_ack.value, f"no answer at {address:#x}"
        found, wrong = int(dut.bus_dat_r.value), bool(dut.bus_err.value)
        await ClockCycles(dut.sys_clk, 1)
        await FallingEdge(dut.sys_clk)
        dut.bus_cyc.value = dut.bus_stb.value = 0
        await FallingEdge(dut.sys_clk)
        if wrong:
            raise ToolError(f"an error at {address:#x}")
        return found

    def csr(self, name: str, value: int | None = None) -> int:
        """Write a register of LiteX's, or read one; the upper word of a wide one lies first."""
        register = self.registers[name]
        words = [
            self.access(register["addr"] + 4 * n, None if value is None else value >> 32 * m & 0xFFFF_FFFF)
            for n, m in enumerate(reversed(range(register["size"])))
        ]
        return words[-1]

    def read(self, offset: int) -> int:
        """Return a register of the chip's."""
        return self.access(self.base + offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register of the chip's."""
        self.access(self.base + offset, value)

    def send(self, transfers: np.ndarray) -> None:
        """A program puts the words into memory, and has DMA bring them to the chip."""
        words = np.ascontiguousarray(transfers).view("<u4").ravel()
        for number, word in enumerate(words.tolist()):
            self.access(self.memory + 4 * number, word)
        self._move("eie_to_chip", self.memory, 4 * len(words))

    def receive(self, count: int) -> np.ndarray:
        """DMA brings the chip's words to memory, whence a program takes them."""
        place = self.memory + 0x8000
        self._move("eie_from_chip", place, 8 * count)
        return np.array([self.access(place + 4 * n) for n in range(2 * count)], "<u4").view(np.uint8).reshape(count, 8)

    def _move(self, name: str, base: int, length: int) -> None:
        self.csr(f"{name}_base", base)
        self.csr(f"{name}_length", length)
        self.csr(f"{name}_enable", 1)
        for _ in range(1000):
            if self.csr(f"{name}_done"):
                break
        assert self.csr(f"{name}_done") == 1, name
        self.csr(f"{name}_enable", 0)


@cocotb.test()
async def runs_a_network(dut: HierarchyObject) -> None:
    """Outputs and cycles are the simulation's; an access that is refused is the bus's error; the interrupt comes."""
    dut.sys_rst.value = 1
    dut.bus_cyc.value = dut.bus_stb.value = dut.bus_we.value = 0
    dut.bus_sel.value, dut.bus_cti.value, dut.bus_bte.value = 15, 0, 0
    Clock(dut.sys_clk, 2, "ns").start()
    await ClockCycles(dut.sys_clk, 4)
    dut.sys_rst.value = 0
    await ClockCycles(dut.sys_clk, 4)
    bus = SystemBus(dut, json.loads(Path(os.environ["SYSTEM"]).read_text()))

    @bridge
    def run() -> None:
        device = Device(bus)
        device.write("INTERRUPT_ENABLE", 1)
        found = device.run(NETWORK, X)
        expected = eie.simulate_network(NETWORK, X, device.hardware)
        for layer, simulated in zip(found.layers, expected, strict=True):
            assert np.array_equal(layer.outputs, simulated.outputs)
            assert layer.cycles == simulated.simulation.cycles
        assert bus.csr("eie_ev_status") == 1
        device.write("INTERRUPT", 7)
        assert bus.csr("eie_ev_status") == 0
        try:
            bus.write(MAP.offset("N_PE"), 1)
        except ToolError as error:
            assert str(error).startswith("an error at ")
        else:
            raise AssertionError("a write to N_PE is not refused")
        assert bus.read(MAP.offset("N_PE")) == 2

    await run()
