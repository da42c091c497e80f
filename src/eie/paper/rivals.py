"""Beyond the paper: machines that do not skip zeros, dense or 2:4 structured, in the area of EIE's 64 PEs.

A rival's PE is EIE's with the weight memory, the queue, the registers, and as many multipliers as a row of the memory
holds weights, but no pointers and no relative indices: every cycle one row is read and all its weights are used. 2:4
keeps two weights in every four and tells each one's place in 2 bits. Neither skips activations that are zero, and each
is given the best case: no stall, and any layer pruned to 2:4 without loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eie.chip import Hardware
from eie.cost import Technology, cost, load_technology, price_list
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.paper.study import Study
from eie.support.tables import Column, Provenance

__all__ = ["Rival", "reproduce"]

TECHNOLOGY = "eie-paper-45nm"
KEPT_UNITS = ("Act_queue", "SpmatRead", "ActRW", "filler cell")


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
        return int(area_um2 // (sum(prices[unit].area_um2 for unit in KEPT_UNITS) + multipliers))

    def cycles(self, inputs: int, outputs: int, n_pe: int, hardware: Hardware) -> int:
        """Cycles of a layer: each PE works through all positions of its rows."""
        positions = -(-outputs // n_pe) * inputs
        return -(-positions // (self.weights_per_row(hardware) * self.positions))

    def energy_nj(self, cycles: int, n_pe: int, technology: Technology, hardware: Hardware) -> float:
        """A row read, all its weights multiplied, and the clock, in every cycle of every PE."""
        prices = price_list(technology, hardware)
        multipliers = self.weights_per_row(hardware)
        units = [prices[unit].energy_pj for unit in KEPT_UNITS]
        read = prices["SpmatRead"].energy_pj["spmat_read"]
        work = multipliers * (prices["ArithmUnit"].energy_pj["entry"] + prices["ActRW"].energy_pj["entry"])
        clock = sum(unit.get("cycle", 0.0) for unit in units) + multipliers * prices["ArithmUnit"].energy_pj["cycle"]
        return n_pe * cycles * (read + work + clock) / 1000

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
    """Time and energy of each rival over EIE's on every layer: above 1, EIE is faster or takes less."""
    technology, hardware = load_technology(TECHNOLOGY), Hardware()
    comparisons: list[Comparison] = []
    means: dict[str, float] = {}
    held: dict[str, int] = {}
    for rival in RIVALS:
        slower = []
        for name in study.names:
            outputs, inputs = study.layer(name).codes.shape
            eie = cost(study.simulation(name, hardware), technology)
            n_pe = rival.pes(technology, hardware, eie.area_mm2 * 1e6)
            cycles = rival.cycles(inputs, outputs, n_pe, hardware)
            fits = rival.fits(inputs, outputs, n_pe, hardware)
            held[rival.name] = held.get(rival.name, 0) + fits
            slower.append(cycles / hardware.clock_mhz / eie.latency_us)
            for quantity, value in (
                ("time", slower[-1]),
                ("energy", rival.energy_nj(cycles, n_pe, technology, hardware) / eie.energy_nj),
            ):
                comparisons.append(
                    Comparison(
                        {"layer": name, "rival": f"{rival.name} {quantity}"},
                        value,
                        None,
                        Provenance.MODELLED,
                        "x EIE's",
                        f"{n_pe} PEs, {'fits' if fits else 'does not fit'}",
                    )
                )
        means[rival.name] = float(np.exp(np.mean(np.log(slower))))
    told = "; ".join(
        f"{name} {mean:.1f} times, holding {held[name]} of {len(study.names)} layers" for name, mean in means.items()
    )
    return Reproduction(
        name="rivals",
        title="Beyond the paper: dense and 2:4 machines in EIE's area",
        source="none: the paper has no such comparison",
        labels=(Column("layer", "layer"), Column("rival", "rival")),
        comparisons=tuple(comparisons),
        scale=Scale.RATIO,
        verdict=(
            f"In the area of EIE's 64 PEs these take, by geometric mean over the layers, so many times EIE's "
            f"time: {told}. "
            "A dense machine with 4-bit codes has 16 multipliers for every one of EIE's, and what EIE gains over it is "
            "what pruning and zero activations leave out. Below 1 the rival is faster."
        ),
        plot=Plot(category="layer", panel="rival", value_title="over EIE's", logarithmic=True),
        conditions=(
            "64-bit weight memories of 128 KB, 800 MHz; rivals at their best case: no stall, any layer pruned to 2:4 "
            "without loss, weights streamed in for free where they do not fit."
        ),
    )
