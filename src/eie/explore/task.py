"""One encoding's runs: the layer is drawn and encoded once, then simulated on every hardware, each run a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eie.chip import Simulation, capacity, simulate
from eie.chip.memories import WEIGHT_MEMORIES
from eie.chip.spread import Spread
from eie.cost import Cost, ExternalMemory, Stream, Technology, cost_with_streams, stream_matrix
from eie.encoding.csc import InterleavedCSC
from eie.explore.encodings import encoded
from eie.explore.layers import OwnLayer, layer_data
from eie.explore.space import Run, Space

__all__ = ["Task", "tasks_of"]


@dataclass(frozen=True)
class Task:
    """Runs that share one encoded matrix, and all that a worker elsewhere needs to do them."""

    runs: tuple[Run, ...]
    layer: OwnLayer | None
    technology: Technology
    memories: dict[str, ExternalMemory]

    def rows(self) -> list[dict[str, Any]]:
        """A row per run: parameters, then what was simulated, then what was modelled; units are in the names.

        Over several input vectors every number is their mean, beside the deviation and the most of the time. `holds`
        tells whether the memories hold the layer, `fits` whether it runs: they hold it, or all but its weights, which
        an external memory has; and they can be read in every cycle.
        """
        first = self.runs[0]
        layer = layer_data(first.layer, self.layer)
        matrix = encoded(layer, *first.encoding[1:])
        rows = []
        for run in self.runs:
            memory = self.memories.get(run.external_memory)
            played = [_play(matrix, vector, run, memory, self.technology) for vector in layer.vectors]
            short = {need.memory for need in capacity(matrix, run.hardware) if not need.fits}
            outside = isinstance(played[0][0], Stream)
            time = Spread.of([cost.latency_us for _, cost in played])
            rows.append(
                {
                    **run.parameters,
                    **_mean([_numbers(one, cost) for one, cost in played]),
                    "vectors": len(played),
                    "latency_us_deviation": time.deviation,
                    "latency_us_most": time.most,
                    "real_work": matrix.nnz / max(matrix.n_entries, 1),
                    "holds": not short,
                    "slowest_memory_ns": played[0][1].slowest_memory_ns,
                    "fits": short <= set(WEIGHT_MEMORIES if outside else ()) and played[0][1].keeps_clock,
                }
            )
        return rows


def _play(
    matrix: InterleavedCSC, vector: npt.NDArray[Any], run: Run, memory: ExternalMemory | None, technology: Technology
) -> tuple[Simulation | Stream, Cost]:
    """One input vector, (runs, inputs), of the layer: all its runs one after the other, and what they cost."""
    one: Simulation | Stream
    if memory is None:
        one = Simulation.total([simulate(matrix, each, run.hardware) for each in vector])
    else:
        one = stream_matrix(matrix, vector, run.hardware, memory)
    return one, cost_with_streams([one], technology)


def _numbers(one: Simulation | Stream, cost: Cost) -> dict[str, float]:
    """What is averaged over the vectors."""
    simulation = one.simulation if isinstance(one, Stream) else one
    return {
        "cycles": simulation.cycles,
        "latency_us": cost.latency_us,
        "theoretical_us": simulation.theoretical_us,
        "load_efficiency": simulation.load_efficiency,
        **vars(simulation.counts),
        "host_words": simulation.host.per_input,
        "external_bytes": one.read_bytes if isinstance(one, Stream) else 0,
        "energy_nj": cost.energy_nj,
        "power_mw": cost.power_mw,
        "area_mm2": cost.area_mm2,
        "frames_per_s": cost.frames_per_s,
        "frames_per_j": cost.frames_per_j,
        "frames_per_s_mm2": cost.frames_per_s_mm2,
    }


def _mean(numbers: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each number over the vectors; of one vector its own."""
    if len(numbers) == 1:
        return numbers[0]
    return {name: float(np.mean([each[name] for each in numbers])) for name in numbers[0]}


def tasks_of(runs: list[Run], space: Space, technology: Technology) -> list[Task]:
    """The runs grouped by encoding, those of a layer together, so that a worker draws each layer once."""
    own = space.own_layers
    memories = space.external_memories(runs)
    groups: dict[str, dict[object, list[Run]]] = {}
    for run in runs:
        groups.setdefault(run.layer, {}).setdefault(run.encoding, []).append(run)
    return [
        Task(tuple(group), own.get(layer), technology, memories)
        for layer, encodings in groups.items()
        for group in encodings.values()
    ]
