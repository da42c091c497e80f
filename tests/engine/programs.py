"""Builds the engine's C++ without Python, with a compiler and options of one's own, around a program of this folder."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

NATIVE = Path(__file__).parents[2] / "native"


def sources() -> dict[Path, list[str]]:
    """Return the engine's sources as CMakeLists.txt lists them, but for the bindings, each with its own flags."""
    cmake = (NATIVE.parent / "CMakeLists.txt").read_text()
    for name, value in re.findall(r"\bset\((\w+)\s+([^)]*)\)", cmake):
        cmake = cmake.replace(f"${{{name}}}", value)
    named = dict.fromkeys(re.findall(r"native/(?:kernels/\w+|cpu|fork)\.cpp", cmake))
    properties = re.findall(
        r"set_source_files_properties\(([^)]*?)\s+PROPERTIES\s+COMPILE_OPTIONS\s+\"([^\"]*)\"", cmake
    )
    flags = {path: options.split(";") for paths, options in properties for path in paths.split()}
    return {NATIVE.parent / path: flags.get(path, []) for path in named if not path.endswith("bindings.cpp")}


def build(
    folder: Path, compiler: str, options: list[str], architecture: str = "x86_64", program: str = "networks"
) -> Path:
    """Return the program of that name with every kernel of `architecture`, x86_64 or aarch64.

    `networks` runs random networks through all of them, `one_layer` what it is given.
    """
    of_the_other = {"x86_64": "_neon", "aarch64": "_avx"}[architecture]
    jobs = {source: flags for source, flags in sources().items() if of_the_other not in source.stem}
    command = [compiler, "-std=c++20", "-ffp-contract=off", "-I", str(NATIVE), *options]
    objects = []
    for source, flags in (jobs | {Path(__file__).with_name(f"{program}.cpp"): []}).items():
        objects.append(str(folder / f"{source.stem}.o"))
        subprocess.run([*command, *flags, "-c", str(source), "-o", objects[-1]], check=True)
    built = folder / program
    subprocess.run([*command, *objects, "-o", str(built), "-pthread"], check=True)
    return built
