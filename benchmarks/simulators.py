"""Cycles per second of the three simulators on one layer: recurrence, stepped, and the RTL in Verilator.

python benchmarks/simulators.py [--data FOLDER_OF_THE_AUTHORS_STREAMS]

With the streams the layer is the real Alex-8; without, the generated one. The first run builds the RTL.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import eie
from eie.paper.study import real_layer
from eie.silicon import verify
from eie.support.output_files import atomic_write
from eie.support.processor import processor
from eie.workloads.layers import generate
from timing import interleaved

RESULTS = Path(__file__).parent / "results" / "simulators.md"


def main() -> None:
    """Measure and write benchmarks/results/simulators.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the authors' simulator streams")
    data = parser.parse_args().data
    layer = generate("Alex-8") if data is None else real_layer(data)
    matrix = eie.encode(layer.codes, layer.codebook)
    hardware = eie.Hardware(register_entries=-(-max(matrix.shape) // 64))
    simulated = interleaved({"": lambda: eie.simulate(matrix, layer.activations, hardware)}, 50)[""]
    found = verify(eie.Network((eie.Layer("fc", matrix),)), layer.activations, hardware)
    rows = [
        ("recurrence, with all counts (`eie.simulate`)", statistics.median(simulated) / 1e6),
        ("stepped simulator, every wire recorded", found.stepped_s),
        ("RTL in Verilator, memories filled through the host port, every cycle recorded", found.rtl_s),
    ]
    lines = [
        f"# Cycles per second: {layer.name} on 64 PEs, {found.cycles} cycles",
        "",
        f"Measured here on {processor()}. Stepped simulator and RTL agree in every cycle: {found.equal}.",
        "",
        "| simulator | seconds | thousand cycles per second |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {seconds:.5f} | {found.cycles / seconds / 1e3:,.1f} |" for name, seconds in rows),
    ]
    text = "\n".join(lines) + "\n"
    with atomic_write(RESULTS) as temporary:
        temporary.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
