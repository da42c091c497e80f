"""The SystemVerilog files: in the installed package, or in rtl/ of a checkout."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

__all__ = ["UNITS", "copy_sources", "default_parameters", "harness_file", "source_files"]

# In order of dependence, the top last; file and module names agree.
UNITS = (
    "sram",
    "clock_gate",
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
    "ccu",
    "eie",
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


def harness_file() -> Path:
    """Return the C++ program that drives the verilated chip."""
    return Path(__file__).parent / "harness.cpp"
