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
from eie.program.host import HostWords
from eie.workloads.layers import generate

PAPER = load_technology("eie-paper-45nm")


def steady_state(n_pe: int = 64) -> Simulation:
    """100,000 cycles at the activity that the paper's technology file was calibrated at."""
    assert PAPER.activity is not None
    cycles, rate = 100_000, PAPER.activity.per_cycle
    none = np.zeros(n_pe, np.int64)
    counts = Counts(
        entries=0, nnz=0, macs=0,
        broadcasts=round(cycles * rate["queue_entry"]),
        ptr_reads=round(n_pe * cycles * rate["ptr_read"]),
        entries_issued=round(n_pe * cycles * rate["entry"]),
        spmat_reads=round(n_pe * cycles * rate["spmat_read"]),
    )  # fmt: skip
    return Simulation(Hardware(n_pe=n_pe), cycles, counts, HostWords(0, 0, 0, 0, 0), none, none, none, none)


def test_table_2s_logic_and_areas_come_back_at_the_activity_they_were_calibrated_at() -> None:
    """What was put in comes out: areas, and the powers of clock, registers and combinational cells, per PE."""
    table = reported("table2")
    run = cost(
        steady_state(),
        PAPER.model_copy(update={"components": tuple(one for one in PAPER.components if one.per == "pe")}),
    )
    kinds, units = run.split("kind"), run.split("unit")
    for name, row in table["kinds"].items():
        assert kinds[name].area_mm2 * 1e6 / 64 == pytest.approx(row["area_um2"], abs=1), name
        if name != "memory":
            assert kinds[name].power_mw / 64 == pytest.approx(row["power_mw"], abs=0.001), name
    for name, row in table["units"].items():
        assert units[name].area_mm2 * 1e6 / 64 == pytest.approx(row["area_um2"], abs=1), name
    for name in ("Act_queue", "ArithmUnit"):
        assert units[name].power_mw / 64 == pytest.approx(table["units"][name]["power_mw"], abs=0.001), name
        assert units[name].power_put_in == 1


def test_the_weight_memory_takes_its_leakage_and_its_reads() -> None:
    """1.59 mW + 15.54 pJ x 0.8 GHz x 0.19233 reads a cycle = 3.98 mW, CACTI's figures alone; Table II has 3.97."""
    memory = cost(steady_state(), PAPER).split("unit")["SpmatRead"].split("kind")["memory"]
    assert memory.power_mw / 64 == pytest.approx(1.59 + 15.54 * 0.8 * 0.19233, rel=1e-4)
    assert (memory.power_put_in, memory.area_put_in) == (0, 1)


def test_the_chip_is_as_large_as_the_paper_says() -> None:
    """64 PEs and 21 LNZD nodes: 40.8 mm2, all of it put in."""
    run = cost(steady_state(), PAPER)
    assert run.area_mm2 == pytest.approx(40.8, abs=0.05)
    assert run.area_put_in == pytest.approx(1)


def test_a_memory_too_slow_for_the_clock_is_told() -> None:
    """itrs-lop reads every 1.17 ns, within the 1.25 of 800 MHz; itrs-lstp every 1.65, beyond them."""
    fast, slow = cost(steady_state(), PAPER), cost(steady_state(), PAPER.with_memories("itrs-lstp, ED2"))
    assert (fast.slowest_memory_ns, fast.keeps_clock) == (1.17, True)
    assert (slow.slowest_memory_ns, slow.keeps_clock) == (1.65, False)
    assert cost(steady_state(), PAPER.scaled(22.5)).slowest_memory_ns == pytest.approx(1.17 / 2)


@pytest.mark.parametrize(
    ("size", "value"), [("accumulator_bits", 16), ("value_bits", 8), ("pointer_bits", 20), ("spmat_bytes", 2**19)]
)
def test_a_size_without_a_price_is_refused(size: str, value: int) -> None:
    """No size is free: what a technology does not follow must have the value that it has a price for."""
    flat = PAPER.model_copy(update={"components": tuple(one for one in PAPER.components if one.memory is None)})
    other = replace(steady_state(), hardware=replace(Hardware(), **{size: value}))
    with pytest.raises(InputError) as error:
        cost(other, flat)
    assert str(error.value) == (
        f"{size} is {value}, but technology eie-paper-45nm has a price for {getattr(Hardware(), size)} alone: "
        "no component of it follows that size"
    )


def test_four_times_the_weight_memory_takes_four_times_its_area_and_leakage() -> None:
    """512 KB are four banks of 128 KB, of which a read wakes one."""
    large = replace(steady_state(), hardware=Hardware(spmat_bytes=2**19))
    here, there = (
        cost(run, PAPER).split("unit")["SpmatRead"].split("kind")["memory"] for run in (steady_state(), large)
    )
    assert there.area_mm2 == pytest.approx(4 * here.area_mm2)
    assert (there.power_mw - here.power_mw) / 64 == pytest.approx(3 * 1.59)


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
    assert made.power_mw == pytest.approx(sum(part.power_mw for part in made.split("kind").values()))


def test_the_price_list_is_what_a_cost_is_made_of() -> None:
    """Prices times counts and leakage times time, over all units, are the energy; areas times instances the area."""
    run = steady_state()
    prices = price_list(PAPER, run.hardware)
    nodes = {"LNZD": lnzd_nodes(64)}
    counts = {
        "spmat_read": run.counts.spmat_reads,
        "ptr_read": run.counts.ptr_reads,
        "entry": run.counts.entries_issued,
        "activation_read": run.counts.activation_reads,
    }
    counts["queue_entry"] = run.counts.broadcasts * 64
    energy_pj = 0.0
    for unit, price in prices.items():
        energy_pj += nodes.get(unit, 64) * price.leakage_mw * run.latency_us * 1000
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
    assert parts[1].energy_pj / parts[0].energy_pj == pytest.approx(34.12 / 15.54)


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


def test_arithmetic_units_take_area_and_clock_energy() -> None:
    """A PE with two has the area of both, and nothing else grows."""
    matrix = encode(np.ones((8, 8), int), [0, 1], n_pe=2)

    def areas(units: int) -> dict[str, float]:
        simulation = simulate(matrix, np.ones(8, int), Hardware(n_pe=2, arithmetic_units=units))
        found: dict[str, float] = {}
        for part in cost(simulation, PAPER).parts:
            found[part.unit] = found.get(part.unit, 0.0) + part.area_um2
        return found

    one, two = areas(1), areas(2)
    assert two.pop("ArithmUnit") == pytest.approx(2 * one.pop("ArithmUnit"))
    assert two == one
