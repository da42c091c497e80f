"""Weights that do not fit the chip: read from an external memory while the chip computes.

The paper keeps all weights on chip. Here the memory holds each column of a pass in one piece, all PEs' entries and
their pointers. The activations are known before a layer begins, so only the columns of active inputs are read, ahead of
their use, in whole accesses; the PEs' weight memories are the buffer between. A layer takes the memory's latency once a
pass, and then the longer of computing and reading. While it waits, the chip's clock and leakage go on. Left out: what
the memory takes when nothing is read, and a stall where a few columns in a row are much longer than the mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from importlib.resources import files
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from eie.chip import Simulation
from eie.chip.memories import WEIGHT_MEMORIES, pass_needs
from eie.chip.timing import place_matrix, simulate_passes
from eie.cost.energy import Cost, Part, cost, price_list
from eie.cost.technology import Technology
from eie.encoding.csc import InterleavedCSC
from eie.program.hardware import Hardware
from eie.program.lowering import Pass
from eie.support.toml import read_named, shipped_names

__all__ = [
    "ExternalMemory",
    "Stream",
    "cost_with_streams",
    "external_memories",
    "load_external_memory",
    "stream",
    "stream_matrix",
    "streamed_layers",
]

_FOLDER = files("eie.cost") / "dram"


SHARED = ("pointer memory", "weight memory")  # layers lie in them side by side


class ExternalMemory(BaseModel):
    """A memory off the chip, each figure with its source; reads are in whole accesses of `access_bytes`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    bandwidth_gb_s: float = Field(gt=0, allow_inf_nan=False)
    bandwidth_source: str
    energy_pj_per_bit: float = Field(ge=0, allow_inf_nan=False)
    energy_source: str
    access_bytes: int = Field(ge=1, le=4096)
    access_source: str
    latency_ns: float = Field(ge=0, allow_inf_nan=False)
    latency_source: str

    def transfer_us(self, read_bytes: int) -> float:
        """Time to read that many bytes one after the other."""
        return read_bytes / self.bandwidth_gb_s / 1000

    def whole_accesses(self, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Bytes read for pieces of those sizes, (pieces,), in bytes, each rounded up to whole accesses."""
        return -(-sizes // self.access_bytes) * self.access_bytes


@dataclass(frozen=True)
class Stream:
    """A layer whose weights are read from `memory` while it runs; `simulation` is the chip's part, weights at hand."""

    memory: ExternalMemory
    simulation: Simulation
    passes: int
    read_bytes: int

    @property
    def transfer_us(self) -> float:
        """Time that the reading takes by itself."""
        return self.memory.transfer_us(self.read_bytes)

    @property
    def bound_by(self) -> str:
        """What takes longer: "computing" or "memory"."""
        return "memory" if self.transfer_us > self.simulation.latency_us else "computing"

    @property
    def latency_us(self) -> float:
        """Time of the layer: the memory's latency for each pass, and the longer of computing and reading."""
        return self.passes * self.memory.latency_ns / 1000 + max(self.simulation.latency_us, self.transfer_us)

    @property
    def energy_nj(self) -> float:
        """Energy of the reads in the memory and on the way to the chip."""
        return self.read_bytes * 8 * self.memory.energy_pj_per_bit / 1000

    @property
    def with_waiting(self) -> Simulation:
        """The chip's part with the cycles in which all PEs wait for the memory."""
        waiting = ceil((self.latency_us - self.simulation.latency_us) * self.simulation.hardware.clock_mhz - 1e-6)
        return replace(
            self.simulation,
            cycles=self.simulation.cycles + waiting,
            starved_cycles=self.simulation.starved_cycles + waiting,
        )


def stream_matrix(
    matrix: InterleavedCSC, activations: npt.ArrayLike, hardware: Hardware, memory: ExternalMemory
) -> Simulation | Stream:
    """Simulate a matrix as `eie.simulate` does; a `Stream` where its weights do not fit the chip.

    `activations` may be (runs, inputs): the runs follow each other, and are one simulation.
    """
    placed = [place_matrix(matrix, one, hardware) for one in np.atleast_2d(np.asarray(activations))]
    passes = placed[0][0]
    simulation = Simulation.total([simulate_passes(passes, values, hardware) for _, values in placed])
    if not streamed_layers([passes], hardware)[0]:
        return simulation
    return stream(simulation, passes, np.array([values for _, values in placed]) != 0, memory)


def stream(
    simulation: Simulation, passes: Sequence[Pass], active: npt.NDArray[np.bool_], memory: ExternalMemory
) -> Stream:
    """The layer of `passes` with its weights in `memory`; `active`, (inputs,), are the inputs broadcast.

    Both are in the order of places on the chip, as `LoweredLayer.passes` and `LoweredLayer.places` have them. A layer
    that runs several times for an input, such as a convolution, has (runs, inputs) and reads its weights each time.
    """
    hardware = simulation.hardware
    pointer_bytes = -(-hardware.pointer_bits // 8)
    times = np.atleast_2d(active)
    uses = times.sum(axis=0, dtype=np.int64)
    read = 0
    for part in passes:
        matrix = part.matrix
        entry_bytes = -(-matrix.entry_bits // 8)
        entries = matrix.counts.sum(axis=0, dtype=np.int64)
        read += int(uses @ memory.whole_accesses(entries * entry_bytes + matrix.n_pe * pointer_bytes))
    return Stream(memory, simulation, len(passes) * len(times), read)


def streamed_layers(layers: Sequence[Sequence[Pass]], hardware: Hardware) -> list[bool]:
    """Of a network's layers, each given by its passes, those whose weights are not kept on the chip.

    A layer is kept where the entries and pointers of all its passes fit every PE beside those of the layers kept before
    it.
    """
    free = dict.fromkeys(SHARED, Fraction(1))  # of each memory, the share that no layer has taken
    streamed = []
    for passes in layers:
        needed = dict.fromkeys(WEIGHT_MEMORIES, 0)
        available = {}
        for need in (need for part in passes for need in pass_needs(part, hardware) if need.memory in needed):
            needed[need.memory] += need.needed
            available[need.memory] = need.available
        kept = all(needed[name] <= available[name] * free.get(name, 1) for name in WEIGHT_MEMORIES)
        if kept:
            free = {name: free[name] - Fraction(needed[name], max(available[name], 1)) for name in SHARED}
        streamed.append(not kept)
    return streamed


def cost_with_streams(runs: Iterable[Simulation | Stream], technology: Technology) -> Cost:
    """The cost of layers one after the other, of which some read their weights from an external memory.

    Adds the memory's energy, and a write of each row that arrives to the weight memory, taken to cost what a read does.
    """
    layers = list(runs)
    made = cost([one.with_waiting if isinstance(one, Stream) else one for one in layers], technology)
    parts = []
    for one in layers:
        if not isinstance(one, Stream):
            continue
        hardware, memory = one.simulation.hardware, one.memory
        read_pj = price_list(technology, hardware).get("SpmatRead")
        row_pj = 0.0 if read_pj is None else read_pj.energy_pj.get("spmat_read", 0.0)
        rows = one.read_bytes * 8 / hardware.spmat_width_bits
        parts.append(
            Part(
                "SpmatRead", "memory", "write", rows * row_pj, 0.0, 0.0, None, "a row written as a row read", "assumed"
            )
        )
        parts.append(
            Part(
                memory.name,
                "external memory",
                "read",
                one.energy_nj * 1000,
                0.0,
                0.0,
                None,
                memory.energy_source,
                "DRAM",
            )
        )
    return replace(made, parts=(*made.parts, *parts))


@cache
def external_memories() -> tuple[str, ...]:
    """The names of the external memories that come with the package."""
    return shipped_names(_FOLDER)


def load_external_memory(name: str | Path) -> ExternalMemory:
    """An external memory by its name among those that come with the package, or the user's own file by its path."""
    return read_named(name, _FOLDER, ExternalMemory, "external memory")
