"""One encoding's runs: the layer is drawn and encoded once, then simulated on every hardware, each run a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eie.chip import capacity, simulate
from eie.cost import Technology, cost
from eie.explore.encodings import OwnLayer, encoded, layer_data
from eie.explore.space import Run, Space

__all__ = ["Task", "tasks_of"]


@dataclass(frozen=True)
class Task:
    """Runs that share one encoded matrix, and all that a worker elsewhere needs to do them."""

    runs: tuple[Run, ...]
    layer: OwnLayer | None
    technology: Technology

    def rows(self) -> list[dict[str, Any]]:
        """A row per run: parameters, then what was simulated, then what was modelled; units are in the names.

        `holds` tells whether the memories hold the layer, `fits` whether they can be read in every cycle as well.
        """
        first = self.runs[0]
        layer = layer_data(first.layer, self.layer)
        matrix = encoded(layer, *first.encoding[1:])
        rows = []
        for run in self.runs:
            simulation = simulate(matrix, layer.activations, run.hardware)
            modelled = cost(simulation, self.technology)
            holds = all(need.fits for need in capacity(matrix, run.hardware))
            rows.append(
                {
                    **run.parameters,
                    "cycles": simulation.cycles,
                    "latency_us": simulation.latency_us,
                    "theoretical_us": simulation.theoretical_us,
                    "load_efficiency": simulation.load_efficiency,
                    "real_work": matrix.nnz / max(matrix.n_entries, 1),
                    **vars(simulation.counts),
                    "host_words": simulation.host.per_input,
                    "holds": holds,
                    "slowest_memory_ns": modelled.slowest_memory_ns,
                    "fits": holds and modelled.keeps_clock,
                    "energy_nj": modelled.energy_nj,
                    "power_mw": modelled.power_mw,
                    "area_mm2": modelled.area_mm2,
                    "frames_per_s": modelled.frames_per_s,
                    "frames_per_j": modelled.frames_per_j,
                    "frames_per_s_mm2": modelled.frames_per_s_mm2,
                }
            )
        return rows


def tasks_of(runs: list[Run], space: Space, technology: Technology) -> list[Task]:
    """The runs grouped by encoding, those of a layer together, so that a worker draws each layer once."""
    own = space.own_layers
    groups: dict[str, dict[object, list[Run]]] = {}
    for run in runs:
        groups.setdefault(run.layer, {}).setdefault(run.encoding, []).append(run)
    return [
        Task(tuple(group), own.get(layer), technology)
        for layer, encodings in groups.items()
        for group in encodings.values()
    ]
