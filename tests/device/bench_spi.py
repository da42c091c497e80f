"""The chip behind SPI, driven through its pins: a network, what is refused, frames of other lengths, a reset."""

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, Timer

import eie
from eie.device import Device, SpiBus
from eie.errors import ToolError
from eie.silicon.registers import MAP
from silicon.networks import random_network

X = np.random.default_rng(0).normal(size=5).astype(np.float32)
NETWORK = eie.calibrate(random_network(2, [5, 4, 3], n_pe=2), X)
HALF_NS = 5.3  # of sclk's period: as short as may be, and out of step with clk


class Pins:
    """The chip's pins, as an SPI adapter has them."""

    def __init__(self, dut: HierarchyObject) -> None:
        self.dut = dut

    async def frame(self, bits: str) -> str:
        """Send bits while the chip is selected; return those that came back."""
        dut, came = self.dut, ""
        dut.select_n.value = 0
        for bit in bits:
            dut.sclk.value = 0
            dut.mosi.value = int(bit)
            await Timer(HALF_NS, "ns", round_mode="round")
            came += str(dut.miso.value)
            dut.sclk.value = 1
            await Timer(HALF_NS, "ns", round_mode="round")
        dut.sclk.value = 0
        await Timer(HALF_NS, "ns", round_mode="round")
        dut.select_n.value = 1
        await ClockCycles(dut.clk, 16)
        return came

    @resume
    async def exchange(self, data: bytes) -> bytes:
        """Send bytes, and return as many."""
        came = await self.frame(f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}")
        return int(came.replace("X", "0"), 2).to_bytes(len(data), "big")


async def begin(dut: HierarchyObject) -> Pins:
    """Start the clock and reset."""
    dut.clk.value = dut.sclk.value = dut.mosi.value = 0
    dut.select_n.value = dut.reset.value = 1
    Clock(dut.clk, 2, "ns").start()
    await ClockCycles(dut.clk, 8)
    dut.reset.value = 0
    await ClockCycles(dut.clk, 8)
    return Pins(dut)


async def run_network(pins: Pins) -> None:
    """Run the network; every output and every layer's cycles are the simulation's."""

    @bridge
    def run() -> None:
        device = Device(SpiBus(pins.exchange))
        found = device.run(NETWORK, X)
        expected = eie.simulate_network(NETWORK, X, device.hardware)
        for layer, simulated in zip(found.layers, expected, strict=True):
            assert np.array_equal(layer.outputs, simulated.outputs)
            assert layer.cycles == simulated.simulation.cycles
        device.write_memory("WEIGHTS", 1, 3, [0x0123456789ABCDEF])
        device.write_memory("SRAM", 0, 5, [-2])
        assert device.read_memory("WEIGHTS", 1, 3) == [0x0123456789ABCDEF]
        assert device.read_memory("SRAM", 0, 5) == [-2]

    await run()


@cocotb.test()
async def runs_a_network(dut: HierarchyObject) -> None:
    """All through frames."""
    await run_network(await begin(dut))


@cocotb.test()
async def refuses_and_interrupts(dut: HierarchyObject) -> None:
    """A register that is only read, and none; of a frame the last 48 bits count; the interrupt is a pin and a bit."""
    pins = await begin(dut)

    @bridge
    def refuse() -> None:
        bus = SpiBus(pins.exchange)
        for access, said in (
            (lambda: bus.write(MAP.offset("N_PE"), 1), "the chip refused the write of 1 to N_PE at 0x080"),
            (lambda: bus.read(0x7FC), "the chip refused the read of a register at 0x7fc"),
        ):
            try:
                access()
            except ToolError as error:
                assert str(error) == said
            else:
                raise AssertionError(f"not refused: {said}")
        assert bus.read(MAP.offset("N_PE")) == 2

    await refuse()
    write = f"1000{MAP.offset('INTERRUPT_ENABLE'):012b}{1:032b}"
    await pins.frame("1011" + write)
    read = f"0000{MAP.offset('INTERRUPT_ENABLE'):012b}{0:032b}"
    await pins.frame(read)
    assert int(await pins.frame(read), 2) == 1
    assert dut.irq.value == 0
    for register, value in (("ROWS", 1), ("FIRST_INPUT", 0), ("FLAGS", 0), ("CLEAR", 0), ("START", 0)):
        await pins.frame(f"1000{MAP.offset(register):012b}{value:032b}")
    await ClockCycles(dut.clk, 20)
    assert dut.irq.value == 1
    await pins.frame(read)
    assert int(await pins.frame(read), 2) == 1 << 47 | 1
