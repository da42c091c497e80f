"""The engine beside every peer that is installed, on the nine layers: measured, and written as tables and a chart.

    python benchmarks/engine.py [--threads 1] [--seconds 2] [--layers Alex-6,NT-LSTM] [--numerics int8] [--half-kept]
                                [--peers int8,int4]

Writes benchmarks/results/engine-1-thread.md and .svg, or engine-2-threads.md and .svg, and so on; other numerics than
int16 have their name in it: engine-int8-1-thread.md. With --half-kept the layers are those of activity.py that keep
half of their weights, and the files' names begin with half-kept. benchmarks/with_deepsparse runs it beside DeepSparse
and OpenVINO.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from activity import HALF_KEPT, origin
from convolutions import busy
from eie.engine import NUMERICS
from eie.paper.study import real_layer
from eie.peers.libraries import available, set_threads
from eie.peers.measure import Measurement, Settings, bandwidth_gb_per_s, measure_layer
from eie.peers.report import STACKS, StackMeasurement, chart, geometric_means, limits, measure_stack
from eie.support.output_files import atomic_write
from eie.workloads.layers import benchmarks, draw

RESULTS = Path(__file__).parent / "results"
CHIP_ALEXNET_US = 30.3 + 12.2 + 9.9  # the paper's Table IV, the row EIE: actual time, Alex-6 to Alex-8


def report(
    measurements: Sequence[Measurement],
    stacks: Sequence[StackMeasurement],
    settings: Settings,
    bandwidth: float,
    notes: Sequence[str],
) -> str:
    """Return everything measured as Markdown."""
    ours = {m.layer: m for m in measurements if m.contender == measurements[0].contender}
    bounds = limits(measurements, bandwidth)
    threads = settings.threads
    lines = [
        f"# M x V on compressed layers, batch 1, {threads} thread{'s' if threads > 1 else ''}",
        "",
        f"{origin()}; ours in {settings.numerics}. Contenders take turns; "
        "medians, quartiles in brackets. Warm: the same weights again and again; rotated: copies in turn, so that they "
        "come from memory. "
        "*Wrong*: an error that the peer's number format does not explain; such a time counts in no mean." + busy(),
        "",
        "| geometric mean of its time over ours | warm | rotated |",
        "| --- | ---: | ---: |",
        *(
            f"| {name} | {warm:.1f} | {rotated:.1f} |"
            for name, (warm, rotated) in geometric_means(measurements).items()
        ),
        "",
        *(_stack_lines(stacks) if stacks else ()),
        f"Memory gives one thread {bandwidth:.1f} GB/s (measured). Rotated, ours reads its bytes at:",
        "",
        "| layer | bytes read | at that bandwidth, us | ours rotated, us | ours warm, us |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {m.bytes_read:,} | {bounds[name]:.1f} | {m.rotated_us:.1f} | {m.warm_us:.1f} |"
            for name, m in ours.items()
        ),
        "",
        "| layer | contender | warm, us | rotated, us | warm / ours | rotated / ours | error |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {m.layer} | {m.contender} | {_with_quartiles(m.warm_us, m.warm_quartiles_us)} | "
            f"{_with_quartiles(m.rotated_us, m.rotated_quartiles_us)} | {m.warm_us / ours[m.layer].warm_us:.1f} | "
            f"{m.rotated_us / ours[m.layer].rotated_us:.1f} | {m.error:.1e}{' **wrong**' if m.wrong else ''} |"
            for m in measurements
        ),
        "",
        *(f"- {note}" for note in notes),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and write the tables and the chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--numerics", default="int16", choices=NUMERICS, help="ours")
    parser.add_argument("--layers", help="names, comma-separated; the default is all")
    parser.add_argument(
        "--half-kept", action="store_true", help="the layers of activity.py that keep half of the weights"
    )
    parser.add_argument("--peers", default="", help="parts of the peers' names, comma-separated; the default is all")
    parser.add_argument("--data", type=Path, help="folder of the authors' simulator streams: adds the real Alex-8")
    arguments = parser.parse_args()
    settings = Settings(arguments.threads, arguments.seconds, arguments.numerics)
    set_threads(settings.threads)
    peers, missing = available()
    peers = [peer for peer in peers if any(part in peer.name for part in arguments.peers.split(","))]
    bandwidth = bandwidth_gb_per_s()
    stacks = [] if arguments.half_kept else [measure_stack(name, settings) for name in STACKS]
    measurements: list[Measurement] = []
    notes = [f"missing: {name}" for name in missing]
    table = HALF_KEPT if arguments.half_kept else benchmarks()
    names = arguments.layers.split(",") if arguments.layers else table
    layers = (draw(table[name]) for name in names)
    real = (real_layer(arguments.data),) if arguments.data else ()
    for layer in chain(layers, real):
        print(f"measuring {layer.name}", flush=True)
        measured, failed = measure_layer(layer, peers, settings)
        measurements += measured
        notes += [f"failed: {text}" for text in failed]
    numerics = "" if settings.numerics == "int16" else f"{settings.numerics}-"
    kind = "half-kept" if arguments.half_kept else "engine"
    name = f"{kind}-{numerics}{settings.threads}-thread{'s' if settings.threads > 1 else ''}"
    text = report(measurements, stacks, settings, bandwidth, notes)
    with atomic_write(RESULTS / f"{name}.md") as temporary:
        temporary.write_text(text)
    with atomic_write(RESULTS / f"{name}.svg") as temporary:
        chart(measurements).save(temporary, format="svg")
    print(text)


def _stack_lines(stacks: Sequence[StackMeasurement]) -> list[str]:
    return [
        "| fully connected layers, inputs active as in Table III, one call, warm | us | bytes read | load, ms |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {s.name}, {s.threads} thread{'s' if s.threads > 1 else ''} | {s.warm_us:.1f} "
            f"({s.quartiles_us[0]:.1f}-{s.quartiles_us[1]:.1f}) | {s.bytes_read:,} | {s.load_ms:.0f} |"
            for s in stacks
        ),
        "",
        f"The chip takes {CHIP_ALEXNET_US:.1f} us for AlexNet's three layers (paper, Table IV).",
        "",
    ]


def _with_quartiles(median: float, quartiles: tuple[float, float]) -> str:
    return f"{median:.1f} ({quartiles[0]:.1f}-{quartiles[1]:.1f})"


if __name__ == "__main__":
    main()
