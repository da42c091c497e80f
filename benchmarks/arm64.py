"""The window kernels on ARM64, modelled: cycles of their loops on two cores by llvm-mca, beside dense loops.

    python benchmarks/arm64.py

Needs a cross compiler (Debian's g++-aarch64-linux-gnu), an emulator (qemu-user) and llvm-mca of LLVM 16 or later
(llvm-16). Writes benchmarks/results/arm64.md.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import eie
import mca
from activity import command_output
from eie.support.output_files import atomic_write
from eie.workloads.layers import benchmarks, generate

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "arm64.md"
COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
CORES = {"neoverse-n2": "Neoverse N2, out of order", "cortex-a55": "Cortex-A55, in order"}
CROSS = ["-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64", f"-DCMAKE_CXX_COMPILER={COMPILER}"]
TARGET = ["-mtriple=aarch64", "-mattr=+dotprod"]


@dataclass(frozen=True)
class Window:
    """A numerics' kernel: its source, layout, the instruction that multiplies, and the dense loop set beside it."""

    source: str
    layout: str
    instruction: str
    dense: str


WINDOWS = {
    "int8": Window("window_int8_neon.cpp", "Layout", "sdot", "int8"),
    "int16": Window("window_neon.cpp", "Layout<Int16>", "smlal", "int8"),
    "float32": Window("window_neon.cpp", "Layout<Float32>", "fmla", "float32"),
}


@dataclass(frozen=True)
class Dense:
    """A dense loop of arm64_loops.cpp: its instruction, the weights that a turn covers, bytes of a weight."""

    instruction: str
    weights: int
    bytes: int


DENSE = {"int8": Dense("sdot", 8 * 16, 1), "float32": Dense("fmla", 8 * 4, 4)}


def geometric_mean(values: list[float]) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.mean(np.log(values))))


def laid_out(program: Path, matrix: eie.InterleavedCSC) -> tuple[int, int, int, int]:
    """Return a layer's steps, the slots of a step, stragglers and bytes in a window's layout."""
    starts, columns, codes = matrix.rows
    given = b"".join(part.tobytes() for part in (np.array([matrix.outputs, matrix.inputs]), starts, columns, codes))
    done = subprocess.run([EMULATOR, str(program)], input=given, capture_output=True, check=True)
    steps, slots, stragglers, size = map(int, done.stdout.split())
    return steps, slots, stragglers, size


def main() -> None:
    """Model and write benchmarks/results/arm64.md."""
    model = mca.installed()
    if model is None or not shutil.which(COMPILER) or not shutil.which(EMULATOR):
        sys.exit("needs Debian's g++-aarch64-linux-gnu, qemu-user and llvm-16")
    native, here = ROOT / "native" / "kernels", ROOT / "benchmarks"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = mca.build_commands(folder, *CROSS)

        def modelled(command: list[str], source: Path, instruction: str, items: int = 1) -> dict[str, float]:
            body = mca.loop(command, source, instruction)
            return {core: mca.cycles(body, core, model, TARGET) / items for core in CORES}

        loops, beside = commands["window_int8_neon.cpp"], here / "arm64_loops.cpp"
        # In whichever order of instructions suits the core: in order, that of the source costs twice the cycles.
        orders = [loops, *([*loops, "-fschedule-insns", f"-mtune={core}"] for core in CORES)]
        dense = {}
        for key, one in DENSE.items():
            tried = [modelled(order, beside, one.instruction, one.weights) for order in orders]
            dense[key] = {core: min(found[core] for found in tried) for core in CORES}
        straggler = modelled(loops, beside, "ldrsb")
        step, programs = {}, {}
        for numerics, window in WINDOWS.items():
            command = commands[window.source]
            step[numerics] = modelled(command, native / window.source, window.instruction)
            programs[numerics] = folder / numerics
            define = [f'-DKERNEL="kernels/{window.source}"', f"-DLAYOUT={window.layout}"]
            build = [*command, *define, str(here / "arm64.cpp"), str(native / "codebook.cpp"), "-static"]
            subprocess.run([*build, "-o", str(programs[numerics])], check=True)
        table: list[str] = []
        cheaper: dict[tuple[str, str], list[float]] = {}
        smaller: dict[str, list[float]] = {}
        slots_of = {}
        for name in benchmarks():
            data = generate(name)
            matrix = eie.encode(data.codes, data.codebook)
            for numerics, window in WINDOWS.items():
                steps, slots, stragglers, size = laid_out(programs[numerics], matrix)
                slots_of[numerics] = slots
                row = [name, numerics, f"{matrix.nnz / (steps * slots):.2f}", f"{stragglers / matrix.nnz:.1%}"]
                for core in CORES:
                    ours = steps * step[numerics][core] + stragglers * straggler[core]
                    theirs = data.codes.size * dense[window.dense][core]
                    cheaper.setdefault((numerics, core), []).append(theirs / ours)
                    row += [f"{ours / 1e3:,.0f}", f"{theirs / 1e3:,.0f}", f"{theirs / ours:.2f}"]
                dense_bytes = data.codes.size * DENSE[window.dense].bytes
                smaller.setdefault(numerics, []).append(dense_bytes / size)
                table.append("| " + " | ".join([*row, f"{size / matrix.nnz:.2f}", f"{dense_bytes / size:.1f}"]) + " |")
    text = "\n".join(
        [
            "# The windows on ARM64: modelled, not measured",
            "",
            "No ARM64 processor has run them. "
            f"{command_output(COMPILER, '--version')} compiles the kernels as the build does; "
            f"{mca.version(model)} counts the cycles of their loops on its models of two cores, all data in the L1 "
            "cache. Steps and stragglers are those of the real layouts, made under an emulator. The dense loops hold "
            "the sums of eight rows in registers, their instructions in the order that suits each core best. The "
            "A55's model takes a lookup in four registers to be as quick as one in a single one. "
            f"Commit {command_output('git', 'rev-parse', '--short', 'HEAD')}.",
            "",
            "The models have no caches and no memory. A layer that does not fit the caches takes as long as its bytes "
            "take, where that is longer: then the ratio of bytes decides, not that of cycles. The nine layers are 0.7 "
            "to 103 MB as dense int8.",
            "",
            "| loop | " + " | ".join(f"{core}, cycles" for core in CORES.values()) + " |",
            "| --- |" + " ---: |" * len(CORES),
            *(
                f"| {numerics} window, a slot | "
                + " | ".join(f"{step[numerics][core] / slots_of[numerics]:.3f}" for core in CORES)
                + " |"
                for numerics in WINDOWS
            ),
            "| a straggler | " + " | ".join(f"{straggler[core]:.1f}" for core in CORES) + " |",
            *(
                f"| dense {key}, a weight | " + " | ".join(f"{one[core]:.3f}" for core in CORES) + " |"
                for key, one in dense.items()
            ),
            "",
            "| geometric mean over the nine layers, dense / window | "
            + " | ".join(f"cycles, {core}" for core in CORES.values())
            + " | bytes |",
            "| --- |" + " ---: |" * (len(CORES) + 1),
            *(
                f"| {numerics}, beside dense {window.dense} | "
                + " | ".join(f"{geometric_mean(cheaper[numerics, core]):.2f}" for core in CORES)
                + f" | {geometric_mean(smaller[numerics]):.1f} |"
                for numerics, window in WINDOWS.items()
            ),
            "",
            "*K*: a thousand cycles of one product. *Fill*: weights per slot.",
            "",
            "| layer | numerics | fill | stragglers | "
            + " | ".join(f"{core}: window, K | dense, K | dense / window" for core in ("N2", "A55"))
            + " | bytes a weight | dense bytes / window's |",
            "| --- | --- |" + " ---: |" * 10,
            *table,
            "",
        ]
    )
    with atomic_write(RESULTS) as temporary:
        temporary.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
