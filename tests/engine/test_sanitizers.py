from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "native" / "kernels"
FLAGS = {
    "avx2": ["-mavx2", "-mfma"],
    "avx512": [f"-mavx512{part}" for part in ("f", "bw", "dq", "vl", "vbmi", "vbmi2", "vnni")],
}
SOURCES = sorted(path.stem for path in KERNELS.glob("*.cpp") if path.stem != "bindings")


@pytest.mark.slow
def test_kernels_stay_within_their_buffers(tmp_path: Path) -> None:
    """Every kernel, numerics, shape and batch runs clean under AddressSanitizer and UBSan, threads included."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None or os.uname().machine != "x86_64":
        pytest.skip("needs a C++ compiler on x86-64")
    command = [compiler, "-std=c++20", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command += ["-I", str(KERNELS.parent)]
    jobs = [(KERNELS / f"{name}.cpp", FLAGS.get(name.rpartition("_")[2], [])) for name in SOURCES]
    jobs += [(KERNELS.parent / "cpu.cpp", []), (Path(__file__).with_name("sanitize.cpp"), [])]
    objects = []
    for source, flags in jobs:
        objects.append(str(tmp_path / f"{source.stem}.o"))
        subprocess.run([*command, *flags, "-c", str(source), "-o", objects[-1]], check=True)
    program = tmp_path / "sanitize"
    subprocess.run([*command, *objects, "-o", str(program), "-pthread"], check=True)
    finished = subprocess.run([str(program)], capture_output=True, text=True, timeout=100, check=False)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-6000:]
    assert "networks ran" in finished.stdout
