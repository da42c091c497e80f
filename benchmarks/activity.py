"""Time over the share of active inputs: both ways through a layer, and the one a session takes. Measured.

python benchmarks/activity.py [--rounds 60] [--layers Alex-6,half] [--numerics int16]

Writes benchmarks/results/activity.md, for int16 activity-int16.md.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
from functools import partial
from pathlib import Path

import numpy as np

import eie
from convolutions import busy
from eie.support.output_files import atomic_write
from eie.support.processor import processor
from eie.workloads.layers import Benchmark, benchmarks, draw
from timing import interleaved

RESULTS = Path(__file__).parent / "results"
OTHER = {"int8": "int16", "int16": "int8"}  # set beside those that are measured
# Layers as a pruned language model has them: half the weights kept; all inputs active, or, behind a ReLU, few.
HALF_KEPT = {
    name: Benchmark(name, inputs, outputs, 0.5, active, "half of the weights kept", seed)
    for seed, (name, inputs, outputs, active) in enumerate(
        [
            ("half 2048 x 2048", 2048, 2048, 1.0),
            ("half 4096 x 16384", 16384, 4096, 0.05),
            ("half 4096 x 4096", 4096, 4096, 1.0),
        ]
    )
}
SHARES = (0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0)


def command_output(*command: str) -> str:
    """Return the first line that a command prints, or "unknown" where there is no such command."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def origin() -> str:
    """Return what figures are of: processor, compiler and commit."""
    commit = command_output("git", "rev-parse", "--short", "HEAD")
    return f"Measured on {processor()}; {command_output('c++', '--version')}; commit {commit}"


def curve(layer: Benchmark, rounds: int, numerics: str) -> list[str]:
    """Return the layer's section: a table with a row for each share of active inputs."""
    data = draw(layer)
    network = eie.Network((eie.Layer(layer.name, eie.encode(data.codes, data.codebook)),))
    chosen = eie.InferenceSession(network, numerics=numerics)
    (plan,) = chosen.plan
    ways = [kernel for kernel in (plan.kernel, plan.few_kernel) if kernel]
    sessions = {OTHER[numerics]: eie.InferenceSession(network, numerics=OTHER[numerics])}
    sessions |= {kernel: eie.InferenceSession(network, numerics=numerics, kernel=kernel) for kernel in ways}
    sessions["chosen"] = chosen
    lines = [
        f"## {layer.name}: {layer.outputs} x {layer.inputs}, {layer.weight_density:.0%} of the weights kept",
        "",
        f"{plan.kernel}: {plan.bytes:,} bytes"
        + (f"; {plan.few_kernel}: {plan.few_bytes:,} bytes, below {plan.few_below} active" if plan.few_kernel else ""),
        "",
        "| active inputs | " + " | ".join(f"{name}, us" for name in sessions) + " | chosen / better |",
        "| ---: |" + " ---: |" * (len(sessions) + 1),
    ]
    rng = np.random.default_rng(0)
    order, values = rng.permutation(layer.inputs), rng.random(layer.inputs).astype(np.float32) + np.float32(0.1)
    out = np.empty(layer.outputs, np.float32)
    for share in SHARES:
        inputs = values.copy()
        inputs[order[round(share * layer.inputs) :]] = 0
        # Twice each, the second timed: the first brings back what the others' turns have driven out of the caches.
        calls = {}
        for name, session in sessions.items():
            calls[f"before {name}"] = calls[name] = partial(session.run, inputs, out)
        times = interleaved(calls, rounds)
        medians = {name: statistics.median(times[name]) for name in sessions}
        worse = medians["chosen"] / min(medians[way] for way in ways)
        lines.append(f"| {share:.0%} | " + " | ".join(f"{us:.1f}" for us in medians.values()) + f" | {worse:.2f} |")
    return [*lines, ""]


def main() -> None:
    """Measure and write the page of results."""
    layers = dict(benchmarks()) | HALF_KEPT
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--layers", default=",".join(layers), help="names, or beginnings of names, comma-separated")
    parser.add_argument("--numerics", default="int8", choices=OTHER)
    arguments = parser.parse_args()
    lines = [
        f"# Time over the share of active inputs, numerics {arguments.numerics}",
        "",
        f"{origin()}; one thread, batch 1, warm. The ways take turns; "
        f"medians of {arguments.rounds} calls. *Chosen* is a session that keeps both layouts and picks one per call."
        + busy(),
        "",
    ]
    for name, layer in layers.items():
        if name.startswith(tuple(arguments.layers.split(","))):
            print(f"measuring {name}", flush=True)
            lines += curve(layer, arguments.rounds, arguments.numerics)
    text = "\n".join(lines)
    name = "activity.md" if arguments.numerics == "int8" else f"activity-{arguments.numerics}.md"
    with atomic_write(RESULTS / name) as temporary:
        temporary.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
