"""A technology from one's own chip: what was measured comes back, and the file written is the file read."""

from pathlib import Path

import numpy as np
import pytest

import eie
from eie.chip import Hardware, simulate
from eie.cost import Cells, Logic, Technology, cost, load_technology, technology_from, write_technology
from eie.errors import InputError
from eie.workloads.layers import generate


def cells(clock: float, register: float, combinational: float, leakage: float) -> dict[str, Cells]:
    """A unit of 1,000 um2 with these powers, a third of the leakage in each kind."""
    kinds = {"clock network": clock, "register": register, "combinational": combinational}
    return {kind: Cells(1000 / 3, mw, min(leakage / 3, mw)) for kind, mw in kinds.items()}


UNITS = {
    "Act_queue": cells(0.10, 0.05, 0.05, 0.02),
    "PtrRead": cells(0.10, 0.02, 0.03, 0.01),
    "SpmatRead": cells(0.20, 0.10, 0.10, 0.01),
    "ArithmUnit": cells(0.10, 0.30, 0.80, 0.05),
    "ActRW": cells(0.50, 0.20, 0.20, 0.20),
    "between them": cells(0.01, 0.01, 0.01, 0.005),
}


def ours(**changed: object) -> Technology:
    run = RUN
    pe_cycles = run.cycles * 64
    settings = {
        "activity": {
            "queue_entry": run.counts.ptr_reads / pe_cycles,
            "ptr_read": run.counts.ptr_reads / pe_cycles,
            "spmat_read": run.counts.spmat_reads / pe_cycles,
            "entry": run.counts.entries_issued / pe_cycles,
        },
        "name": "ours",
        "title": "a chip of our own",
        "source": "synthesised with a test's cells",
        "activity_source": "NT-LSTM",
        "clock_mhz": 800.0,
        "critical_path_ns": 1.2,
    }
    return technology_from(
        [*(Logic(unit, kinds) for unit, kinds in UNITS.items()), Logic("LNZD", {"combinational": Cells(123.0)})],
        **(settings | changed),  # type: ignore[arg-type]
    )


LAYER = generate("NT-LSTM")
RUN = simulate(eie.encode(LAYER.codes, LAYER.codebook), LAYER.activations)


def test_the_power_measured_comes_back_at_the_activity_it_was_measured_at() -> None:
    """Each unit's logic takes per PE what was measured, leakage included; areas are those synthesised."""
    made = cost(RUN, ours()).split("unit")
    for unit, kinds in UNITS.items():
        logic = [part for part in made[unit].parts if part.origin == "synthesised here"]
        energy_pj = sum(part.energy_pj + part.leakage_pj for part in logic)
        assert energy_pj / 1000 / RUN.latency_us / 64 == pytest.approx(
            sum(one.power_mw or 0.0 for one in kinds.values())
        )
        assert sum(part.area_um2 for part in logic) == pytest.approx(64 * 1000)


def test_nothing_is_the_papers_but_the_detectors_power() -> None:
    """Memories are CACTI's, areas all ours; of the power only the detector's 21 x 0.023 mW are put in."""
    made = cost(RUN, ours())
    assert made.area_put_in == 0
    assert made.power_put_in * made.power_mw == pytest.approx(21 * 0.023)
    assert {part.origin for part in made.parts} == {"synthesised here", "CACTI 7", "paper"}


def test_the_file_written_is_the_technology_read(tmp_path: Path) -> None:
    """Through TOML and back, every figure stays; `@16` takes it to another node."""
    write_technology(ours(), tmp_path / "ours.toml")
    assert load_technology(tmp_path / "ours.toml") == ours()
    small = cost(RUN, load_technology(f"{tmp_path / 'ours.toml'}@16"))
    large = cost(RUN, ours())
    assert small.area_mm2 == pytest.approx(large.area_mm2 * (16 / 45) ** 2)
    assert small.split("kind")["register"].parts[0].energy_pj == pytest.approx(
        large.split("kind")["register"].parts[0].energy_pj * 16 / 45
    )


def test_queues_registers_and_multipliers_follow_their_sizes() -> None:
    """Twice the queue is twice its area, its clock and its leakage; a size without a price stays refused."""
    small, large = (
        cost(simulate(eie.encode(LAYER.codes, LAYER.codebook), LAYER.activations, Hardware(queue_depth=depth)), ours())
        for depth in (8, 16)
    )
    one, two = small.split("unit")["Act_queue"], large.split("unit")["Act_queue"]
    assert two.area_mm2 == pytest.approx(2 * one.area_mm2)
    leaked = [sum(part.leakage_pj for part in each.parts) / each.latency_us for each in (one, two)]
    assert leaked[1] == pytest.approx(2 * leaked[0])
    with pytest.raises(InputError, match="value_bits is 8"):
        cost(simulate(eie.encode(LAYER.codes, LAYER.codebook), LAYER.activations, Hardware(value_bits=8)), ours())


@pytest.mark.parametrize(
    ("logic", "changed", "sentence"),
    [
        ([Logic("Alu", {})], {}, "no unit 'Alu' to price; there are Act_queue"),
        ([Logic("LNZD", {}), Logic("LNZD", {})], {}, "unit LNZD is priced twice"),
        ([Logic("ActRW", UNITS["ActRW"])], {"activity": {"ptr_read": 0.2}}, "ActRW needs how often entry"),
        ([Logic("ActRW", {"register": Cells(1.0, 0.1, 0.2)})], {}, "unit ActRW, register, leaks more than its power"),
    ],
)
def test_what_cannot_be_priced_is_refused(logic: list[Logic], changed: dict[str, object], sentence: str) -> None:
    """An unknown or doubled unit, a power without its activity, and leakage above the power."""
    settings = {"activity": {"entry": 0.9}, "clock_mhz": 800.0, "critical_path_ns": 1.0}
    texts = {"name": "x", "title": "x", "source": "x", "activity_source": "x"}
    with pytest.raises(InputError, match=sentence):
        technology_from(logic, **(texts | settings | changed))  # type: ignore[arg-type]


def test_batches_read_the_activation_memory() -> None:
    """9,216 inputs on 64 PEs are three batches of which two are loaded: 80 rows, each one read of every PE."""
    layer = generate("Alex-6")
    run = simulate(eie.encode(layer.codes, layer.codebook), layer.activations, Hardware(batched=True))
    assert run.counts.activation_reads == (9216 - 4096) // 64 * 64
    read = next(part for part in cost(run, load_technology("cacti-45nm")).parts if part.action == "activation_read")
    assert read.energy_pj == pytest.approx(run.counts.activation_reads * 1.0)
    once = simulate(eie.encode(layer.codes, layer.codebook), layer.activations)
    assert once.counts.activation_reads == 0
    assert np.array_equal(once.busy_cycles, run.busy_cycles)


@pytest.mark.parametrize("node", ["x", "-28", "0", "nan", "inf"])
def test_a_node_must_be_a_number_of_nm(node: str) -> None:
    """What follows the @ is checked."""
    with pytest.raises(InputError, match=r"must (end in its node in nm|be a positive number of nm)"):
        load_technology(f"eie-paper-45nm@{node}")
