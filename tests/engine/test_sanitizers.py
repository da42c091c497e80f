from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def sources() -> dict[Path, list[str]]:
    """Return the engine's sources as CMakeLists.txt lists them, but for the bindings, each with its own flags."""
    cmake = (ROOT / "CMakeLists.txt").read_text()
    named = dict.fromkeys(re.findall(r"native/(?:kernels/\w+|cpu|fork)\.cpp", cmake))
    properties = re.findall(r"set_source_files_properties\((\S+) PROPERTIES COMPILE_OPTIONS\s+\"([^\"]*)\"", cmake)
    flags = {path: options.split(";") for path, options in properties}
    return {ROOT / path: flags.get(path, []) for path in named if not path.endswith("bindings.cpp")}


def test_sources_are_those_of_the_build() -> None:
    """Every kernel file that there is, with the flags of its instruction set."""
    found = sources()
    kernels = {path for path in (ROOT / "native" / "kernels").glob("*.cpp") if path.stem != "bindings"}
    assert set(found) == kernels | {ROOT / "native" / "cpu.cpp", ROOT / "native" / "fork.cpp"}
    assert found[ROOT / "native" / "kernels" / "window_avx2.cpp"] == ["-mavx2", "-mfma"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sanitizers", "runs"),
    [("address,undefined", 20), ("thread", 200), pytest.param("none", 100_000, id="100000-runs")],
)
def test_kernels_run_clean(sanitizers: str, runs: int, tmp_path: Path) -> None:
    """Every kernel, numerics, shape and batch stays within its buffers and races with no thread.

    Eight callers at a time on networks of one, two and four threads get the same bits each time.
    """
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None or os.uname().machine != "x86_64":
        pytest.skip("needs a C++ compiler on x86-64")
    checks = ["-O2"] if sanitizers == "none" else ["-O1", f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"]
    command = [compiler, "-std=c++20", "-g", *checks, "-I", str(ROOT / "native")]
    objects = []
    for source, flags in (sources() | {Path(__file__).with_name("sanitize.cpp"): []}).items():
        objects.append(str(tmp_path / f"{source.stem}.o"))
        subprocess.run([*command, *flags, "-c", str(source), "-o", objects[-1]], check=True)
    program = tmp_path / "sanitize"
    subprocess.run([*command, *objects, "-o", str(program), "-pthread"], check=True)
    finished = subprocess.run([str(program), str(runs)], capture_output=True, text=True, timeout=900, check=False)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-6000:]
    assert "networks ran" in finished.stdout
    assert "\n0 calls were disturbed\n" in finished.stdout
