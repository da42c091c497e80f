"""Cycles of a kernel's loop by llvm-mca: modelled, all data in the L1 cache."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODELS = [f"llvm-mca-{version}" for version in range(16, 22)]
ITERATIONS = 100
AARCH64_BRANCH = r"b|cbn?z|tbn?z|b(eq|ne|cs|cc|hi|ls|ge|lt|gt|le|pl|mi)"


def installed() -> str | None:
    """Return the name of an llvm-mca that knows the cores, or None."""
    return next((name for name in MODELS if shutil.which(name)), None)


def build_commands(folder: Path, *options: str) -> dict[str, list[str]]:
    """Return by file name how the build with `options` compiles each native source, without source and output."""
    nanobind = subprocess.run([sys.executable, "-m", "nanobind", "--cmake_dir"], capture_output=True, text=True)
    configure = [
        *("cmake", "-S", str(ROOT), "-B", str(folder), "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *options),
        *(f"-DPython_EXECUTABLE={sys.executable}", f"-DPython_INCLUDE_DIR={sysconfig.get_path('include')}"),
        *("-DCMAKE_BUILD_TYPE=Release", f"-Dnanobind_DIR={nanobind.stdout.strip()}"),
    ]
    subprocess.run(configure, check=True, capture_output=True)
    commands = json.loads((folder / "compile_commands.json").read_text())
    found = {Path(one["file"]).name: shlex.split(one["command"]) for one in commands}
    return {name: command[: command.index("-o")] for name, command in found.items()}


def loop(command: Sequence[str], source: Path, instruction: str, function: str = "") -> str:
    """Compile `source` and return the basic block with most of `instruction`, from a label to its branch.

    `function`: a pattern in the mangled name of the block's function.
    """
    done = subprocess.run([*command, "-S", str(source), "-o", "-"], capture_output=True, text=True, check=True)
    blocks: list[list[str]] = [[]]
    within = False
    for line in done.stdout.splitlines():
        if label := re.match(r"(\S+):", line):
            within = within if label[1].startswith(".L") else re.search(function, label[1]) is not None
            blocks.append([])
        elif within and not line.startswith("\t."):
            blocks[-1].append(line)
            if re.match(rf"\t({AARCH64_BRANCH}|j\w+)\s", line):
                blocks.append([])
    # gcc writes a byte as a negative 64-bit number, which LLVM's assembler refuses.
    text = "\n".join(max(blocks, key=lambda block: sum(line.startswith(f"\t{instruction}") for line in block)))
    return re.sub(r"0xffffffffffffff([0-9a-f]{2})", r"0x\1", text) + "\n"


def cycles(assembly: str, core: str, model: str, target: Sequence[str]) -> float:
    """Return the cycles of one turn of a loop on `core`."""
    command = [model, *target, f"-mcpu={core}", f"-iterations={ITERATIONS}"]
    done = subprocess.run(command, input=assembly, capture_output=True, text=True, check=True)
    found = re.search(r"Total Cycles:\s+(\d+)", done.stdout)
    assert found is not None
    return int(found[1]) / ITERATIONS


def version(model: str) -> str:
    """Return the line of llvm-mca's --version that has the number."""
    done = subprocess.run([model, "--version"], capture_output=True, text=True, check=True)
    return next(line.strip() for line in done.stdout.splitlines() if "version" in line)
