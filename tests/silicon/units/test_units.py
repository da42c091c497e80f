"""Every unit of the RTL beside its stepped twin, on its own, on two simulators."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cocotb", reason="cocotb is not installed: it is in the extra dev")

from silicon.faults import changed_sources
from silicon.units.simulators import require, run_bench

# The first of a unit's sizes runs on both simulators; the others, which cost Verilator a build each, on Icarus.
SIZES: dict[str, tuple[dict[str, int], ...]] = {
    "act_queue": (
        {"QUEUE_DEPTH": 3},
        {"QUEUE_DEPTH": 2, "SLOW_MEMORIES": 1},
        {"QUEUE_DEPTH": 8, "SLOW_MEMORIES": 1},
        {"QUEUE_DEPTH": 8, "LATCHES": 1},
    ),
    "ptr_read": (
        {"POINTER_BITS": 8, "POINTER_WORDS": 32, "COLUMN_BITS": 6},
        {"POINTER_BITS": 16, "POINTER_WORDS": 100, "COLUMN_BITS": 9},
        {"POINTER_BITS": 8, "POINTER_WORDS": 32, "COLUMN_BITS": 6, "SLOW_MEMORIES": 1},
    ),
    "spmat_read": (
        {"SPMAT_ROWS": 16, "POINTER_BITS": 8},
        {"SPMAT_ROWS": 100, "ENTRIES_PER_ROW": 1, "POINTER_BITS": 7},
        {"SPMAT_ROWS": 16, "POINTER_BITS": 8, "SLOW_MEMORIES": 1},
    ),
    "arithm_unit": (
        {"REGISTER_ENTRIES": 5, "VALUE_BITS": 16, "ACCUMULATOR_BITS": 17},
        {"REGISTER_ENTRIES": 40, "VALUE_BITS": 8, "ACCUMULATOR_BITS": 8, "LATCHES": 1},
    ),
    "act_rw": (
        {"REGISTER_ENTRIES": 5, "SRAM_WORDS": 16},
        {"REGISTER_ENTRIES": 1, "SRAM_WORDS": 4},
        {"REGISTER_ENTRIES": 21, "SRAM_WORDS": 32, "LATCHES": 1},
        {"REGISTER_ENTRIES": 21, "SRAM_WORDS": 32, "SLOW_MEMORIES": 1},
    ),
    "lnzd_node": ({},),
    "lnzd": (
        {"N_PE": 5, "REGISTER_ENTRIES": 15},
        {"N_PE": 1, "REGISTER_ENTRIES": 15},
        {"N_PE": 64, "REGISTER_ENTRIES": 15},
    ),
    "ccu": ({"N_PE": 5, "REGISTER_ENTRIES": 15}, {"N_PE": 1, "REGISTER_ENTRIES": 7}),
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
    changed = changed_sources(tmp_path, "act_queue", "COUNT_BITS'(QUEUE_DEPTH - 1)", "COUNT_BITS'(QUEUE_DEPTH - 2)")
    passed, log = run_bench("icarus", "act_queue", "silicon.units.bench_act_queue", {}, tmp_path / "build", changed)
    assert not passed
    assert "any_full is 1 in the RTL, expected 0x0" in log
