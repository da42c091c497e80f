"""What a layer costs: counts times energy per action, plus leakage times time; and the area it takes.

A size of the hardware that differs from the paper's must have a price: a technology that does not follow it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Literal

from eie.chip import Hardware, Simulation
from eie.cost.technology import Component, Technology
from eie.errors import InputError

__all__ = ["Cost", "Part", "UnitPrice", "cost", "price_list", "require_figures", "slowest_memory_ns"]

PAPER_SIZES = Hardware()
# What of the hardware takes no circuit of a PE, or is counted: PEs by `n_pe`, cycles by the clock.
# Priced by what they make of cycles and counts: own circuits of a wider detector or another address have no price.
PRICED_BY_COUNTS = ("n_pe", "clock_mhz", "batched", "strict", "row_assignment", "scan_rule", "entry_rule")


@dataclass(frozen=True)
class Part:
    """One component's share: energy in pJ (dynamic and leakage) of the whole chip, area in um2."""

    unit: str
    kind: str
    action: str | None
    energy_pj: float
    leakage_pj: float
    area_um2: float
    latency_ns: float | None
    source: str
    origin: str


@dataclass(frozen=True)
class Cost:
    """What a run costs on the whole chip; *modelled*. `parts` add up to the totals.

    `period_ns` is the clock's; `slowest_memory_ns` the longest of the memories' times from read to read, where known.
    """

    latency_us: float
    parts: tuple[Part, ...]
    period_ns: float
    slowest_memory_ns: float | None

    @property
    def energy_nj(self) -> float:
        """Energy of the run, leakage included."""
        return sum(part.energy_pj + part.leakage_pj for part in self.parts) / 1000

    @property
    def power_mw(self) -> float:
        """Mean power during the run."""
        return self.energy_nj / self.latency_us

    @property
    def area_mm2(self) -> float:
        """Area of the chip."""
        return sum(part.area_um2 for part in self.parts) / 1e6

    @property
    def frames_per_s(self) -> float:
        """Runs per second, one after the other."""
        return 1e6 / self.latency_us

    @property
    def frames_per_j(self) -> float:
        """Runs per joule."""
        return 1e9 / self.energy_nj

    @property
    def frames_per_s_mm2(self) -> float:
        """Runs per second and mm2."""
        return self.frames_per_s / self.area_mm2

    @property
    def keeps_clock(self) -> bool:
        """Whether every memory can be read in every cycle; a memory without a cycle time is taken to."""
        return self.slowest_memory_ns is None or self.slowest_memory_ns <= self.period_ns * (1 + 1e-9)

    @property
    def power_put_in(self) -> float:
        """The share, 0 to 1, of the energy that comes from figures of the paper's rather than from a model."""
        return _put_in((part.origin, part.energy_pj + part.leakage_pj) for part in self.parts)

    @property
    def area_put_in(self) -> float:
        """The share, 0 to 1, of the area that comes from figures of the paper's rather than from a model."""
        return _put_in((part.origin, part.area_um2) for part in self.parts)

    def split(self, what: Literal["unit", "kind"]) -> dict[str, Cost]:
        """The same run's cost by unit or by kind of circuit, as in the two halves of Table II."""
        names = dict.fromkeys(getattr(part, what) for part in self.parts)
        return {
            name: replace(self, parts=tuple(part for part in self.parts if getattr(part, what) == name))
            for name in names
        }


def _put_in(amounts: Iterable[tuple[str, float]]) -> float:
    """The paper's share of amounts with their origins; 0 where all amounts are."""
    known = list(amounts)
    total = sum(amount for _, amount in known)
    return sum(amount for origin, amount in known if origin == "paper") / total if total else 0.0


def cost(simulations: Simulation | Iterable[Simulation], technology: Technology) -> Cost:
    """The cost of a layer, or of layers one after the other on the same hardware, in a technology.

    Raises InputError where the layers ran on different hardware, the clock is faster than the technology allows, or the
    hardware has a size that the technology has no price for. A memory too slow for the clock is no error, but told.
    """
    runs = [simulations] if isinstance(simulations, Simulation) else list(simulations)
    if not runs:
        raise InputError("a cost needs at least one simulated layer, got none")
    hardware = runs[0].hardware
    if any(run.hardware != hardware for run in runs):
        raise InputError("the layers of one cost must run on the same hardware, but their hardware differs")
    require_figures(technology, hardware)
    latency_us = sum(run.latency_us for run in runs)
    parts = tuple(_part(one, technology, runs, latency_us) for one in technology.components)
    return Cost(latency_us, parts, 1000 / hardware.clock_mhz, slowest_memory_ns(technology, hardware))


def slowest_memory_ns(technology: Technology, hardware: Hardware) -> float | None:
    """The longest of the memories' times from read to read; None where the technology knows none."""
    memories = {one.memory for one in technology.components if one.memory is not None}
    times = [technology.memory(memory, hardware).cycle_ns for memory in memories]
    known = [time / technology.scale for time in times if time is not None]
    return max(known, default=None)


def require_figures(technology: Technology, hardware: Hardware) -> None:
    """Raise InputError where the clock is too fast, a memory has no figures, or a size has no price, as `cost` does."""
    followed = technology.followed_sizes
    for name in (field.name for field in fields(Hardware)):
        value, priced = getattr(hardware, name), getattr(PAPER_SIZES, name)
        if value != priced and name not in PRICED_BY_COUNTS and name not in followed:
            raise InputError(
                f"{name} is {value}, but technology {technology.name} has a price for {priced} alone: "
                "no component of it follows that size"
            )
    if hardware.clock_mhz > technology.fastest_clock_mhz * (1 + 1e-9):
        raise InputError(
            f"clock_mhz is {hardware.clock_mhz:g}, but {technology.name} allows {technology.fastest_clock_mhz:.1f} "
            f"at most: its critical path is {technology.critical_path_ns:.3g} ns"
        )
    for component in technology.components:
        _each(component, technology, hardware)


@dataclass(frozen=True)
class UnitPrice:
    """What one instance of a unit costs: pJ for each action (see ACTIONS), area in um2, leakage in mW."""

    energy_pj: dict[str, float]
    area_um2: float
    leakage_mw: float


def price_list(technology: Technology, hardware: Hardware) -> dict[str, UnitPrice]:
    """Every unit's prices on that hardware, its components together; what `cost` multiplies with counts."""
    prices: dict[str, UnitPrice] = {}
    for component in technology.components:
        energy_pj, area_um2, leakage_mw, _ = _each(component, technology, hardware)
        so_far = prices.get(component.unit, UnitPrice({}, 0.0, 0.0))
        energies = dict(so_far.energy_pj)
        if component.action is not None:
            energies[component.action] = energies.get(component.action, 0.0) + energy_pj / technology.scale
        prices[component.unit] = UnitPrice(
            energies, so_far.area_um2 + area_um2 / technology.scale**2, so_far.leakage_mw + leakage_mw
        )
    return prices


def _part(component: Component, technology: Technology, runs: list[Simulation], latency_us: float) -> Part:
    hardware = runs[0].hardware
    instances = hardware.n_pe if component.per == "pe" else lnzd_nodes(hardware.n_pe)
    energy_pj, area_um2, leakage_mw, latency_ns = _each(component, technology, hardware)
    happened = sum(_times(component, run, instances) for run in runs)
    return Part(
        unit=component.unit,
        kind=component.kind,
        action=component.action,
        energy_pj=happened * energy_pj / technology.scale,
        leakage_pj=instances * leakage_mw * latency_us * 1000,
        area_um2=instances * area_um2 / technology.scale**2,
        latency_ns=None if latency_ns is None else latency_ns / technology.scale,
        source=component.source,
        origin=component.origin,
    )


def _each(component: Component, technology: Technology, hardware: Hardware) -> tuple[float, float, float, float | None]:
    """Energy of an action (pJ), area (um2), leakage (mW) and latency (ns) of one instance, before scaling to a node."""
    energy, area, leakage, latency = (
        technology.energy_pj(component),
        component.area_um2,
        component.leakage_mw,
        component.latency_ns,
    )
    if component.memory is not None:
        here = technology.memory(component.memory, hardware)
        own = technology.memory(component.memory, PAPER_SIZES)
        # A file that gives a memory's energy itself has its leakage in there; one that does not takes the set's.
        if leakage is None:
            leakage = here.leakage_mw if energy is None else 0.0
        energy = here.read_pj if energy is None else energy * here.read_pj / own.read_pj
        area = here.area_um2 if area is None else area * here.area_um2 / own.area_um2
        latency = here.access_ns if latency is None else latency
    if component.area_grows_with is not None:
        growth = getattr(hardware, component.area_grows_with) / getattr(PAPER_SIZES, component.area_grows_with)
        area = (area or 0.0) * growth
        energy = (energy or 0.0) * (growth if component.action == "cycle" else 1.0)
        leakage = (leakage or 0.0) * growth
    return (energy or 0.0) if component.action else 0.0, area or 0.0, leakage or 0.0, latency


def _times(component: Component, run: Simulation, instances: int) -> int:
    """How often the component's action happened in a run, over all its instances (see ACTIONS)."""
    if component.action is None:
        return 0
    counts = {
        "spmat_read": run.counts.spmat_reads,
        "ptr_read": run.counts.ptr_reads,
        "queue_entry": run.counts.broadcasts * run.hardware.n_pe,
        "entry": run.counts.entries_issued,
        "mac": run.counts.macs,
        "activation_read": run.counts.activation_reads,
        "cycle": run.cycles * instances,
    }
    return counts[component.action]


def lnzd_nodes(n_pe: int) -> int:
    """Nodes of the leading non-zero quadtree: ceil(N/4), and so on up to one root; 21 for 64 PEs."""
    level = -(-n_pe // 4)
    nodes = level
    while level > 1:
        level = -(-level // 4)
        nodes += level
    return nodes
