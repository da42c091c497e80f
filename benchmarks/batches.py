"""What one input costs in a batch: measured from 1 to 64 inputs, and written as a table.

python benchmarks/batches.py
"""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np

import eie
from eie.support.output_files import atomic_write
from eie.support.processor import processor
from eie.workloads.layers import generate
from timing import interleaved

RESULTS = Path(__file__).parent / "results" / "batches.md"
LAYERS = ("Alex-6", "Alex-7", "Alex-8", "NT-LSTM")
BATCHES = (1, 2, 4, 8, 16, 32, 64)
ROUNDS = 60


def main() -> None:
    """Measure and write benchmarks/results/batches.md."""
    lines = [
        "# Microseconds per input, by batch size",
        "",
        f"Measured here on {processor()}; one thread, int16, warm; batch sizes take turns, medians of {ROUNDS} calls.",
        "",
        "| layer | " + " | ".join(f"{batch}" for batch in BATCHES) + " |",
        "| --- |" + " ---: |" * len(BATCHES),
    ]
    for name in LAYERS:
        layer = generate(name)
        matrix = eie.encode(layer.codes, layer.codebook)
        session = eie.InferenceSession(eie.Network((eie.Layer("fc", matrix),)))
        calls = {}
        for batch in BATCHES:
            inputs = np.tile(layer.activations.astype(np.float32), (batch, 1))
            outputs = np.empty((batch, matrix.outputs), np.float32)
            calls[str(batch)] = lambda run=session.run, x=inputs, y=outputs: run(x, y)
        times = interleaved(calls, ROUNDS)
        per_input = (statistics.median(times[str(batch)]) / batch for batch in BATCHES)
        lines.append(f"| {name} | " + " | ".join(f"{us:.1f}" for us in per_input) + " |")
    text = "\n".join(lines) + "\n"
    with atomic_write(RESULTS) as temporary:
        temporary.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
