"""Weights read from an external memory: bytes counted by hand, time and energy from them, and what is kept on chip."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import eie
from eie.chip import Hardware
from eie.cost import (
    ExternalMemory,
    Stream,
    cost,
    cost_with_streams,
    external_memories,
    load_external_memory,
    load_technology,
    stream,
    stream_matrix,
    streamed_layers,
)
from eie.errors import InputError
from eie.program import passes_of

SLOW = ExternalMemory(
    name="slow",
    title="for a test",
    bandwidth_gb_s=1.0,
    bandwidth_source="test",
    energy_pj_per_bit=10.0,
    energy_source="test",
    access_bytes=8,
    access_source="test",
    latency_ns=50.0,
    latency_source="test",
)
SMALL = Hardware(n_pe=2, spmat_bytes=16)
rng = np.random.default_rng(7)
CODES = (rng.random((40, 12)) < 0.4) * rng.integers(1, 16, (40, 12))
MATRIX = eie.encode(CODES, np.arange(16) / 16, n_pe=2)
INPUTS = np.where(np.arange(12) % 3 == 0, 1.0, 0.0)


def streamed(memory: ExternalMemory = SLOW, hardware: Hardware = SMALL) -> Stream:
    found = stream_matrix(MATRIX, INPUTS, hardware, memory)
    assert isinstance(found, Stream)
    return found


def test_only_columns_of_active_inputs_are_read_in_whole_accesses() -> None:
    """Column by column: its entries of a byte, a pointer of two bytes for each PE, rounded up to 8 bytes."""
    read = 0
    for column in range(0, 12, 3):
        entries = sum(len(eie.encoding.csc.encode_column(CODES[pe::2, column])[0]) for pe in range(2))
        read += -(-(entries + 2 * 2) // 8) * 8
    assert streamed().read_bytes == read
    assert streamed(SLOW.model_copy(update={"access_bytes": 64})).read_bytes == 4 * 64


def test_time_is_the_longer_of_computing_and_reading_and_the_latency() -> None:
    """1 GB/s is a byte a nanosecond; a memory without limits leaves the chip's own time."""
    slow = streamed()
    assert slow.bound_by == "memory"
    assert slow.latency_us == pytest.approx(0.050 + slow.read_bytes / 1000)
    fast = streamed(SLOW.model_copy(update={"bandwidth_gb_s": 1e6, "latency_ns": 0.0}))
    assert fast.bound_by == "computing"
    assert fast.latency_us == eie.simulate(MATRIX, INPUTS, SMALL).latency_us
    assert fast.with_waiting.cycles == fast.simulation.cycles


def test_the_chip_waits_at_its_clocks_and_leakages_cost() -> None:
    """Energy: the chip's with the cycles waited, each byte's bits, and a write of each row that arrives."""
    technology, hardware = load_technology("cacti-45nm"), Hardware(n_pe=2)
    run = stream(eie.simulate(MATRIX, INPUTS, hardware), passes_of(MATRIX, hardware), INPUTS != 0, SLOW)
    made = cost_with_streams([run], technology)
    assert made.latency_us == pytest.approx(run.latency_us, abs=1 / 800)
    parts = {part.unit: part for part in made.parts if part.action in ("read", "write")}
    assert parts["slow"].energy_pj == run.read_bytes * 80
    assert parts["SpmatRead"].energy_pj > 0
    waited = cost(run.with_waiting, technology).energy_nj
    assert made.energy_nj == pytest.approx(waited + sum(part.energy_pj for part in parts.values()) / 1000)
    assert waited > cost(run.simulation, technology).energy_nj
    assert made.area_mm2 == cost(run.simulation, technology).area_mm2


def test_layers_stay_on_the_chip_as_long_as_all_of_them_fit() -> None:
    """The first that fits beside those before it stays; one too large does not keep a later one out."""
    hardware = Hardware(n_pe=2, spmat_bytes=int(np.diff(MATRIX.slice_starts).max()) + 20)
    tiny = eie.encode(CODES[:6], np.arange(16) / 16, n_pe=2)
    layers = [passes_of(one, hardware) for one in (MATRIX, MATRIX, tiny)]
    assert streamed_layers(layers, hardware) == [False, True, False]
    assert streamed_layers(layers, replace(hardware, pointer_bytes=2 * 14)) == [False, True, True]
    assert not isinstance(stream_matrix(MATRIX, INPUTS, hardware, SLOW), Stream)


def test_passes_read_their_own_weights_and_wait_each() -> None:
    """In passes each has its own columns and its latency; together they read what the sum over passes says."""
    hardware = replace(SMALL, register_entries=7, batched=True)
    run = streamed(hardware=hardware)
    parts = passes_of(MATRIX, hardware)
    assert run.passes == len(parts) > 1
    each = [stream(run.simulation, [part], INPUTS != 0, SLOW).read_bytes for part in parts]
    assert run.read_bytes == sum(each)
    assert run.latency_us == pytest.approx(len(parts) * 0.05 + max(run.simulation.latency_us, run.transfer_us))


def test_the_shipped_memories_say_where_each_figure_comes_from(tmp_path: Path) -> None:
    """LPDDR2 is the paper's 640 pJ for 32 bits; a file of one's own is read, and a wrong name or figure refused."""
    assert external_memories() == ("hbm2", "lpddr2", "lpddr4")
    for name in external_memories():
        assert all(value for value in load_external_memory(name).model_dump().values())
    assert load_external_memory("lpddr2").energy_pj_per_bit * 32 == 640
    (tmp_path / "own.toml").write_text('name = "own"\nbandwidth_gb_s = -1\n')
    with pytest.raises(InputError, match=r"external memory file .*own.toml: title is missing"):
        load_external_memory(tmp_path / "own.toml")
    with pytest.raises(InputError, match="no external memory is named ddr9; there are hbm2, lpddr2, lpddr4"):
        load_external_memory("ddr9")
