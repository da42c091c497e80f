"""What the host has written it reads: every memory, at the chip's own port, on two simulators."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cocotb", reason="cocotb is not installed: it is in the extra dev")

from silicon.faults import changed_sources
from silicon.units.simulators import require, run_bench

SMALL = {"SPMAT_ROWS": 6, "POINTER_WORDS": 7, "SRAM_WORDS": 9, "COLUMN_BITS": 4, "HOST_ADDRESS_BITS": 4}
# Groups of PEs, of which one is not whole; latches; an FPGA's memories; words narrower and wider than two registers.
SIZES = (
    {**SMALL, "N_PE": 6, "REGISTER_ENTRIES": 5, "LATCHES": 1},
    {**SMALL, "N_PE": 3, "REGISTER_ENTRIES": 17, "SLOW_MEMORIES": 1, "HOST_ADDRESS_BITS": 5},
    {**SMALL, "N_PE": 1, "REGISTER_ENTRIES": 1, "ENTRIES_PER_ROW": 1, "ACCUMULATOR_BITS": 17, "DATA_BITS": 17},
    {**SMALL, "N_PE": 2, "ENTRIES_PER_ROW": 16, "DATA_BITS": 128, "HOST_ADDRESS_BITS": 6, "POINTER_BITS": 20},
)
FAULTS = (
    ("pe", "READ_BITS'(shown_weight)", "READ_BITS'($unsigned(shown_weight))"),
    ("pe", "READ_BITS'(source_value)", "READ_BITS'($signed(source_row))"),
    ("act_rw", "host_write_sram || host_read_sram ? SRAM", "host_write_sram ? SRAM"),
    ("eie", "group_read     <= POSITION_BITS'(int'(read_pe) / GROUP);", "group_read     <= '0;"),
    ("eie", "read_pe        <= host_pe;", "read_pe        <= '0;"),
)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("sizes", SIZES, ids=range(len(SIZES)))
def test_every_memory_is_read(tmp_path: Path, simulator: str, sizes: dict[str, int]) -> None:
    """Random words, in any order, with gaps between the steps."""
    require(simulator)
    passed, log = run_bench(simulator, "eie", "silicon.units.bench_host_port", sizes, tmp_path / "build")
    assert passed, log


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "right", "wrong"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_is_found(tmp_path: Path, unit: str, right: str, wrong: str) -> None:
    """The bench fails on a chip with one fault."""
    require("icarus")
    sources = changed_sources(tmp_path, unit, right, wrong)
    assert not run_bench("icarus", "eie", "silicon.units.bench_host_port", SIZES[0], tmp_path / "build", sources)[0]
