"""The chip in a LiteX system: the system's Verilog as LiteX writes it, run, with its bus steered from outside."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cocotb", reason="cocotb is not installed: it is in the extra dev")

from eie.errors import MissingExtra
from eie.silicon.fpga import block_ram_chip
from eie.silicon.sources import source_files
from silicon.units.simulators import require, run_bench

CHIP = block_ram_chip(2, register_entries=4)


def test_without_litex(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, and the extra's name."""
    monkeypatch.delitem(sys.modules, "eie.device.litex", raising=False)
    monkeypatch.setitem(sys.modules, "migen", None)
    with pytest.raises(MissingExtra, match=r"eie\[litex\]"):
        import eie.device.litex  # noqa: F401


def system(folder: Path) -> tuple[Path, Path]:
    """Write a system of the chip, 64 KiB of memory and a bus from outside: its Verilog, and a list of its registers."""
    from litex.build.generic_platform import Pins
    from litex.build.io import CRG
    from litex.build.sim import SimPlatform
    from litex.soc.integration.export import get_csr_json
    from litex.soc.integration.soc_core import SoCMini
    from litex.soc.interconnect import wishbone

    from eie.device.litex import add_eie

    outside = wishbone.Interface(data_width=32, adr_width=30, addressing="word")
    pins: list[Any] = [("sys_clk", 0, Pins(1)), ("sys_rst", 0, Pins(1)), *outside.get_ios("bus")]
    platform = SimPlatform("SIM", pins)
    soc = SoCMini(platform, clk_freq=100e6)
    soc.crg = CRG(platform.request("sys_clk"), platform.request("sys_rst"))
    soc.add_ram("main_ram", 0x4000_0000, 0x1_0000)
    soc.comb += outside.connect_to_pads(platform.request("bus"), mode="slave")
    soc.bus.add_master("outside", outside)
    add_eie(soc, CHIP, origin=0x2000_0000)
    soc.finalize()
    platform.get_verilog(soc, name="system").write(str(folder / "system.v"))
    assert {Path(path).name for path, *_ in platform.sources} == {path.name for path in source_files()}
    (folder / "system.json").write_text(get_csr_json(soc.csr_regions, soc.constants, soc.mem_regions))
    return folder / "system.v", folder / "system.json"


@pytest.mark.slow
def test_a_network_through_a_litex_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers over the bus, streams by DMA, the interrupt: outputs and cycles are the simulation's."""
    pytest.importorskip("litex", reason="litex is not installed: it is in the extra litex")
    require("verilator")
    build = tmp_path / "build"
    build.mkdir()
    monkeypatch.chdir(build)  # the memory's contents, a file of its own, are written here and read from here
    verilog, listed = system(build)
    passed, log = run_bench(
        "verilator",
        "system",
        "device.bench_litex",
        {},
        build,
        [*source_files(), verilog],
        {"SYSTEM": str(listed)},
    )
    assert passed, log
