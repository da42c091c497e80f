"""Measure exploration: the 3,645 runs of the space `paper` with one process and with as many as there are cores.

python benchmarks/explore.py > benchmarks/results/explore.md
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from eie.explore import explore, load_space
from eie.support.processor import cores, processor


def main() -> None:
    """Print a table in Markdown: seconds and runs per second, drawing and encoding the layers included."""
    space = load_space("paper")
    runs = len(space.runs())
    print(f"# Exploring the space `paper`: {runs:,} runs\n")
    print(f"Measured here on {processor()}; layers drawn and encoded, runs simulated and costed, tables written.\n")
    print("| processes | seconds | runs a second |\n| ---: | ---: | ---: |")
    for workers in sorted({1, cores()}):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            explore(space, Path(folder), workers=workers)
            seconds = time.perf_counter() - started
        print(f"| {workers} | {seconds:.1f} | {runs / seconds:.0f} |")


if __name__ == "__main__":
    main()
