"""Beyond the paper: machines that do not skip zeros, dense or 2:4 structured, in the area of EIE.

A rival's PE is EIE's with the weight memory, the queue, the registers, and as many multipliers as a row of the memory
holds weights, but no pointers and no relative indices: every cycle one row is read and all its weights are used. 2:4
keeps two weights in every four and tells each one's place in 2 bits. Neither skips activations that are zero, and each
is given the best case: no stall, and any layer pruned to 2:4 without loss. Memories, energies per action, leakage and
area are those of EIE's technology. What cannot be known is bounded: a row's products may be added up before they reach
the registers, or each written by itself, under each memory set that keeps the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eie.chip import Hardware
from eie.cost import Technology, UnitPrice, cost, price_list, slowest_memory_ns
from eie.errors import InputError
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.paper.study import Study
from eie.paper.versus_cpu import geometric_mean
from eie.support.tables import Column, Provenance

__all__ = ["Rival", "reproduce"]

KEPT_UNITS = ("Act_queue", "SpmatRead", "ActRW", "filler cell")
GEOMETRIES = (Hardware(), Hardware(n_pe=256), Hardware(spmat_width_bits=128))
NOTHING = UnitPrice({}, 0.0, 0.0)
TIME, LEAST, MOST = "time", "energy, least", "energy, most"


@dataclass(frozen=True)
class Rival:
    """A machine by its weights: bits of one, and how many positions of the layer each stands for."""

    name: str
    weight_bits: int
    positions: int

    def weights_per_row(self, hardware: Hardware) -> int:
        """Weights in one row of the memory, and multipliers in a PE."""
        return hardware.spmat_width_bits // self.weight_bits

    def pes(self, technology: Technology, hardware: Hardware, area_um2: float) -> int:
        """PEs that the area holds."""
        prices = price_list(technology, hardware)
        multipliers = self.weights_per_row(hardware) * prices["ArithmUnit"].area_um2
        return int(area_um2 // (sum(prices.get(unit, NOTHING).area_um2 for unit in KEPT_UNITS) + multipliers))

    def cycles(self, inputs: int, outputs: int, n_pe: int, hardware: Hardware) -> int:
        """Cycles of a layer: each PE works through all positions of its rows."""
        positions = -(-outputs // n_pe) * inputs
        return -(-positions // (self.weights_per_row(hardware) * self.positions))

    def energy_nj(
        self, cycles: int, n_pe: int, technology: Technology, hardware: Hardware, *, added_first: bool
    ) -> float:
        """A row read, all its weights multiplied, the clock and leakage, in every cycle of every PE.

        Products reach the registers one by one, as EIE's do, or `added_first` as one sum a cycle.
        """
        prices = price_list(technology, hardware)
        multipliers = self.weights_per_row(hardware)
        arithmetic, registers = prices["ArithmUnit"], prices.get("ActRW", NOTHING)
        units = [*(prices.get(unit, NOTHING) for unit in KEPT_UNITS), *[arithmetic] * multipliers]
        read = prices["SpmatRead"].energy_pj["spmat_read"]
        writes = 1 if added_first else multipliers
        work = multipliers * arithmetic.energy_pj["entry"] + writes * registers.energy_pj.get("entry", 0.0)
        clock = sum(unit.energy_pj.get("cycle", 0.0) for unit in units)
        leakage = sum(unit.leakage_mw for unit in units) * 1000 / hardware.clock_mhz  # pJ a cycle
        return n_pe * cycles * (read + work + clock + leakage) / 1000

    def fits(self, inputs: int, outputs: int, n_pe: int, hardware: Hardware) -> bool:
        """Whether each PE's weight memory holds its rows."""
        positions = -(-outputs // n_pe) * inputs
        return positions / self.positions * self.weight_bits <= hardware.spmat_bytes * 8


RIVALS = (
    Rival("dense 16-bit", 16, 1),
    Rival("dense 4-bit", 4, 1),
    Rival("2:4 16-bit", 18, 2),
    Rival("2:4 4-bit", 6, 2),
)


def reproduce(study: Study) -> Reproduction:
    """Time and energy of each rival over EIE's: above 1, EIE is faster or takes less. Only layers that both hold."""
    technologies = list(_technologies(study))
    of_layers: list[Comparison] = []
    of_means: list[Comparison] = []
    told = []
    for rival in RIVALS:
        for hardware in GEOMETRIES:
            held = {
                name: ratios
                for name in study.names
                if not study.is_real(name) and (ratios := _ratios(study, rival, name, hardware, technologies))
            }
            chip = f"{hardware.n_pe} PEs, {hardware.spmat_width_bits} bits"
            if hardware == GEOMETRIES[0]:
                for name, ratios in held.items():
                    of_layers += _rows(rival, name, ratios, chip)
            if not held:
                continue
            means = tuple(geometric_mean([ratios[place] for ratios in held.values()]) for place in range(3))
            of_means += _rows(rival, f"mean, {chip}", means, f"geometric mean of {', '.join(held)}")
            if hardware == GEOMETRIES[0]:
                told.append(
                    f"{rival.name} {means[0]:.2f} times its time and {means[1]:.2f} to {means[2]:.2f} times its energy "
                    f"({len(held)} layer{'s' if len(held) != 1 else ''})"
                )
    return Reproduction(
        name="rivals",
        title="Beyond the paper: dense and 2:4 machines in EIE's area",
        source="none: the paper has no such comparison",
        labels=(Column("layer", "layer"), Column("rival", "rival")),
        comparisons=(*sorted(of_layers, key=lambda one: study.names.index(str(one.labels["layer"]))), *of_means),
        scale=Scale.RATIO,
        verdict=(
            "In the area of EIE's 64 PEs these take, by geometric mean over the layers that both hold: "
            f"{'; '.join(told)}. Below 1 the rival is better."
        ),
        plot=Plot(category="layer", panel="rival", value_title="over EIE's", logarithmic=True, line_at_one=True),
        conditions=(
            f"{Hardware().spmat_bytes // 1024} KB of weights a PE, {Hardware().clock_mhz:g} MHz; rivals at their best: "
            "no stall, any layer pruned to 2:4 without loss. Energy from the least to the most of: products added "
            "before the registers or not, and memories "
            + " or ".join(one.memories or "of the technology" for one in technologies)
            + "."
        ),
    )


def _technologies(study: Study) -> Iterator[Technology]:
    """The study's technology with each of its memory sets that has all of a PE's memories and keeps the clock."""
    own = study.technology
    for one in [own.with_memories(each.name) for each in own.all_memory_sets] if own.memories else [own]:
        try:
            slowest = [slowest_memory_ns(one, hardware) for hardware in GEOMETRIES]
        except InputError:
            continue
        if all(time is None or time <= 1000 / Hardware().clock_mhz for time in slowest):
            yield one


def _ratios(
    study: Study, rival: Rival, name: str, hardware: Hardware, technologies: list[Technology]
) -> tuple[float, float, float] | None:
    """Time, least and most energy over EIE's, where both hold the layer; the area is by the study's technology."""
    outputs, inputs = study.layer(name).codes.shape
    n_pe = rival.pes(study.technology, hardware, study.cost(name, hardware).area_mm2 * 1e6)
    if study.shortfall(name, hardware) or not rival.fits(inputs, outputs, n_pe, hardware):
        return None
    cycles = rival.cycles(inputs, outputs, n_pe, hardware)
    simulation = study.simulation(name, hardware)
    energies = [
        rival.energy_nj(cycles, n_pe, technology, hardware, added_first=added_first)
        / cost(simulation, technology).energy_nj
        for technology in technologies
        for added_first in (False, True)
    ]
    return cycles / simulation.cycles, min(energies), max(energies)


def _rows(rival: Rival, name: str, ratios: tuple[float, ...], note: str) -> list[Comparison]:
    return [
        Comparison({"layer": name, "rival": f"{rival.name}: {quantity}"}, value, None, Provenance.MODELLED, "x", note)
        for quantity, value in zip((TIME, LEAST, MOST), ratios, strict=True)
    ]
