"""The int8 window in AVX-VNNI's encoding, on any processor with AVX2: the instruction that it lacks is done for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.programs import NATIVE, sources


@pytest.mark.slow
def test_sums_are_those_of_the_columns(tmp_path: Path) -> None:
    """Layers of several shapes, sparse to full, signed inputs and not: every sum is that of the readable kernel."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None or sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("needs a C++ compiler on x86-64")
    flags = sources()
    parts = [NATIVE / "kernels" / f"{name}.cpp" for name in ("codebook", "columns", "window_int8_avxvnni")]
    assert "-mavxvnni" in flags[parts[-1]]
    objects = []
    for source in (*parts, Path(__file__).with_name("avxvnni.cpp")):
        objects.append(str(tmp_path / f"{source.stem}.o"))
        command = [compiler, "-std=c++20", "-O2", "-I", str(NATIVE), *flags.get(source, [])]
        subprocess.run([*command, "-c", str(source), "-o", objects[-1]], check=True)
    program = tmp_path / "avxvnni"
    subprocess.run([compiler, *objects, "-o", str(program), "-pthread"], check=True)
    finished = subprocess.run([str(program)], capture_output=True, text=True, timeout=300, check=False)
    if finished.returncode == 2:
        pytest.skip("needs avx2")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    compared, stops = map(int, finished.stdout.split())
    assert compared == 6 * (1 + 65 + 130 + 20)
    assert (stops == 0) == (" avx_vnni" in Path("/proc/cpuinfo").read_text())
