"""The SystemVerilog files: in the installed package, or in rtl/ of a checkout."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

__all__ = ["UNITS", "c_header", "copy_sources", "default_parameters", "harness_file", "source_files"]

# In order of dependence, the tops last: the chip, behind a bus, and behind SPI. File and module names agree.
UNITS = (
    "eie_registers",
    "sram",
    "low_gate",
    "data_gate",
    "register_file",
    "act_queue",
    "ptr_read",
    "spmat_read",
    "arithm_unit",
    "act_rw",
    "pe",
    "lnzd_node",
    "lnzd",
    "step_table",
    "ccu",
    "credits",
    "eie",
    "eie_axi",
    "eie_spi",
)


def source_files() -> tuple[Path, ...]:
    """Return the SystemVerilog files, one per unit."""
    here = Path(__file__).parent
    installed = here / "sv"
    folder = installed if installed.is_dir() else here.parents[2] / "rtl"
    return tuple(folder / f"{unit}.sv" for unit in UNITS)


def default_parameters(unit: str) -> dict[str, int]:
    """Return the parameters of a unit's module with their default values, in the source's order."""
    text = next(path for path in source_files() if path.stem == unit).read_text()
    return {name: int(value) for name, value in re.findall(r"^ *parameter int (\w+) = (\d+)", text, re.M)}


def copy_sources(folder: Path) -> None:
    """Copy the SystemVerilog files into `folder`."""
    for path in source_files():
        shutil.copyfile(path, folder / path.name)


def c_header() -> Path:
    """Return the C header of the registers of `eie_axi`."""
    return source_files()[0].with_name("eie_registers.h")


def harness_file(top: str = "eie") -> Path:
    """Return the C++ program that drives the verilated chip, `eie`, or the chip behind its bus, `eie_axi`."""
    return Path(__file__).parent / ("harness.cpp" if top == "eie" else f"{top}_harness.cpp")
