"""The layers of one reproduction, and what has been worked out on them: each is made, simulated and timed once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eie.chip import Hardware, Simulation, simulate
from eie.encoding.csc import InterleavedCSC, encode
from eie.importers.eie_simulator import read_eie_simulator
from eie.paper import this_cpu
from eie.workloads.layers import LayerData, benchmarks, generate

__all__ = ["Study", "benchmark_of", "real_layer"]

REAL_SUFFIX = " (real)"


class Study:
    """The nine generated layers, and the real Alex-8 where `data` names the folder of the authors' simulator streams.

    `log` is told what is about to be done, a line each. Nothing is done before it is asked for, and nothing twice.
    """

    def __init__(self, data: Path | None = None, log: Callable[[str], None] = lambda line: None) -> None:
        """Read the real layer, where there is one."""
        self.log = log
        self._layers: dict[str, LayerData] = {}
        self._matrices: dict[tuple[str, int], InterleavedCSC] = {}
        self._simulations: dict[tuple[str, Hardware], Simulation] = {}
        self._cpu_times: dict[str, this_cpu.CpuTimes] = {}
        self.names: tuple[str, ...] = tuple(benchmarks())
        if data is not None:
            real = real_layer(data)
            self._layers[real.name] = real
            self.names += (real.name,)

    def is_real(self, name: str) -> bool:
        """Whether the layer comes from published weights rather than from the generator."""
        return name.endswith(REAL_SUFFIX)

    def layer(self, name: str) -> LayerData:
        """The layer's codes, codebook and activations."""
        if name not in self._layers:
            self.log(f"generating {name}")
            self._layers[name] = generate(name)
        return self._layers[name]

    def matrix(self, name: str, n_pe: int = 64) -> InterleavedCSC:
        """The layer encoded for `n_pe` PEs, 4-bit indices."""
        if (name, n_pe) not in self._matrices:
            layer = self.layer(name)
            self.log(f"encoding {name} for {n_pe} PE{'s' if n_pe != 1 else ''}")
            self._matrices[name, n_pe] = encode(layer.codes, layer.codebook, n_pe=n_pe)
        return self._matrices[name, n_pe]

    def simulation(self, name: str, hardware: Hardware | None = None) -> Simulation:
        """The layer's exact cycles and counts on `hardware`; the paper's 64 PEs where none is given."""
        hardware = hardware or Hardware()
        if (name, hardware) not in self._simulations:
            matrix = self.matrix(name, hardware.n_pe)
            self._simulations[name, hardware] = simulate(matrix, self.layer(name).activations, hardware)
        return self._simulations[name, hardware]

    def cpu_times(self, name: str) -> this_cpu.CpuTimes:
        """The layer's dense and sparse product timed on this machine."""
        if name not in self._cpu_times:
            layer = self.layer(name)
            self.log(f"timing {name} on this CPU")
            self._cpu_times[name] = this_cpu.measure(layer)
        return self._cpu_times[name]


def benchmark_of(name: str) -> str:
    """The benchmark that a layer of a study is compared with: "Alex-8" for "Alex-8 (real)"."""
    return name.removesuffix(REAL_SUFFIX)


def real_layer(data: Path) -> LayerData:
    """The published Alex-8 from its streams, its bias as one more column whose activation is 1."""
    streams = read_eie_simulator(data, outputs=benchmarks()["Alex-8"].outputs)
    matrix = streams.network.products[0].matrix
    return LayerData(f"Alex-8{REAL_SUFFIX}", matrix.decode(), matrix.codebook, streams.activations)
