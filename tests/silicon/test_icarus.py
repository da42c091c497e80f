"""A small chip on Icarus Verilog beside the stepped simulator, and a fault for each of the RTL's assertions."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import eie
from eie.program.lowering import lower_run
from eie.silicon import Parameters, source_files, verify
from eie.silicon.host_words import host_words

pytest.importorskip("cocotb", reason="cocotb is not installed: it is in the extra dev")

from silicon.faults import changed_sources
from silicon.networks import random_network
from silicon.units.simulators import require, run_bench

# Takes the arguments of the verilated chip's program, and prints what an assertion said, or else the log's end.
PROGRAM = """#!{python}
import json, sys
from pathlib import Path
sys.path[:0] = {path}
from silicon.units.simulators import run_bench
files = dict(zip(("PROGRAM", "TRACE", "SUMS"), sys.argv[1:]))
sources = [Path(path) for path in {sources}]
passed, log = run_bench("icarus", "eie", "silicon.units.bench_chip", {parameters}, Path({folder!r}), sources, files)
fatal = [line for line in log.splitlines() if line.startswith("FATAL")]
sys.exit(0 if passed else fatal[0] if fatal else log[-300:])
"""


@pytest.fixture
def on_icarus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make `verify` build its chip for Icarus, of the sources given."""
    require("icarus")

    def use(sources: tuple[Path, ...] = source_files(), **more: int) -> None:
        def build(parameters: Parameters, cache: Path | None) -> Path:
            program = tmp_path / "chip"
            program.write_text(
                PROGRAM.format(
                    python=sys.executable,
                    path=sys.path,
                    sources=json.dumps([str(path) for path in sources]),
                    parameters=parameters.verilog() | more,
                    folder=str(tmp_path / "build"),
                )
            )
            program.chmod(0o755)
            return program

        # By its full name: in the package, `verify` is the function.
        monkeypatch.setattr(sys.modules["eie.silicon.cosimulation"], "build", build)

    return use


HARDWARE = eie.Hardware(n_pe=3, queue_depth=3, register_entries=4)


@pytest.mark.slow
def test_every_cycle_is_the_stepped_simulators(on_icarus: Callable[..., None]) -> None:
    """Two layers on three PEs, inputs in batches, outputs in passes: outputs and every compared signal."""
    on_icarus()
    network = random_network(2, [30, 15, 7], n_pe=3)
    found = verify(network, np.random.default_rng(0).normal(size=30), HARDWARE)
    assert found.equal, found.difference
    assert found.rtl_cycles == found.cycles > 100
    assert found.outputs == 22


@pytest.mark.slow
@pytest.mark.parametrize("broadcast_stages", [0, 2])
def test_slow_memories_change_no_cycle(on_icarus: Callable[..., None], broadcast_stages: int) -> None:
    """The chip as an FPGA has it, as a run of the table and as steps of the host: equal in every cycle."""
    on_icarus(SLOW_MEMORIES=1)
    network = random_network(2, [30, 15, 7], n_pe=3)
    hardware = replace(HARDWARE, broadcast_stages=broadcast_stages)
    for table in (False, True):
        found = verify(network, np.random.default_rng(0).normal(size=30), hardware, table=table)
        assert found.equal, found.difference
        assert found.rtl_cycles == found.cycles > 100


STALE = "arithm_unit: added to a sum that is not its row's newest"
FAULTS = [
    ("act_queue", "queue_count == COUNT_BITS'(QUEUE_DEPTH - 1)", "1'b0", "act_queue: a broadcast into a full queue"),
    ("act_queue", "if (broadcast && !take)", "if (broadcast)", "act_queue: an entry is lost or doubled"),
    ("act_queue", "if (take) read", "if (take && !broadcast) read", "act_queue: not the oldest entry is taken"),
    ("ptr_read", "!stays && queue_valid", "!stays", "taken from an empty queue"),  # both units say so
    ("ptr_read", "take || stays", "take && !stage_valid || stays", "ptr_read: a taken activation is lost"),
    (
        "ptr_read",
        "next <= entry_address",
        "if (entry_first) next <= entry_address",
        "ptr_read: an entry is not its column's next",
    ),
    (
        "ptr_read",
        "!empty && ",
        "!is_ahead(begins, ends, 1'b1) && !empty && ",
        "ptr_read: a column is left before its last entry",
    ),
    ("ptr_read", "queue_valid && !take", "queue_valid", "ptr_read: an entry is not its column's next"),
    (
        "pe",
        ".host_data(host_data[POINTER_BITS-1:0])",
        ".host_data(~host_data[POINTER_BITS-1:0])",
        "ptr_read: pointers run backwards",
    ),
    (
        "spmat_read",
        "(buffer_valid && row == buffered)",
        "buffer_valid",
        "spmat_read: the buffer does not hold the entry's row",
    ),
    (
        "pe",
        ".busy,\n      .host_write(write_pointer)",
        ".busy(1'b0),\n      .host_write(write_pointer)",
        "ptr_read: a head in I/O mode",
    ),
    ("pe", ".host_write(write_weights)", ".host_write(busy)", "spmat_read: an entry in I/O mode"),
    ("arithm_unit", "if (valid3 && row3 == read_row)", "if (1'b0)", STALE),
    ("arithm_unit", "if (write_valid && write_row == read_row)", "if (1'b0)", STALE),
    (
        "pe",
        "host_data[VALUE_BITS-1:0]",
        "{1'b1, {(VALUE_BITS - 1) {1'b0}}}",
        "arithm_unit: the codebook's value is -2^(B-1)",
    ),
    ("pe", "host_data[VALUE_BITS-1:0]", "VALUE_BITS'(1)", "arithm_unit: the codebook's entry 0 is not 0"),
    (
        "pe",
        ".host_write_source(write_source)",
        ".host_write_source(busy)",
        "act_rw: the host writes or reads in computing mode",
    ),
    (
        "pe",
        "_destination(write_destination)",
        "_destination(busy)",
        "act_rw: the host writes or reads in computing mode",
    ),
    (
        "pe",
        ".host_write_sram(write_sram)",
        ".host_write_sram(busy)",
        "act_rw: the host writes or reads in computing mode",
    ),
    (
        "pe",
        ".host_write_sram(write_sram)",
        ".host_write_sram(load_read && !busy)",
        "act_rw: the SRAM has two accesses",
    ),
    ("lnzd", "left & (left - 1'b1);", "left;", "lnzd: what is found is zero or has been broadcast"),
    (
        "lnzd_node",
        "found_in[0] ?",
        "found_in[2] ? 2'd2 : found_in[0] ?",
        "lnzd: a non-zero is passed over",
    ),
    (
        "eie",
        ".running,\n      .start,",
        ".running,\n      .start(start || stepping),",
        "ccu: a step is started while one runs",
    ),
    ("ccu", "found && !any_full;", "(found || load_enable) && !any_full;", "ccu: a broadcast while no scan runs"),
]


@pytest.mark.slow
@pytest.mark.parametrize("registers", [64, 4])
def test_every_cycle_of_a_run_is_the_stepped_simulators(on_icarus: Callable[..., None], registers: int) -> None:
    """The same from the table: vectors in the files alone, and vectors that are stored and loaded."""
    on_icarus()
    network = random_network(2, [30, 15, 7], n_pe=3)
    hardware = replace(HARDWARE, register_entries=registers)
    found = verify(network, np.random.default_rng(0).normal(size=30), hardware, table=True)
    assert found.equal, found.difference
    assert found.rtl_cycles == found.cycles > 100
    assert found.outputs == 7


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A host program of one layer in batches and passes, and the parameters of its chip."""
    run = lower_run(random_network(2, [30, 15], n_pe=3, density=0.6), np.ones(30), HARDWARE)
    parameters = Parameters.of(run.program)
    path = tmp_path_factory.mktemp("program") / "program"
    path.write_bytes(host_words(run.program, parameters, [run.activations]))
    return path, parameters.verilog()


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "right", "wrong", "message"), FAULTS, ids=[fault[3] for fault in FAULTS])
def test_assertion_stops_a_fault(
    tmp_path: Path, program: tuple[Path, dict[str, int]], unit: str, right: str, wrong: str, message: str
) -> None:
    """Each assertion of the RTL, met by a chip with one fault: the simulation ends with its message."""
    require("icarus")
    path, parameters = program
    files = {"PROGRAM": str(path), "TRACE": str(tmp_path / "trace"), "SUMS": str(tmp_path / "sums")}
    sources = changed_sources(tmp_path, unit, right, wrong)
    passed, log = run_bench("icarus", "eie", "silicon.units.bench_chip", parameters, tmp_path / "build", sources, files)
    assert not passed
    assert any(line.startswith("FATAL") and message in line for line in log.splitlines()), log
