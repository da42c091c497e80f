"""How long it takes to simulate one layer exactly, and to encode the largest: measured, and written as a table.

    python benchmarks/timing.py [--data FOLDER_OF_THE_AUTHORS_STREAMS]

With the streams the layer is the real Alex-8, which the chip runs in 9.9 us; without, the generated one.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

import eie
from eie import _native
from eie.chip.timing import scan, schedule_reference, workload
from eie.importers.eie_simulator import read_eie_simulator
from eie.support.output_files import atomic_write
from eie.support.processor import processor
from eie.workloads.layers import generate

RESULTS = Path(__file__).parent / "results" / "timing.md"


def interleaved(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Call each in turn, `rounds` times over; return every call's times in microseconds."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - start) * 1e6)
    return times


def ratios(ours: list[float], theirs: list[float]) -> tuple[float, float, float]:
    """Return how many times as fast ours is, round by round: the first quartile, the median and the third."""
    found = sorted(their / our for our, their in zip(ours, theirs, strict=True))
    quarter = len(found) // 4
    return found[quarter], statistics.median(found), found[-1 - quarter]


def faster(ours: list[float], theirs: list[float]) -> str:
    """Return how many times as fast ours is: the median of the rounds, and the quartiles."""
    least, middle, most = ratios(ours, theirs)
    return f"{middle:.2f} ({least:.2f} to {most:.2f})"


def main() -> None:
    """Measure and write benchmarks/results/timing.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the authors' simulator streams")
    data = parser.parse_args().data
    hardware = eie.Hardware()
    if data is None:
        layer = generate("Alex-8")
        name, activations = "Alex-8 (generated)", layer.activations
        matrix = eie.encode(layer.codes, layer.codebook)
    else:
        streams = read_eie_simulator(data, outputs=1000)
        name, activations, matrix = "Alex-8 (real)", streams.activations, streams.network.layers[0].matrix
    cycles = eie.simulate(matrix, activations, hardware).cycles
    columns = scan(activations, hardware.n_pe)
    counts = matrix.counts[:, columns.columns].T.astype(np.int64)
    durations = workload(matrix).durations

    def recurrence(instruction_set: str, broadcasts: int = len(columns.columns)) -> Callable[[], object]:
        broadcast, gaps = columns.columns[:broadcasts], columns.gaps[:broadcasts]
        return lambda: _native.recurrence(
            durations, broadcast, gaps, matrix.pointers, hardware.queue_depth, 0, instruction_set
        )

    best = _native.instruction_set()
    known = ["portable", "avx2", "vnni", "avx512"]
    sets = [name for name in known[: known.index(best) + 1 if best in known else 1] if name != "vnni"]  # has avx2's
    fast = interleaved(
        {f"recurrence alone, {instruction_set}": recurrence(instruction_set) for instruction_set in sets}
        | {"of which the call: the same without a broadcast": recurrence(best, 0)},
        3000,
    )
    slow = interleaved(
        {
            "whole simulation: scan, recurrence, counts": lambda: eie.simulate(matrix, activations, hardware),
            "readable recurrence (NumPy)": lambda: schedule_reference(columns.gaps, counts, hardware.queue_depth),
        },
        30,
    )
    vgg6 = generate("VGG-6")
    encoding = interleaved(
        {"encode VGG-6 (25088 x 4096, 4 %) for 64 PEs": lambda: eie.encode(vgg6.codes, vgg6.codebook)}, 7
    )
    rows = [
        *fast.items(),
        *slow.items(),
        *encoding.items(),
    ]
    chip_us = cycles / hardware.clock_mhz
    lines = [
        f"# Simulating {name}: {cycles} cycles, {chip_us:.2f} us on the chip (simulated)",
        "",
        f"Measured here on {processor()}; one thread, calls interleaved, times through the Python call.",
        "",
        "| what | median us | fastest us | chip's time / ours |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {what} | {statistics.median(times):,.2f} | {min(times):,.2f} | "
            + ("|" if "encode" in what or "call" in what else f"{chip_us / statistics.median(times):.2f} |")
            for what, times in rows
        ),
        "",
    ]
    with atomic_write(RESULTS) as temporary:
        temporary.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
