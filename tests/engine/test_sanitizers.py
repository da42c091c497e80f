"""The engine's C++ under sanitizers, and called by many threads at once."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.programs import NATIVE, build, sources


def test_sources_are_those_of_the_build() -> None:
    """Every kernel file that there is, with the flags of its instruction set."""
    found = sources()
    kernels = {path for path in (NATIVE / "kernels").glob("*.cpp") if path.stem != "bindings"}
    assert set(found) == kernels | {NATIVE / "cpu.cpp", NATIVE / "fork.cpp"}
    assert found[NATIVE / "kernels" / "window_avx2.cpp"] == ["-mavx2", "-mfma"]
    assert all("-mavx512vl" in flags for path, flags in found.items() if "avx512" in path.stem)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sanitizers", "runs"),
    [("address,undefined", 20), ("thread", 200), pytest.param("none", 100_000, id="100000-runs")],
)
def test_kernels_run_clean(sanitizers: str, runs: int, tmp_path: Path) -> None:
    """Every kernel, numerics, shape and batch stays within its buffers and races with no thread.

    Exact numerics give every kernel the same bits. Eight callers at a time on networks of one, two and four threads get
    the same bits each time.
    """
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None or os.uname().machine != "x86_64":
        pytest.skip("needs a C++ compiler on x86-64")
    checks = ["-O2"] if sanitizers == "none" else ["-O1", f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"]
    program = build(tmp_path, compiler, ["-g", *checks])
    finished = subprocess.run([str(program), str(runs)], capture_output=True, text=True, timeout=900, check=False)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-6000:]
    *lines, ran, disturbed = finished.stdout.splitlines()
    assert ran.endswith("networks ran")
    assert disturbed == "0 calls were disturbed"
    # (kernel, numerics, code bits, digest of all outputs); convolutions, whose weights have no codes, have 0 bits
    digests: dict[tuple[str, str], set[str]] = {}
    for _, numerics, code_bits, digest in (line.split() for line in lines):
        digests.setdefault((numerics, code_bits), set()).add(digest)
    assert {key: len(found) for key, found in digests.items()} == dict.fromkeys(digests, 1)
    assert len(digests) == 9
