"""The chip behind its bus, driven by cocotbext-axi: stalls on every channel, what is refused, resets in the middle."""

import random
from collections.abc import Iterator

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, FallingEdge, Timer, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

import eie
from eie.device import Device
from eie.errors import ToolError
from eie.silicon.host_words import MEMORIES, Memory, memory
from eie.silicon.registers import MAP
from silicon.networks import random_network

X = np.random.default_rng(0).normal(size=30).astype(np.float32)
NETWORK = eie.calibrate(random_network(2, [30, 12, 7], n_pe=3), X)
AT = {register.name: register.offset for register in MAP.registers}
OKAY, SLVERR = 0, 2


class CocotbBus:
    """The masters of cocotbext-axi as a bus of the driver, which runs in a thread of its own."""

    def __init__(self, dut: HierarchyObject) -> None:
        clock = (dut.aclk, dut.aresetn, False)  # the reset is active low
        self.lite = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), *clock)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), *clock)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), *clock)

    def stall(self, share: float) -> None:
        """Stall every channel in this share of the cycles, at random."""

        def pauses() -> Iterator[bool]:
            while True:
                yield random.random() < share

        write, read = self.lite.write_if, self.lite.read_if
        for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
            channel.set_pause_generator(pauses())
        self.source.set_pause_generator(pauses())
        self.sink.set_pause_generator(pauses())

    async def put(self, offset: int, value: int) -> int:
        """Write a register and return the response."""
        return int((await self.lite.write(offset, value.to_bytes(4, "little"))).resp)

    async def get(self, offset: int) -> tuple[int, int]:
        """Read a register; return the response and the value."""
        found = await self.lite.read(offset, 4)
        return int(found.resp), int.from_bytes(found.data, "little")

    async def put_stream(self, transfers: npt.ArrayLike) -> None:
        """Begin to send transfers of 64 bits, given as numbers or as their bytes."""
        array = np.asarray(transfers)
        await self.source.send(AxiStreamFrame((array if array.ndim == 2 else array.astype("<i8")).tobytes()))

    @resume
    async def read(self, offset: int) -> int:
        """As the driver reads a register."""
        response, value = await self.get(offset)
        if response:
            raise ToolError(f"refused: {offset:#x}")
        return value

    @resume
    async def write(self, offset: int, value: int) -> None:
        """As the driver writes a register."""
        if await self.put(offset, value):
            raise ToolError(f"refused: {offset:#x}")

    @resume
    async def send(self, transfers: npt.NDArray[np.uint8]) -> None:
        """As the driver sends a stream."""
        await self.put_stream(transfers)
        await self.source.wait()

    @resume
    async def receive(self, count: int) -> npt.NDArray[np.uint8]:
        """As the driver receives one."""
        words = b""
        while len(words) < 8 * count:
            words += bytes((await self.sink.recv()).tdata)
        return np.frombuffer(words, np.uint8).reshape(count, 8)


class Registers:
    """The bus without its streams."""

    def __init__(self, bus: CocotbBus) -> None:
        self.read, self.write = bus.read, bus.write


async def begin(dut: HierarchyObject) -> CocotbBus:
    """Start the clock and reset."""
    dut.aclk.value = dut.aresetn.value = dut.scan_enable.value = 0
    bus = CocotbBus(dut)
    await Timer(2, "ns")  # until the masters drive their signals
    Clock(dut.aclk, 2, "ns").start()
    await ClockCycles(dut.aclk, 3)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 1)
    return bus


async def run_network(bus: CocotbBus, streams: bool = True) -> None:
    """Run the network; every output is the reference's, and every layer's cycles are the simulation's."""

    @bridge
    def run() -> None:
        device = Device(bus if streams else Registers(bus))
        found = device.run(NETWORK, X)
        expected = eie.simulate_network(NETWORK, X, device.hardware)
        for layer, simulated in zip(found.layers, expected, strict=True):
            assert np.array_equal(layer.outputs, simulated.outputs)
            assert layer.cycles == simulated.simulation.cycles
        loaded = device.load(NETWORK)
        cycles = sum(simulated.simulation.cycles for simulated in expected) + loaded.table.extra_cycles
        for _ in range(2):
            again = loaded.run(X)
            assert np.array_equal(again.outputs, found.outputs)
            assert again.cycles == cycles

    await with_timeout(run(), 400, "us")


async def begin_scan(bus: CocotbBus) -> None:
    """Begin a scan over what the memories hold."""
    for register, value in (("CLEAR", 0), ("ROWS", 4), ("FIRST_INPUT", 0), ("FLAGS", 0), ("START", 0)):
        assert await bus.put(AT[register], value) == OKAY, register


@cocotb.test()
async def runs_networks_under_stalls(dut: HierarchyObject) -> None:
    """Through streams and through registers, with no stalls, some and many."""
    bus = await begin(dut)
    for share in (0.0, 0.4, 0.8):
        bus.stall(share)
        await run_network(bus)
    bus.stall(0.2)
    await run_network(bus, streams=False)


@cocotb.test()
async def reads_what_was_written(dut: HierarchyObject) -> None:
    """Random words in every memory of every PE, through streams and registers, under stalls; a network runs after."""
    bus = await begin(dut)
    for share, streams in ((0.0, True), (0.5, True), (0.3, False)):
        bus.stall(share)

        @bridge
        def write_and_read(streams: bool = streams) -> None:
            device = Device(bus if streams else Registers(bus))
            device.write("RESET", 0)
            written = {
                (name, pe): random_words(memory(name, device.parameters), name == "CODEBOOK")
                for name in MEMORIES
                for pe in range(device.parameters.n_pe)
            }
            for pe in range(1, device.parameters.n_pe):
                written["CODEBOOK", pe] = written["CODEBOOK", 0]  # one for all PEs
            for (name, pe), words in written.items():
                device.write_memory(name, pe, 0, words)
            for (name, pe), words in random.sample(list(written.items()), len(written)):
                first = random.randrange(len(words))
                assert device.read_memory(name, pe, first, len(words) - first) == words[first:], (name, pe)

        await with_timeout(write_and_read(), 2000, "us")
        await run_network(bus)


def random_words(kind: Memory, codebook: bool) -> list[int]:
    """Return words for a whole memory, or a codebook, whose first is 0, and which has not the least number."""
    half = 1 << (kind.bits - 1) if kind.signed else 0
    words = [random.randrange(codebook - half, (1 << kind.bits) - half) for _ in range(kind.words)]
    return [0, *words[1:]] if codebook else words


@cocotb.test()
async def refuses_what_cannot_be_done(dut: HierarchyObject) -> None:
    """Each write is answered with SLVERR and changes nothing."""
    bus = await begin(dut)
    space = {space.name: space.number for space in MAP.spaces}
    for place, value in ((0, 77), (1, -5)):
        for register, number in (("CURSOR", space["DESTINATION"]), ("CURSOR_PE", 2), ("CURSOR_ADDRESS", place)):
            assert await bus.put(AT[register], number) == OKAY
        assert await bus.put(AT["DATA"] + 4, 0) == OKAY
        assert await bus.put(AT["DATA"], value & 0xFFFFFFFF) == OKAY
    sizes = {name: (await bus.get(AT[name]))[1] for name in ("N_PE", "REGISTER_ENTRIES", "SRAM_WORDS", "COLUMN_BITS")}
    assert sizes == {"N_PE": 3, "REGISTER_ENTRIES": 4, "SRAM_WORDS": 49, "COLUMN_BITS": 6}
    refused = [(register.offset, 1) for register in MAP.registers if register.access == "read"]
    refused += [(offset, 0) for offset in (0x04C, 0x0C8, 0x7FC, AT["DATA"] + 8, 0xFFC)]
    refused += [(AT["ROWS"], 5), (AT["FIRST_INPUT"], 64), (AT["FIRST_WORD"], 49), (AT["FLAGS"], 32)]
    refused += [(AT["STEP"], 8), (AT["RUN"], 0), (AT["RUN"], 9)]
    refused += [(AT["CURSOR"], 16), (AT["CURSOR_PE"], 256), (AT["INTERRUPT"], 8), (AT["INTERRUPT_ENABLE"], 8)]
    for offset, value in refused:
        assert await bus.put(offset, value) == SLVERR, hex(offset)
    for offset in (AT["ROWS"], AT["START"], AT["RESET"], AT["RUN"], 0x7FC, AT["DATA"] + 8, 0xFFC):
        assert (await bus.get(offset))[0] == SLVERR, hex(offset)
    assert (await bus.lite.write(AT["CURSOR_PE"], b"\1")).resp == SLVERR  # less than 32 bits
    # Places that are not there: an address, a PE, a space.
    for number, pe, address in ((5, 2, 4), (5, 3, 0), (7, 0, 0), (1, 0, 2**32 - 1), (0, 0, 8)):
        for register, value in (("CURSOR", number), ("CURSOR_PE", pe), ("CURSOR_ADDRESS", address)):
            assert await bus.put(AT[register], value) == OKAY
        assert await bus.put(AT["DATA"], 9) == SLVERR
        assert (await bus.get(AT["DATA"]))[0] == SLVERR
    for register, value in (("CURSOR", space["SETTINGS"]), ("CURSOR_PE", 0), ("CURSOR_ADDRESS", 0)):
        assert await bus.put(AT[register], value) == OKAY
    assert (await bus.get(AT["DATA"]))[0] == SLVERR  # settings are not read
    for register, value in (("CURSOR", space["DESTINATION"]), ("CURSOR_PE", 2)):
        assert await bus.put(AT[register], value) == OKAY
    for place, value in ((0, 77), (1, 2**64 - 5)):
        assert await bus.get(AT["DATA"] + 4) == (OKAY, value >> 32)
        assert await bus.get(AT["CURSOR_ADDRESS"]) == (OKAY, place)
        assert await bus.get(AT["DATA"]) == (OKAY, value & 0xFFFFFFFF)
    assert await bus.get(AT["CURSOR_ADDRESS"]) == (OKAY, 2)  # reads of the lowest move it on
    assert await bus.get(AT["STATUS"]) == (OKAY, 0)
    assert await bus.get(AT["INTERRUPT"]) == (OKAY, 0)


@cocotb.test()
async def tells_of_dropped_words(dut: HierarchyObject) -> None:
    """A stream's words without a place, and a setting's value that cannot be: dropped, and told by the interrupt."""
    bus = await begin(dut)
    assert await bus.put(AT["INTERRUPT_ENABLE"], MAP.bit("INTERRUPT", "REFUSED")) == OKAY
    header = {field.name: field for field in MAP.header}
    for space, pe, address, data in (
        (4, 0, 3, [1, 2]),
        (4, 3, 0, [1]),
        (0, 0, 0, [5]),
        (7, 0, 0, [0]),
        (5, 3, 0, None),
        (0, 0, 0, None),
    ):
        fields = {"SPACE": space, "PE": pe, "ADDRESS": address, "COUNT": 1 if data is None else len(data)}
        fields["SEND"] = data is None
        words = [sum(header[name].put(int(value)) for name, value in fields.items()), *(data or [])]
        await bus.put_stream(words)
        await bus.source.wait()
        await ClockCycles(dut.aclk, 4)
        assert dut.irq.value == 1
        assert await bus.get(AT["INTERRUPT"]) == (OKAY, MAP.bit("INTERRUPT", "REFUSED"))
        assert await bus.put(AT["INTERRUPT"], MAP.bit("INTERRUPT", "REFUSED")) == OKAY
        assert dut.irq.value == 0
    assert await bus.get(AT["STATUS"]) == (OKAY, 0)
    await run_network(bus)


@cocotb.test()
async def refuses_writes_while_busy(dut: HierarchyObject) -> None:
    """SLVERR for settings, cursor and memories while a scan runs, which ends as without; a stream waits for it."""
    bus = await begin(dut)
    await run_network(bus)
    await begin_scan(bus)
    while (await bus.get(AT["STATUS"]))[1]:
        pass
    cycles = await bus.get(AT["CYCLES"])
    assert await bus.put(AT["INTERRUPT"], 7) == OKAY
    assert await bus.put(AT["INTERRUPT_ENABLE"], MAP.bit("INTERRUPT", "COMPLETE")) == OKAY
    for register in ("START", "ROWS", "CURSOR", "DATA", "CLEAR", "STEP", "RUN"):
        await begin_scan(bus)
        assert await bus.put(AT[register], 1) == SLVERR, register
        assert (await bus.get(AT["DATA"]))[0] == SLVERR
        # The header of a stream, which the chip does not take before the scan is complete.
        await bus.put_stream([5 | 1 << 16, 0])
        assert dut.irq.value == 0
        assert (await bus.get(AT["STATUS"]))[1] == MAP.bit("STATUS", "BUSY"), register
        await bus.source.wait()
        assert dut.irq.value == 1
        assert await bus.get(AT["CYCLES"]) == cycles
        assert await bus.put(AT["INTERRUPT"], 7) == OKAY
        assert dut.irq.value == 0


@cocotb.test()
async def resets_in_the_middle(dut: HierarchyObject) -> None:
    """Of a scan, of a stream to the chip and of one from it, by pin and by register: the next run is as any other."""
    bus = await begin(dut)
    await run_network(bus)

    async def by_pin() -> None:
        await FallingEdge(dut.aclk)
        dut.aresetn.value = 0
        await ClockCycles(dut.aclk, 2)
        await FallingEdge(dut.aclk)
        dut.aresetn.value = 1
        await ClockCycles(dut.aclk, 2)

    async def by_register() -> None:
        assert await bus.put(AT["RESET"], 0) == OKAY

    for reset in (by_pin, by_register):
        for stream in ([], [4 | 5 << 16, 1, 2], [5 | 16 | 12 << 16]):
            bus.sink.pause = True
            if stream:
                await bus.put_stream(stream)
                await bus.source.wait()
            else:
                await begin_scan(bus)
            await ClockCycles(dut.aclk, random.randrange(1, 6))
            assert (await bus.get(AT["STATUS"]))[1] == MAP.bit("STATUS", "STREAMING" if stream else "BUSY")
            await reset()
            assert await bus.get(AT["STATUS"]) == (OKAY, 0)
            assert await bus.get(AT["INTERRUPT"]) == (OKAY, 0)
            assert await bus.get(AT["CYCLES"]) == (OKAY, 0)
            bus.sink.clear()
            bus.sink.pause = False
            await run_network(bus)
