"""One or several inputs played on the chip, with what they cost: what `eie simulate` and `eie compare` both print."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt

from eie.chip import Hardware, LayerSimulation, Simulation, simulate_network
from eie.chip.spread import Spread
from eie.cost import Cost, ExternalMemory, Stream, Technology, cost_with_streams, stream, streamed_layers
from eie.errors import InputError
from eie.model.network import Network
from eie.model.reference import calibrate
from eie.program.lowering import Program
from eie.program.table import LayerTable, layer_table

__all__ = ["Played", "document", "play", "spreads"]


@dataclass(frozen=True)
class Played:
    """One input on the chip: each layer of `network`, and what its time and energy come from."""

    network: Network
    hardware: Hardware
    layers: tuple[LayerSimulation, ...]
    runs: list[Simulation | Stream]
    cost: Cost | None

    @property
    def streams(self) -> dict[str, Stream]:
        """The layers that read their weights from an external memory, by name."""
        pairs = zip(self.layers, self.runs, strict=True)
        return {layer.layer.name: run for layer, run in pairs if isinstance(run, Stream)}

    @property
    def latency_us(self) -> float:
        """Time of all layers, waiting for the external memory included."""
        return sum(run.latency_us for run in self.runs)

    @property
    def cycles(self) -> int:
        """The chip's cycles for all layers, without waiting."""
        return sum(layer.simulation.cycles for layer in self.layers)

    @cached_property
    def table(self) -> LayerTable | None:
        """The table of layers with which the chip runs the network by itself, or None where it cannot."""
        longest = max(max(layer.layer.matrix.shape) for layer in self.layers)
        too_long = not self.hardware.batched and longest > self.hardware.register_inputs
        if len(self.layers) != len(self.network.steps) or too_long:
            return None
        try:
            return layer_table(Program(self.network, self.hardware, tuple(layer.lowered for layer in self.layers)))
        except InputError:
            return None

    @property
    def missing(self) -> str:
        """What the chip has too little of for the table, or ""."""
        return "" if self.table is None else self.table.needs.short(self.table.program.hardware)


def _with_formats(network: Network, batch: npt.NDArray[Any], hardware: Hardware) -> Network:
    """Choose Q formats from all inputs together where the network has none."""
    if all(layer.formats is not None for layer in network.layers):
        return network
    return calibrate(network, batch, value_bits=hardware.value_bits, accumulator_bits=hardware.accumulator_bits)


def play(
    network: Network,
    batch: npt.NDArray[Any],
    hardware: Hardware,
    technology: Technology | None,
    memory: ExternalMemory | None,
) -> list[Played]:
    """Simulate each input of `batch`, (vectors, inputs), and price it where there is a technology."""
    if len(batch) > 1:
        network = _with_formats(network, batch, hardware)
    return [_play(network, vector, hardware, technology, memory) for vector in batch]


def _play(
    network: Network,
    vector: npt.NDArray[Any],
    hardware: Hardware,
    technology: Technology | None,
    memory: ExternalMemory | None,
) -> Played:
    layers = simulate_network(network, vector, hardware)
    outside = [False] * len(layers)
    if memory is not None:
        outside = streamed_layers([layer.lowered.passes for layer in layers], hardware)
    runs: list[Simulation | Stream] = [
        stream(one.simulation, one.lowered.passes, one.lowered.places(one.activations) != 0, memory)
        if memory is not None and off
        else one.simulation
        for one, off in zip(layers, outside, strict=True)
    ]
    cost = None if technology is None else cost_with_streams(runs, technology)
    return Played(network, hardware, layers, runs, cost)


def spreads(played: list[Played]) -> dict[str, Spread]:
    """Mean, spread and worst case over several inputs: of each layer's cycles and of the whole."""
    found = {
        **{
            f"cycles, {layer.layer.name}": Spread.of([one.layers[place].simulation.cycles for one in played])
            for place, layer in enumerate(played[0].layers)
        },
        "cycles": Spread.of([one.cycles for one in played]),
        "time, us": Spread.of([one.latency_us for one in played]),
    }
    costs = [one.cost for one in played if one.cost is not None]
    if costs:
        found["energy, nJ"] = Spread.of([one.energy_nj for one in costs])
        found["power, mW"] = Spread.of([one.power_mw for one in costs])
    return found


def document(
    model: Path, hardware: Hardware, played: list[Played], technology: str | None, memory: ExternalMemory | None
) -> dict[str, Any]:
    """What was played as plain values: layer by layer for one input, spreads for several."""
    one, costs = played[0], [each.cost for each in played if each.cost is not None]
    found: dict[str, Any] = {"model": model, "provenance": "simulated", "hardware": hardware.document()}
    if memory is not None:
        found["external_memory"] = memory.name
    if len(played) > 1:
        found |= {"inputs": len(played), "spreads": {name: vars(spread) for name, spread in spreads(played).items()}}
        return found | ({"technology": technology, "area_mm2": costs[0].area_mm2} if costs else {})
    found |= {
        "layers": [_layer_document(layer, one.streams.get(layer.layer.name)) for layer in one.layers],
        "cycles": one.cycles,
        "latency_us": one.latency_us,
        **({} if one.table is None else {"table": _table_document(one, one.table)}),
    }
    return found | ({"cost": {"technology": technology, **_cost_document(costs[0])}} if costs else {})


def _table_document(one: Played, table: LayerTable) -> dict[str, Any]:
    return {
        "cycles": one.cycles + table.extra_cycles,
        "host_words": vars(table.host_words()),
        "needs": vars(table.needs),
        "missing": one.missing,
    }


def _cost_document(made: Cost) -> dict[str, Any]:
    names = ("energy_nj", "power_mw", "area_mm2", "power_put_in", "area_put_in", "slowest_memory_ns", "keeps_clock")
    return {"provenance": "modelled", **{name: getattr(made, name) for name in names}}


def _layer_document(layer: LayerSimulation, streamed: Stream | None) -> dict[str, Any]:
    simulation = layer.simulation
    return {
        "name": layer.layer.name,
        "runs": layer.runs,
        "cycles": simulation.cycles,
        "latency_us": simulation.latency_us,
        "theoretical_us": simulation.theoretical_us,
        "load_efficiency": simulation.load_efficiency,
        "counts": vars(simulation.counts),
        "host_words": vars(simulation.host),
        "busy_cycles": simulation.busy_cycles,
        "empty_column_cycles": simulation.empty_column_cycles,
        "starved_cycles": simulation.starved_cycles,
        "done_early_cycles": simulation.done_early_cycles,
        "overflows": layer.overflows,
        **({} if streamed is None else {"external_memory": _stream_document(streamed)}),
    }


def _stream_document(one: Stream) -> dict[str, Any]:
    names = ("read_bytes", "transfer_us", "latency_us", "energy_nj", "bound_by")
    return {"provenance": "modelled", "name": one.memory.name, **{name: getattr(one, name) for name in names}}
