from dataclasses import replace

import numpy as np
import pytest

from eie.chip import Hardware, simulate
from eie.chip.counts import Counts
from eie.chip.timing import Simulation
from eie.cost import Technology, cost, load_technology, price_list
from eie.cost.energy import lnzd_nodes
from eie.encoding.csc import encode
from eie.errors import InputError
from eie.literature import reported
from eie.workloads.layers import generate

PAPER = load_technology("eie-paper-45nm")


def steady_state(cycles: int = 8000, n_pe: int = 64) -> Simulation:
    """A run in the state that the paper states: an entry every cycle, each memory read every eighth."""
    eighth = n_pe * cycles // 8
    none = np.zeros(n_pe, np.int64)
    counts = Counts(
        entries=n_pe * cycles, nnz=n_pe * cycles, broadcasts=cycles // 8, ptr_reads=eighth,
        entries_issued=n_pe * cycles, macs=n_pe * cycles, spmat_reads=eighth,
    )  # fmt: skip
    return Simulation(Hardware(n_pe=n_pe), cycles, counts, none, none, none, none)


def test_table_2_comes_back_in_the_state_it_was_calibrated_in() -> None:
    """Power and area by unit and by kind are Table II's, per PE, at the paper's steady state."""
    table = reported("table2")
    run = cost(steady_state(), PAPER)
    for what, split in (("unit", "units"), ("kind", "kinds")):
        ours = run.by(what)
        lnzd = cost(steady_state(), PAPER).by("unit")["LNZD"]
        for name, row in table[split].items():
            power, area = ours[name]
            if name == "combinational":
                power, area = power - lnzd[0], area - lnzd[1]
            assert power / 64 == pytest.approx(row["power_mw"], abs=0.001), name
            assert area / 64 == pytest.approx(row["area_um2"], abs=1), name


def test_the_chip_is_as_large_and_takes_as_much_as_the_paper_says() -> None:
    """64 PEs and 21 LNZD nodes: 40.8 mm2 and 0.59 W."""
    run = cost(steady_state(), PAPER)
    assert run.area_mm2 == pytest.approx(40.8, abs=0.05)
    assert run.power_mw == pytest.approx(590, abs=5)


def test_energy_is_counts_times_energy_plus_leakage_times_time() -> None:
    """Worked by hand for two components."""
    technology = Technology.model_validate(
        {
            "name": "t", "title": "t", "node_nm": 45, "critical_path_ns": 1, "critical_path_source": "t",
            "components": [
                {"unit": "A", "kind": "x", "action": "mac", "energy_pj": 2, "source": "t", "origin": "assumed"},
                {"unit": "B", "kind": "y", "area_um2": 10, "leakage_mw": 3, "source": "t", "origin": "assumed"},
            ],
        }
    )  # fmt: skip
    layer = generate("NT-LSTM")
    run = simulate(encode(layer.codes, layer.codebook, 16), layer.activations, Hardware(n_pe=16))
    made = cost(run, technology)
    assert made.energy_nj == pytest.approx(2 * run.counts.macs / 1000 + 16 * 3 * run.latency_us)
    assert made.area_mm2 == pytest.approx(16 * 10 / 1e6)
    assert made.frames_per_j == pytest.approx(1e9 / made.energy_nj)
    assert made.power_mw == pytest.approx(sum(power for power, _ in made.by("kind").values()))


def test_the_price_list_is_what_a_cost_is_made_of() -> None:
    """Prices times counts, over all units, are the energy; areas times PEs and nodes are the area."""
    run = steady_state()
    prices = price_list(PAPER, run.hardware)
    nodes = {"LNZD": lnzd_nodes(64)}
    counts = {
        "spmat_read": run.counts.spmat_reads,
        "ptr_read": run.counts.ptr_reads,
        "entry": run.counts.entries_issued,
    }
    counts["queue_entry"] = run.counts.broadcasts * 64
    energy_pj = 0.0
    for unit, price in prices.items():
        cycles = {"cycle": run.cycles * nodes.get(unit, 64)}
        energy_pj += sum(pj * (counts | cycles)[action] for action, pj in price.energy_pj.items())
    made = cost(run, PAPER)
    assert energy_pj / 1000 == pytest.approx(made.energy_nj)
    area = sum(price.area_um2 * nodes.get(unit, 64) for unit, price in prices.items())
    assert area / 1e6 == pytest.approx(made.area_mm2)


def test_two_layers_cost_their_sum() -> None:
    """Energies and times add; the area is there once."""
    one = steady_state()
    both, single = cost([one, one], PAPER), cost(one, PAPER)
    assert both.energy_nj == pytest.approx(2 * single.energy_nj)
    assert both.latency_us == 2 * single.latency_us
    assert both.area_mm2 == single.area_mm2


def test_a_wider_memory_costs_more_a_read_as_in_cacti() -> None:
    """The calibrated figure follows CACTI's ratio between widths."""
    wide = replace(steady_state(), hardware=Hardware(spmat_width_bits=256))
    parts = [
        next(part for part in cost(run, PAPER).parts if part.unit == "SpmatRead" and part.kind == "memory")
        for run in (steady_state(), wide)
    ]
    assert parts[1].energy_pj / parts[0].energy_pj == pytest.approx(73.76 / 32.29)


def test_at_28_nm_a_pe_takes_the_same_power_at_the_higher_clock() -> None:
    """The paper's rule: 256 PEs at 1.6 times the clock take four times the 64 PEs' power, in 63.8 mm2."""
    small = steady_state(n_pe=256)
    large = replace(small, hardware=replace(small.hardware, clock_mhz=800 * 45 / 28))
    made = cost(large, PAPER.scaled(28))
    assert made.power_mw == pytest.approx(cost(small, PAPER).power_mw)
    assert made.area_mm2 == pytest.approx(63.8, rel=0.01)


@pytest.mark.parametrize(("n_pe", "nodes"), [(1, 1), (4, 1), (5, 3), (16, 5), (64, 21), (256, 85)])
def test_the_quadtree_has_a_node_for_every_four(n_pe: int, nodes: int) -> None:
    """21 nodes for 64 PEs, as the paper says."""
    assert lnzd_nodes(n_pe) == nodes


def test_a_clock_too_fast_is_refused() -> None:
    """1.15 ns allow 869.6 MHz."""
    fast = replace(steady_state(), hardware=Hardware(clock_mhz=1000))
    with pytest.raises(InputError) as error:
        cost(fast, PAPER)
    assert str(error.value) == (
        "clock_mhz is 1000, but eie-paper-45nm allows 869.6 at most: its critical path is 1.15 ns"
    )


def test_layers_on_different_hardware_have_no_cost_together() -> None:
    """One chip runs one network."""
    with pytest.raises(InputError) as error:
        cost([steady_state(), steady_state(n_pe=16)], PAPER)
    assert str(error.value) == "the layers of one cost must run on the same hardware, but their hardware differs"
