"""Technology files: what each action costs in each unit, every figure with its source."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from eie.chip import Hardware
from eie.cost.memory import MemoryFigures, MemorySet
from eie.errors import InputError
from eie.support.toml import read_named, shipped_names

__all__ = ["ACTIONS", "Action", "Component", "Technology", "load_technology", "technologies"]

_FOLDER = files("eie.cost") / "tech"

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Action = Literal["spmat_read", "ptr_read", "queue_entry", "entry", "mac", "activation_read", "cycle"]
Memory = Literal["spmat", "pointer", "activation"]

ACTIONS: dict[Action, str] = {
    "spmat_read": "a row of the weight memory is read",
    "ptr_read": "a pair of column pointers is read",
    "queue_entry": "an activation enters and leaves one PE's queue",
    "entry": "an entry, padding included, goes through the arithmetic unit",
    "mac": "an entry that is a weight goes through the arithmetic unit",
    "activation_read": "a PE's activation SRAM is read, to load a batch",
    "cycle": "a clock cycle passes, busy or not",
}

# The sizes of the hardware that each memory's price follows.
MEMORY_SIZES: dict[Memory, tuple[str, ...]] = {
    "spmat": ("spmat_bytes", "spmat_width_bits"),
    "pointer": ("pointer_bytes", "pointer_bits"),
    "activation": ("activation_bytes",),
}


class Component(BaseModel):
    """One kind of circuit in one unit: what it costs each time its action happens, and what it costs to be there.

    The energy of an action is `energy_pj`; or `power_mw` at the file's `calibrated_at_mhz` and `activity`; or, for a
    `memory` without either, that of a read in the memory set. A `memory` with a figure of its own has it at the paper's
    size and width, and follows the memory set elsewhere. `area_grows_with` names the size of the hardware that area and
    the energy of cycles are proportional to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: str
    kind: str
    source: str
    origin: Literal["paper", "CACTI 7", "synthesised here", "placed and routed here", "measured", "assumed"]
    per: Literal["pe", "lnzd_node"] = "pe"
    action: Action | None = None
    energy_pj: Amount | None = None
    power_mw: Amount | None = None
    area_um2: Amount | None = None
    leakage_mw: Amount | None = None
    latency_ns: Amount | None = None
    memory: Memory | None = None
    area_grows_with: Literal["queue_depth", "register_entries", "arithmetic_units"] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        name = f"{self.unit}, {self.kind}"
        if self.energy_pj is not None and self.power_mw is not None:
            raise ValueError(f"{name} gives both energy_pj and power_mw, expected one")
        has_energy = self.energy_pj is not None or self.power_mw is not None
        if has_energy and self.action is None:
            raise ValueError(f"{name} has an energy and no action, expected one of {', '.join(ACTIONS)}")
        if self.action is not None and not has_energy and self.memory is None:
            raise ValueError(f"{name} has the action {self.action} and no energy, expected energy_pj or power_mw")
        if self.area_um2 is None and self.memory is None and not has_energy:
            raise ValueError(f"{name} has neither energy nor area")
        return self


class Activity(BaseModel):
    """How often each action happened, per instance and cycle, when the powers of a file were taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    per_cycle: dict[Action, Annotated[float, Field(gt=0, le=1)]]


class Technology(BaseModel):
    """A technology file: components, the memories they follow, the fastest clock; `node_nm` is its process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    node_nm: float = Field(gt=0)
    critical_path_ns: float = Field(gt=0)
    critical_path_source: str
    calibrated_at_mhz: float = Field(default=800.0, gt=0)
    activity: Activity | None = None
    components: tuple[Component, ...] = Field(min_length=1)
    memories: str | None = None
    memories_from: str | None = None
    memory_sets: tuple[MemorySet, ...] = ()
    scale: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _memories_exist(self) -> Self:
        if self.memories_from is None and self.memories is not None:
            self.memory_set()
        for component in self.components:
            name = f"{component.unit}, {component.kind}"
            if component.power_mw is None and component.energy_pj is None and component.memory and not self.memories:
                raise ValueError(f"{name} is a memory, and the file names no memories")
            if component.power_mw is not None and component.action not in self._per_cycle:
                raise ValueError(
                    f"{name} gives power_mw for {component.action}, which the file's activity does not name"
                )
        return self

    @property
    def _per_cycle(self) -> dict[Action, float]:
        return {"cycle": 1.0, **(self.activity.per_cycle if self.activity else {})}

    def energy_pj(self, component: Component) -> float | None:
        """Energy of one action of `component` at the paper's sizes, where the file gives it; before scaling."""
        if component.power_mw is None or component.action is None:
            return component.energy_pj
        return component.power_mw / self.calibrated_at_mhz * 1000 / self._per_cycle[component.action]

    @property
    def followed_sizes(self) -> set[str]:
        """The sizes of the hardware that the technology has a price for at more than one value."""
        followed = {one.area_grows_with for one in self.components if one.area_grows_with is not None}
        return followed.union(*(MEMORY_SIZES[one.memory] for one in self.components if one.memory is not None))

    @property
    def fastest_clock_mhz(self) -> float:
        """One over the critical path."""
        return 1000 / self.critical_path_ns

    @property
    def all_memory_sets(self) -> tuple[MemorySet, ...]:
        """The memory sets to choose from: the file's own, or those of the technology that it takes them from."""
        source, files = self, [self.name]
        while source.memories_from is not None:
            if source.memories_from in files:
                raise InputError(
                    f"technology {self.name} takes its memories from a file that takes them from itself: "
                    f"{', '.join([*files, source.memories_from])}"
                )
            files.append(source.memories_from)
            source = load_technology(source.memories_from)
        return source.memory_sets

    def memory_set(self, name: str | None = None) -> MemorySet:
        """The memory set called `name`, by default the file's own choice. Raises InputError where there is none."""
        wanted = name or self.memories
        for one in self.all_memory_sets:
            if one.name == wanted:
                return one
        there = ", ".join(repr(one.name) for one in self.all_memory_sets) or "none"
        raise InputError(f"technology {self.name} has no memory set {wanted!r}; it has {there}")

    def with_memories(self, name: str) -> Technology:
        """This technology with another of its memory sets."""
        return self.model_copy(update={"memories": self.memory_set(name).name})

    def memory(self, which: Memory, hardware: Hardware) -> MemoryFigures:
        """One PE's weight, pointer (both banks) or activation memory at the hardware's size and width."""
        figures = self.memory_set()
        if which == "spmat":
            return figures.figures(hardware.spmat_bytes, hardware.spmat_width_bits)
        if which == "activation":
            return figures.figures(hardware.activation_bytes, hardware.value_bits)
        bank = figures.figures(hardware.pointer_bytes // 2, hardware.pointer_bits)
        return replace(
            bank,
            read_pj=2 * bank.read_pj,
            leakage_mw=2 * bank.leakage_mw,
            area_um2=2 * bank.area_um2,
            banks=2 * bank.banks,
        )

    def scaled(self, node_nm: float) -> Technology:
        """This technology at another node, by the paper's own rule for its 28 nm column (Table V).

        With s = old node / new node: clock times s, area over s^2, power of a PE unchanged, so energy over s.
        """
        if not 0 < node_nm < math.inf:
            raise InputError(f"the node must be a positive number of nm, not {node_nm}")
        shrink = self.node_nm / node_nm
        return self.model_copy(
            update={
                "name": f"{self.name} at {node_nm:g} nm",
                "node_nm": node_nm,
                "critical_path_ns": self.critical_path_ns / shrink,
                "scale": self.scale * shrink,
            }
        )


@cache
def technologies() -> tuple[str, ...]:
    """The names of the technology files that come with the package."""
    return shipped_names(_FOLDER)


def load_technology(name: str | Path) -> Technology:
    """A technology by its name among those that come with the package, or the user's own file by its path.

    With "@28" at the end it is scaled to 28 nm, as `Technology.scaled` does.
    """
    file, at, node = str(name).rpartition("@")
    if at:
        try:
            node_nm = float(node)
        except ValueError:
            raise InputError(f"technology {name} must end in its node in nm after the @, such as @28") from None
        return load_technology(file).scaled(node_nm)
    return _shipped(str(name)) if str(name) in technologies() else _read(name)


def _read(name: str | Path) -> Technology:
    return read_named(name, _FOLDER, Technology, "technology")


_shipped = cache(_read)
