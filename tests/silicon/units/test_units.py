"""Every unit of the RTL beside its stepped twin, on its own, on two simulators."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cocotb", reason="cocotb is not installed: it is in the extra dev")

from silicon.faults import changed_sources
from silicon.units.simulators import require, run_bench

# The first of a unit's sizes runs on both simulators; the others, which cost Verilator a build each, on Icarus.
SIZES: dict[str, tuple[dict[str, int], ...]] = {
    "act_queue": ({"DEPTH": 3}, {"DEPTH": 2}, {"DEPTH": 8}),
    "ptr_read": ({"POINTER": 8, "WORDS": 32, "COLUMN": 6}, {"POINTER": 16, "WORDS": 100, "COLUMN": 9}),
    "spmat_read": ({"ROWS": 16, "POINTER": 8}, {"ROWS": 100, "ENTRIES": 1, "POINTER": 7}),
    "arithm_unit": (
        {"REGISTERS": 5, "VALUE": 16, "ACCUMULATOR": 17},
        {"REGISTERS": 40, "VALUE": 8, "ACCUMULATOR": 8},
    ),
    "act_rw": ({"REGISTERS": 5, "SRAM_WORDS": 16, "ROW": 3}, {"REGISTERS": 1, "SRAM_WORDS": 4, "ROW": 1}),
    "lnzd_node": ({},),
    "lnzd": ({"N_PE": 5, "ROW": 4}, {"N_PE": 1, "ROW": 4}, {"N_PE": 64, "ROW": 4}),
    "ccu": ({"N_PE": 5, "ROW": 4}, {"N_PE": 1, "ROW": 3}),
}
RUNS = [
    pytest.param(simulator, unit, sizes, marks=pytest.mark.slow, id=f"{simulator}-{unit}-{number}")
    for simulator in ("icarus", "verilator")
    for unit, all_sizes in SIZES.items()
    for number, sizes in enumerate(all_sizes if simulator == "icarus" else all_sizes[:1])
]


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this module's builds."""
    return tmp_path_factory.mktemp("builds")


@pytest.mark.parametrize(("simulator", "unit", "sizes"), RUNS)
def test_unit_equals_its_twin(
    builds: Path, request: pytest.FixtureRequest, simulator: str, unit: str, sizes: dict[str, int]
) -> None:
    """Random inputs with gaps and back-pressure: every output of the signal table is equal in every cycle."""
    require(simulator)
    passed, log = run_bench(simulator, unit, f"silicon.units.bench_{unit}", sizes, builds / request.node.callspec.id)
    assert passed, log


def test_a_difference_fails_and_is_named(tmp_path: Path) -> None:
    """A queue that is full one entry too early: the bench stops at the signal."""
    require("icarus")
    changed = changed_sources(tmp_path, "act_queue", "COUNT'(DEPTH - 1)", "COUNT'(DEPTH - 2)")
    passed, log = run_bench("icarus", "act_queue", "silicon.units.bench_act_queue", {}, tmp_path / "build", changed)
    assert not passed
    assert "any_full is 1 in the RTL, expected 0x0" in log
