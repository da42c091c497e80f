"""A space to explore: layers, and values for parameters of the hardware and the encoding, from a TOML file.

name = "widths"
layers = ["Alex-7", "NT-We"]        # of the paper's nine; ["all"] is all of them
strategy = "grid"                   # or "random" with `samples` and `seed`, or "list" with [[runs]]
technology = "eie-paper-45nm"       # or the path of a technology file, relative to this one

[parameters]
n_pe = [16, 64]
spmat_width_bits = [32, 64, 128]

[[generated_layers]]                # further layers, drawn like the paper's nine
name = "language model"
inputs = 4096
outputs = 16384
weight_density = 0.5
activation_density = 0.07

[[model_layers]]                    # layers of a model file, with an input; paths are relative to this file
name = "my fc1"
model = "mine.safetensors"
layer = "fc1"
activations = "fc1-inputs.npy"     # one vector, or several as rows: then every number is their mean

[[weight_layers]]                   # weights from .npy, or a tensor of .safetensors, and inputs
name = "pruned"
weights = "weights.npy"
activations = "inputs.npy"

[[networks]]                        # every layer of a model file, on inputs of the model
name = "my model"
model = "mine.safetensors"
inputs = "inputs.npy"
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from eie.chip import Hardware
from eie.cost import ExternalMemory, Technology, load_external_memory, load_technology
from eie.errors import InputError
from eie.explore.layers import (
    BENCHMARK_NAMES,
    GeneratedLayer,
    ModelLayer,
    OwnLayer,
    WeightLayer,
    WholeNetwork,
    files_of,
)
from eie.explore.rules import IN_ORDER, assignment, beside, entry_rule, scan_rule
from eie.explore.rules import files_of as files_of_rules
from eie.program.hardware import RULES
from eie.support.toml import read_named, shipped_names

__all__ = ["PARAMETERS", "Run", "Space", "load_space", "ready_spaces"]

_FOLDER = files("eie.explore") / "spaces"

HARDWARE = tuple(field.name for field in fields(Hardware) if field.name not in RULES)
ENCODING: dict[str, Any] = {"index_bits": 4, "code_bits": 4}
NAMED_RULES: dict[str, Any] = {
    "row_assignment": "round robin",
    "broadcasts_per_cycle": 1,
    "scan_rule": IN_ORDER,
    "entry_rule": "relative index",
}
NO_MEMORY = "none"
OUTSIDE: dict[str, Any] = {"external_memory": NO_MEMORY}
NAMED = {**ENCODING, **NAMED_RULES, **OUTSIDE}  # with what a space has that does not name them
PARAMETERS = (*HARDWARE, *NAMED)

Value = bool | int | float | str


@dataclass(frozen=True)
class Run:
    """One point of a space: a layer, the encoding, the hardware with its rules, and where weights are that do not fit.

    Rules go by their names to other processes, which may not know a user's classes.
    """

    layer: str
    index_bits: int
    code_bits: int
    hardware: Hardware
    row_assignment: str
    broadcasts_per_cycle: int
    scan_rule: str
    entry_rule: str
    external_memory: str

    @classmethod
    def of(cls, layer: str, values: Mapping[str, Value]) -> Run:
        """The run with these values, the rest as in the paper. Raises InputError for a value that is refused."""
        sizes: dict[str, Any] = {name: value for name, value in values.items() if name in HARDWARE}
        named: dict[str, Any] = {name: values.get(name, default) for name, default in NAMED.items()}
        hardware = Hardware(
            **sizes,
            row_assignment=assignment(named["row_assignment"]),
            scan_rule=scan_rule(named["scan_rule"], named["broadcasts_per_cycle"]),
            entry_rule=entry_rule(named["entry_rule"]),
        )
        for name in ENCODING:
            value = named[name]
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 8:
                raise InputError(f"{name} must be an integer from 1 to 8, not {value!r}")
        hardware.entries_per_row(named["index_bits"] + named["code_bits"])
        if named["external_memory"] != NO_MEMORY:
            load_external_memory(named["external_memory"])
        return cls(layer=layer, hardware=hardware, **named)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the values, from which another process makes the run anew."""
        values = self.parameters
        return Run.of, (values.pop("layer"), values)

    @property
    def encoding(self) -> tuple[str, int, int, int]:
        """What the encoded matrix depends on; runs that share it share the matrix."""
        return self.layer, self.hardware.n_pe, self.index_bits, self.code_bits

    @property
    def parameters(self) -> dict[str, Any]:
        """Layer, encoding and hardware as the columns of the table."""
        sizes = {name: getattr(self.hardware, name) for name in HARDWARE}
        return {"layer": self.layer, **sizes, **{name: getattr(self, name) for name in NAMED}}


class Space(BaseModel):
    """What the module's docstring shows; `runs()` gives its points."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    layers: tuple[str, ...] = ()
    generated_layers: tuple[GeneratedLayer, ...] = ()
    weight_layers: tuple[WeightLayer, ...] = ()
    model_layers: tuple[ModelLayer, ...] = ()
    networks: tuple[WholeNetwork, ...] = ()
    strategy: Literal["grid", "random", "list"] = "grid"
    samples: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**63)
    technology: str = "eie-paper-45nm"
    parameters: dict[str, tuple[Value, ...]] = {}
    run_list: tuple[dict[str, Value], ...] = Field(default=(), alias="runs")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in [*self.parameters, *(name for run in self.run_list for name in run)]:
            if name not in PARAMETERS and not (name == "layer" and self.strategy == "list"):
                raise ValueError(f"there is no parameter called {name!r}; there are {', '.join(PARAMETERS)}")
        for name, values in self.parameters.items():
            if not values:
                raise ValueError(f"parameter {name} has no values, expected at least one")
            if len(set(values)) < len(values):
                raise ValueError(f"parameter {name} names a value twice, in {list(values)}")
        if (self.strategy == "random") != (self.samples is not None):
            raise ValueError(f"strategy {self.strategy!r} and samples contradict each other: only random draws samples")
        if (self.strategy == "list") != bool(self.run_list):
            raise ValueError(f"strategy {self.strategy!r} and runs contradict each other: only list names its runs")
        if self.strategy == "list" and self.parameters:
            raise ValueError("strategy 'list' takes its values from runs, but parameters are given as well")
        names = self.layer_names
        if not names and not self.networks:
            raise ValueError("the space is empty: it names no layers")
        for name in names:
            if name not in BENCHMARK_NAMES and name not in self.own_layers:
                raise ValueError(f"there is no layer called {name!r}; there are {', '.join(BENCHMARK_NAMES)}, and all")
            if names.count(name) > 1:
                raise ValueError(f"layer {name} is named {names.count(name)} times, expected once")
        for run in self.run_list:
            if "layer" in run and run["layer"] not in names:
                raise ValueError(f"runs name a layer {run['layer']!r} that layers do not; those are {', '.join(names)}")
        if self.samples is not None and self.samples > self._grid_size:
            raise ValueError(f"samples is {self.samples}, but the space has only {self._grid_size} points")
        return self

    @property
    def layer_names(self) -> list[str]:
        """The layers, "all" spelt out, one's own last."""
        named = [name for layer in self.layers for name in (BENCHMARK_NAMES if layer == "all" else (layer,))]
        return [*named, *(layer.name for layer in self._own)]

    @property
    def own_layers(self) -> dict[str, OwnLayer]:
        """The layers that are not the paper's, by name; those of networks only once `spelt_out`."""
        return {layer.name: layer for layer in self._own}

    @property
    def _own(self) -> tuple[OwnLayer, ...]:
        return (*self.generated_layers, *self.weight_layers, *self.model_layers)

    def spelt_out(self) -> Space:
        """The same with every network's layers among the model layers. Raises InputError where two share a name."""
        if not self.networks:
            return self
        layers = [*self.model_layers, *(layer for network in self.networks for layer in network.layers())]
        found = self.model_copy(update={"model_layers": tuple(layers), "networks": ()})
        for name in found.layer_names:
            if found.layer_names.count(name) > 1:
                raise InputError(f"space {self.name}: layer {name} is named more than once, expected once")
        return found

    def external_memories(self, runs: Sequence[Run]) -> dict[str, ExternalMemory]:
        """The external memories of the runs, by the names that the runs have for them."""
        names = dict.fromkeys(run.external_memory for run in runs if run.external_memory != NO_MEMORY)
        return {name: load_external_memory(name) for name in names}

    def files(self) -> list[Path]:
        """The files that layers, rules and external memories are read from, those that are there, each once."""
        points = [*self.run_list, *({name: value} for name, values in self.parameters.items() for value in values)]
        rules = [str(point[name]) for point in points for name in RULES if name in point]
        memories = [Path(str(point["external_memory"])) for point in points if "external_memory" in point]
        own = [file for layer in self._own for file in files_of(layer)]
        return sorted({path for path in (*own, *files_of_rules(rules), *memories) if path.is_file()})

    @property
    def _grid_size(self) -> int:
        return len(self.layer_names) * prod(len(values) for values in self.parameters.values())

    def runs(self) -> list[Run]:
        """All points, each once. Raises InputError for values that the hardware or the encoding refuses."""
        return list(dict.fromkeys(self._run(point) for point in self._points()))

    def load_technology(self) -> Technology:
        """The technology that the space names."""
        return load_technology(self.technology)

    def _points(self) -> list[dict[str, Value]]:
        if self.strategy == "list":
            return [
                {"layer": name, **run}
                for run in self.run_list
                for name in ([run["layer"]] if "layer" in run else self.layer_names)
            ]
        axes: dict[str, Any] = {"layer": self.layer_names, **self.parameters}
        if self.samples is None:
            return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
        drawn = random.Random(self.seed).sample(range(self._grid_size), self.samples)
        return [_point(axes, number) for number in drawn]

    def _run(self, point: dict[str, Value]) -> Run:
        try:
            return Run.of(str(point["layer"]), point)
        except InputError as error:
            raise InputError(f"space {self.name}: {error}") from error


def _point(axes: dict[str, Any], number: int) -> dict[str, Value]:
    """The `number`-th point of the grid, without making the others."""
    point = {}
    for name, values in axes.items():
        number, place = divmod(number, len(values))
        point[name] = values[place]
    return point


def ready_spaces() -> tuple[str, ...]:
    """The names of the spaces that come with the package."""
    return shipped_names(_FOLDER)


def load_space(name: str | Path) -> Space:
    """A space by its name among those that come with the package, or the user's own file by its path."""
    space = read_named(name, _FOLDER, Space, "space")
    if str(name) in ready_spaces():
        return space
    folder = Path(name).parent
    return space.model_copy(
        update={
            "technology": _file_beside(space.technology, folder),
            "weight_layers": tuple(layer.beside(folder) for layer in space.weight_layers),
            "model_layers": tuple(layer.beside(folder) for layer in space.model_layers),
            "networks": tuple(network.beside(folder) for network in space.networks),
            "parameters": {
                key: tuple(_found(key, one, folder) for one in values) for key, values in space.parameters.items()
            },
            "run_list": tuple({key: _found(key, one, folder) for key, one in run.items()} for run in space.run_list),
        }
    ).spelt_out()


def _found(parameter: str, value: Value, folder: Path) -> Any:
    """A value that names a file is relative to the space's."""
    if parameter == "external_memory":
        return _file_beside(str(value), folder)
    return beside(value, folder) if parameter in RULES else value


def _file_beside(name: str, folder: Path) -> str:
    file, at, node = name.rpartition("@") if "@" in name else (name, "", "")
    return f"{folder / file}{at}{node}" if (folder / file).is_file() else name
