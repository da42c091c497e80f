"""Builds the engine's C++ without Python, with a compiler and options of one's own, around `networks.cpp`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

NATIVE = Path(__file__).parents[2] / "native"


def sources() -> dict[Path, list[str]]:
    """Return the engine's sources as CMakeLists.txt lists them, but for the bindings, each with its own flags."""
    cmake = (NATIVE.parent / "CMakeLists.txt").read_text()
    named = dict.fromkeys(re.findall(r"native/(?:kernels/\w+|cpu|fork)\.cpp", cmake))
    properties = re.findall(
        r"set_source_files_properties\(([^)]*?)\s+PROPERTIES\s+COMPILE_OPTIONS\s+\"([^\"]*)\"", cmake
    )
    flags = {path: options.split(";") for paths, options in properties for path in paths.split()}
    return {NATIVE.parent / path: flags.get(path, []) for path in named if not path.endswith("bindings.cpp")}


def build(folder: Path, compiler: str, options: list[str], *, x86: bool) -> Path:
    """Return the program that runs random networks through every kernel, those for x86-64 left out unless `x86`."""
    for_all = {source: flags for source, flags in sources().items() if not any(flag.startswith("-m") for flag in flags)}
    jobs = sources() if x86 else for_all
    command = [compiler, "-std=c++20", "-ffp-contract=off", "-I", str(NATIVE), *options]
    objects = []
    for source, flags in (jobs | {Path(__file__).with_name("networks.cpp"): []}).items():
        objects.append(str(folder / f"{source.stem}.o"))
        subprocess.run([*command, *flags, "-c", str(source), "-o", objects[-1]], check=True)
    program = folder / "networks"
    subprocess.run([*command, *objects, "-o", str(program), "-pthread"], check=True)
    return program
