"""The int16 window by words and by bytes: cycles modelled on Intel's processors, and times measured on this one.

    python benchmarks/words_and_bytes.py [--rounds 100]

Needs llvm-mca of LLVM 16 or later (Debian's llvm-16) and a processor with AVX-512 VBMI. Writes
benchmarks/results/words_and_bytes.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import eie
import mca
from activity import command_output
from eie.support.output_files import atomic_write
from eie.support.processor import processor
from eie.workloads.layers import benchmarks, generate
from timing import faster, interleaved

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "words_and_bytes.md"
CORES = {"icelake-server": "Ice Lake", "sapphirerapids": "Sapphire Rapids", "znver4": "Zen 4"}
TARGET = ["-mtriple=x86_64"]


@dataclass(frozen=True)
class Loop:
    """A kernel's loop for one input: its source, function, the instruction that multiplies, the slots of a step."""

    source: str
    function: str
    instruction: str
    slots: int


WORDS, BYTES = KERNELS = ("window-avx512", "window-bytes-avx512")
LOOPS = {
    WORDS: Loop("window_avx512.cpp", "WindowAvx512I.*5Int16E.*multiply_tileILb1ELm1E", "vpdpwssd", 256 * 2),
    BYTES: Loop("window_bytes_avx512.cpp", "", "vpdpbusd", 64 * 4),
}


def modelled() -> tuple[dict[str, dict[str, float]], str]:
    """Return the cycles of 64 slots by kernel and core, and the version of the model."""
    model = mca.installed()
    if model is None:
        sys.exit("needs Debian's llvm-16")
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        commands = mca.build_commands(Path(name))
        for kernel, one in LOOPS.items():
            source = ROOT / "native" / "kernels" / one.source
            body = mca.loop(commands[one.source], source, one.instruction, one.function)
            turns = one.slots / 64
            found[kernel] = {core: mca.cycles(body, core, model, TARGET) / turns for core in CORES}
    return found, mca.version(model)


def main() -> None:
    """Model, measure and write benchmarks/results/words_and_bytes.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="calls of each kernel, in turns")
    rounds = parser.parse_args().rounds
    cycles, version = modelled()
    table = []
    for name in benchmarks():
        data = generate(name)
        network = eie.Network((eie.Layer(name, eie.encode(data.codes, data.codebook)),))
        sessions = {kernel: eie.InferenceSession(network, numerics="int16", kernel=kernel) for kernel in KERNELS}
        size = {kernel: session.plan[0].bytes for kernel, session in sessions.items()}
        # Twice each, the second timed: the first brings back what the other's turn has driven out of the caches.
        times: dict[str, list[float]] = {kernel: [] for kernel in KERNELS}
        for _ in range(rounds):
            for kernel, session in sessions.items():
                session.run(data.activations)
                times[kernel] += interleaved({kernel: partial(session.run, data.activations)}, 1)[kernel]
        more = size[BYTES] / size[WORDS]
        by_core = [f"{cycles[WORDS][core] / cycles[BYTES][core] / more:.2f}" for core in CORES]
        table.append("| " + " | ".join([name, f"{more:.2f}", *by_core, faster(times[BYTES], times[WORDS])]) + " |")
    text = "\n".join(
        [
            "# The int16 window by bytes, beside the one by words",
            "",
            f"{version} counts the cycles of the loops, one input, all data in the L1 cache, as "
            f"{command_output('c++', '--version')} compiles them: **modelled**. No processor of Intel's has run them. "
            "Cycles of 64 slots:",
            "",
            "| kernel | " + " | ".join(CORES.values()) + " |",
            "| --- |" + " ---: |" * len(CORES),
            *(
                f"| {kernel} | " + " | ".join(f"{cycles[kernel][core]:.1f}" for core in CORES) + " |"
                for kernel in KERNELS
            ),
            "",
            "How many times as fast the window by bytes is, one thread, warm. Modelled: the loops' cycles, by how many "
            "more bytes, and so slots, it has. Measured: the median of "
            f"{rounds} pairs of calls and the quartiles, on {processor()}. "
            f"Commit {command_output('git', 'rev-parse', '--short', 'HEAD')}.",
            "",
            "| layer | its bytes / the other's | "
            + " | ".join(f"{core}, modelled" for core in CORES.values())
            + " | here, measured |",
            "| --- |" + " ---: |" * (len(CORES) + 2),
            *table,
            "",
        ]
    )
    with atomic_write(RESULTS) as temporary:
        temporary.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
