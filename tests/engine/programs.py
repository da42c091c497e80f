"""Builds the engine's C++ without Python, with a compiler and options of one's own, around `networks.cpp`."""

from __future__ import annotations

import subprocess
from pathlib import Path

KERNELS = Path(__file__).parents[2] / "native" / "kernels"
X86_FLAGS = {
    "avx2": ["-mavx2", "-mfma"],
    "avx512": [f"-mavx512{part}" for part in ("f", "bw", "dq", "vl", "vbmi", "vbmi2", "vnni")],
}


def build(folder: Path, compiler: str, options: list[str], *, x86: bool) -> Path:
    """Return the program that runs random networks through every kernel, those for x86-64 left out unless `x86`."""
    jobs: list[tuple[Path, list[str]]] = [
        (KERNELS.parent / "cpu.cpp", []),
        (Path(__file__).with_name("networks.cpp"), []),
    ]
    for source in sorted(KERNELS.glob("*.cpp")):
        instruction_set = source.stem.rpartition("_")[2]
        if source.stem != "bindings" and (x86 or instruction_set not in X86_FLAGS):
            jobs.append((source, X86_FLAGS.get(instruction_set, [])))
    command = [compiler, "-std=c++20", "-ffp-contract=off", "-I", str(KERNELS.parent), *options]
    objects = []
    for source, flags in jobs:
        objects.append(str(folder / f"{source.stem}.o"))
        subprocess.run([*command, *flags, "-c", str(source), "-o", objects[-1]], check=True)
    program = folder / "networks"
    subprocess.run([*command, *objects, "-o", str(program), "-pthread"], check=True)
    return program
