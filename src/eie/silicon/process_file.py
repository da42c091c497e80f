"""What a layout needs to know of a process beside its cells' own files: sites, tracks, power straps, special cells."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from eie.support.toml import read_named, shipped_names

__all__ = ["PROCESSES", "Process", "load_process"]

_FOLDER = files("eie.silicon") / "process"
PROCESSES = shipped_names(_FOLDER)

Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[\w/*-]+$")]  # it becomes part of a tool's script


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Layer(_Table):
    """A routing layer: offset and pitch of its tracks along x and y (um), and a wire's kohm and fF per um.

    `kept_free` is the part of its tracks that wires are not planned on: they are left to ways to pins.
    """

    name: Name
    x_um: tuple[Amount, Length]
    y_um: tuple[Amount, Length]
    resistance: Amount
    capacitance: Amount
    kept_free: Annotated[float, Field(ge=0, lt=1)] = 0.0


class PinLayers(_Table):
    """The layers of a block's pins, by the direction of their wires; a memory's pins lie on the first of each."""

    horizontal: tuple[Name, ...] = Field(min_length=1)
    vertical: tuple[Name, ...] = Field(min_length=1)


class Rail(_Table):
    """The wires along each row of cells."""

    layer: Name
    width_um: Length


class Strap(_Table):
    """Wires of a power grid: of each of the two nets one in every pitch."""

    layer: Name
    width_um: Length
    pitch_um: Length
    offset_um: Amount


class PowerGrid(_Table):
    """Rails, straps across them, and the straps that lead over memories."""

    rail: Rail
    strap: Strap
    over_memories: Strap


class MemoryLayers(_Table):
    """What a memory's abstract blocks, its own straps, and how far cells stay away from it."""

    blocked: tuple[Name, ...] = Field(min_length=1)
    strap: Strap
    halo_um: Length


class Process(_Table):
    """A process file; lengths in um. Cells are named as in the library's LEF."""

    title: str
    site: Name
    site_um: tuple[Length, Length]
    tap_cell: Name
    tap_distance_um: Length
    fillers: Name
    clock_buffer: Name
    driving_cell: Name
    load_ff: Amount
    dont_use: tuple[Name, ...] = ()
    signal_layers: Name
    clock_layers: Name
    wire_layer: Name
    clock_wire_layer: Name
    pins: PinLayers
    power: PowerGrid
    memory: MemoryLayers
    layers: tuple[Layer, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _layers_exist(self) -> Self:
        power, memory = self.power, self.memory
        there = [layer.name for layer in self.layers]
        for name in (
            *(self.wire_layer, self.clock_wire_layer, *self.pins.horizontal, *self.pins.vertical),
            *(power.rail.layer, power.strap.layer, power.over_memories.layer, memory.strap.layer, *memory.blocked),
        ):
            if name not in there:
                raise ValueError(f"it names the layer {name}, and its layers are {', '.join(there)}")
        return self

    def layer(self, name: str) -> Layer:
        """The layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)


def load_process(name: str | Path) -> Process:
    """A process by its name among those that come with the package, or the user's own file by its path."""
    return read_named(name, _FOLDER, Process, "process")
