"""The chip behind its bus on two simulators, driven by cocotbext-axi."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cocotb", reason="cocotb is not installed: it is in the extra dev")
pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed: it is in the extra dev")

from silicon.faults import changed_sources
from silicon.units.simulators import require, run_bench

SIZES = {
    **{"N_PE": 3, "QUEUE_DEPTH": 3, "REGISTER_ENTRIES": 4, "SPMAT_ROWS": 32, "POINTER_WORDS": 32},
    **{"SRAM_WORDS": 49, "COLUMN_BITS": 6, "HOST_ADDRESS_BITS": 6, "TABLE_STEPS": 8},
}
FAULTS = (
    ("accepted = idle && fits(setting, s_axil_wdata);", "accepted = fits(setting, s_axil_wdata);"),  # lost while busy
    ("wire there = address < places && ", "wire there = "),
    ("assign s_axis_tready = !occupied && ", "assign s_axis_tready = "),
    ("wire move = !m_axis_tvalid || m_axis_tready;", "wire move = 1'b1;"),  # a word sent that nobody takes
    ("if (resetting) begin", "if (!aresetn) begin"),
)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_the_port(tmp_path: Path, simulator: str) -> None:
    """Networks under stalls, every refusal, resets in the middle."""
    require(simulator)
    passed, log = run_bench(simulator, "eie_axi", "device.bench_axi", SIZES, tmp_path / "build")
    assert passed, log


@pytest.mark.slow
@pytest.mark.parametrize(("right", "wrong"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_of_the_port_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    """The bench fails on a port with one fault."""
    require("icarus")
    sources = changed_sources(tmp_path, "eie_axi", right, wrong)
    passed, _ = run_bench("icarus", "eie_axi", "device.bench_axi", SIZES, tmp_path / "build", sources)
    assert not passed
