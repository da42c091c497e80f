"""The layers of one reproduction, and what has been worked out on them: each is made, simulated and timed once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eie.chip import Hardware, Simulation, capacity, simulate
from eie.cost import Cost, MemorySet, Technology, cost, load_technology, slowest_memory_ns
from eie.encoding.csc import InterleavedCSC, encode
from eie.importers.eie_simulator import read_eie_simulator
from eie.paper import this_cpu
from eie.workloads.layers import LayerData, benchmarks, generate

__all__ = ["Study", "benchmark_of", "real_layer"]

REAL_SUFFIX = " (real)"
TECHNOLOGY = "eie-paper-45nm"
MEMORIES = "cacti-45nm"


class Study:
    """The nine generated layers, and the real Alex-8 where `data` names the folder of the authors' simulator streams.

    Energy and area are those of `technology`. `log` is told what is about to be done, a line each. Nothing is done
    before it is asked for, and nothing twice.
    """

    def __init__(
        self,
        data: Path | None = None,
        log: Callable[[str], None] = lambda line: None,
        technology: Technology | None = None,
    ) -> None:
        """Read the real layer, where there is one."""
        self.log = log
        self.technology = technology or load_technology(TECHNOLOGY)
        self._layers: dict[str, LayerData] = {}
        self._matrices: dict[tuple[str, int], InterleavedCSC] = {}
        self._simulations: dict[tuple[str, Hardware], Simulation] = {}
        self._cpu_times: dict[str, this_cpu.CpuTimes] = {}
        self.names: tuple[str, ...] = tuple(benchmarks())
        if data is not None:
            real = real_layer(data)
            self._layers[real.name] = real
            self.names += (real.name,)

    @property
    def memories(self) -> MemorySet:
        """The technology's memory set, or CACTI 7's where it has none."""
        own = self.technology.memories is not None
        return self.technology.memory_set() if own else load_technology(MEMORIES).memory_set()

    def is_real(self, name: str) -> bool:
        """Whether the layer comes from published weights rather than from the generator."""
        return name.endswith(REAL_SUFFIX)

    def layer(self, name: str) -> LayerData:
        """The layer's codes, codebook and activations."""
        if name not in self._layers:
            self.log(f"generating {name}")
            self._layers[name] = generate(name, exact=True)
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

    def cost(self, name: str, hardware: Hardware | None = None) -> Cost:
        """What the layer costs on `hardware`, the paper's 64 PEs where none is given, in the study's technology."""
        return cost(self.simulation(name, hardware), self.technology)

    @property
    def memory_sets(self) -> tuple[MemorySet, ...]:
        """The technology's memory sets to choose from, or CACTI 7's where it has none."""
        return self.technology.all_memory_sets or load_technology(MEMORIES).all_memory_sets

    def speed_of_memories(self, hardware: Hardware | None = None) -> str:
        """A sentence on the memories used, and whether they keep the clock of `hardware`, the paper's where none."""
        hardware = hardware or Hardware()
        slowest = slowest_memory_ns(self.technology, hardware)
        if slowest is None:
            return "The technology says nothing of its memories' speed."
        period = 1000 / hardware.clock_mhz
        keep = "keep" if slowest <= period else "cannot keep"
        return (
            f"Memories: {self.memories.name}; they {keep} {hardware.clock_mhz:g} MHz, the slowest being read every "
            f"{slowest:.2f} ns of {period:.2f}."
        )

    def shortfall(self, name: str, hardware: Hardware | None = None) -> str:
        """Which memories of a PE do not hold the layer, in words; empty where all do."""
        hardware = hardware or Hardware()
        short = [need.memory for need in capacity(self.matrix(name, hardware.n_pe), hardware) if not need.fits]
        return f"does not fit: {', '.join(short)}" if short else ""

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
    matrix = streams.network.layers[0].matrix
    return LayerData(f"Alex-8{REAL_SUFFIX}", matrix.decode(), matrix.codebook, streams.activations)
