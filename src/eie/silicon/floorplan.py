"""Where the memories of a block lie, by rule, and how large the block is.

The largest memory is the block's left side. The others stand right of it, one at the bottom and one at the top of a
column, a third at the column's right edge; the cells lie between them, in one piece, and every memory's pins look at
them. The block's own pins are on its right side, beside the cells. Without memories the block is a square.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from eie.errors import InputError
from eie.silicon.memory_abstracts import Abstract, abstract, snapped
from eie.silicon.memory_cells import MEMORIES, Size
from eie.silicon.process_file import Process

__all__ = ["Floorplan", "Placed", "floorplan"]

LEAST_COLUMN_UM = 30.0  # of cells beside a memory, so that its wires have room
MOST_COLUMN_UM = 300.0  # where the memories do not decide how high the block is
MOST_UM = 5000.0  # of a die
# OpenROAD takes the rows' outline for the core, so some stay below and above the memories, with room for two straps.
BORDER_ROWS = 3
END_UM = 1.0  # between the ends of a memory's side and its pins


@dataclass(frozen=True)
class Placed:
    """One memory: its instance, its abstract, its lower left corner in um, and its orientation as LEF/DEF names it."""

    instance: str
    memory: Abstract
    x: float
    y: float
    orientation: str = "R0"


@dataclass(frozen=True)
class Floorplan:
    """A block whose rows of cells are `width` by `height` um, with a margin around them; `free_um2` is left to cells.

    `blocked` are boxes (left, bottom, right, top) of rows that no cell shall take; `pins` the part of the right side
    that the block's pins are on, None for all sides. Places are in um from the lower left corner of the die.
    """

    width: float
    height: float
    margin: tuple[float, float]
    free_um2: float
    memories: tuple[Placed, ...] = ()
    blocked: tuple[tuple[float, float, float, float], ...] = ()
    pins: tuple[float, float] | None = None

    @property
    def die_um(self) -> tuple[float, float]:
        """Width and height with the margin."""
        return self.width + 2 * self.margin[0], self.height + 2 * self.margin[1]


def floorplan(
    unit: str,
    cells_um2: float,
    instances: Mapping[str, Size],
    process: Process,
    *,
    utilisation: float,
    die: tuple[float, float] | None = None,
    memories: str = MEMORIES,
) -> Floorplan:
    """Plan a block for cells of `cells_um2` that fill `utilisation` of their room, and the memories of `instances`.

    `die` is width and height in um, margin included; without it the block is as small as the rule makes it. Raises
    InputError, with what is missing, for a die that is too small, a utilisation outside 0 to 1, and more than four
    memories.
    """
    if not 0 < utilisation < 1:
        raise InputError(f"the utilisation must be above 0 and below 1, not {utilisation:g}")
    if len(instances) > 4:
        raise InputError(f"a block has four memories or fewer, and {unit} has {len(instances)}")
    site, row = process.site_um
    margin = (snapped(2 * row, site), 2 * row)
    core = None
    if die is not None:
        if not all(0 < 2 * edge < length < MOST_UM for edge, length in zip(margin, die, strict=True)):
            raise InputError(
                f"a die must be wider than {2 * margin[0]:g} um, higher than {2 * margin[1]:g}, its margins, and at "
                f"most {MOST_UM:g} um, not {die[0]:g} x {die[1]:g}"
            )
        core = (_whole(die[0] - 2 * margin[0], site), _whole(die[1] - 2 * margin[1], row))
    need = cells_um2 / utilisation
    if instances:
        plan, missing = _around(need, instances, process, margin, core, memories)
        if missing > 1e-6 and die is not None:
            largest = plan.memories[0].memory
            raise InputError(
                f"a die of {die[0]:g} x {die[1]:g} um is too small for {unit}: its memories, the largest "
                f"{largest.width:g} x {largest.height:g} um, need {missing:,.1f} um more in width or height"
            )
    else:
        width, height = core or (snapped(math.sqrt(need), site), snapped(math.sqrt(need), row))
        plan = Floorplan(width, height, margin, width * height)
    if die is not None and plan.free_um2 < need:
        raise InputError(
            f"a die of {die[0]:g} x {die[1]:g} um is too small for {unit}: at a utilisation of {utilisation:g} its "
            f"cells need {need:,.0f} um2, {need - max(plan.free_um2, 0):,.0f} um2 more than it leaves them"
        )
    return plan


def _around(
    need: float,
    instances: Mapping[str, Size],
    process: Process,
    margin: tuple[float, float],
    core: tuple[float, float] | None,
    memories: str,
) -> tuple[Floorplan, float]:
    """Plan a block around its memories; return it with what its memories lack in width or height, in um."""
    site, row = process.site_um
    halo_x, halo_y = (snapped(process.memory.halo_um, step) for step in process.site_um)
    border = halo_y + BORDER_ROWS * row
    squares = [(name, abstract(size, process, memories)) for name, size in instances.items()]
    (first, left), *others = sorted(squares, key=lambda one: (-one[1].width, one[0]))
    piled, aside = others[:2], others[2:]
    pile = sum(memory.height + 2 * halo_y for _, memory in piled)
    corner = sum((memory.width + 2 * halo_x) * (memory.height + 2 * halo_y) for _, memory in aside)
    least = max([memory.width for _, memory in piled] + [LEAST_COLUMN_UM])
    height = core[1] - 2 * border if core else max(left.height, snapped(pile + (need + corner) / MOST_COLUMN_UM, row))
    column = left.width + 2 * halo_x
    width = core[0] if core else column + snapped(max(least, (need + corner) / (height - pile)), site)
    missing = max(left.height - height, pile - height, column + least - width)
    x0, y0 = margin[0], margin[1] + border
    column, right = x0 + column, x0 + width
    bottom, top = y0, y0 + height
    placed = []
    for (name, memory), orientation in zip(piled, ("MX", "R0"), strict=False):
        beside = aside[0][1].width + 2 * halo_x if aside and orientation == "MX" else 0.0
        turned = replace(memory, side="bottom", span=(END_UM, memory.width - beside - END_UM))
        low = orientation == "MX"
        placed.append(_placed(name, turned, column, bottom if low else top - memory.height, orientation))
        bottom, top = (bottom + memory.height + 2 * halo_y, top) if low else (bottom, top - memory.height - 2 * halo_y)
    turned = replace(left, span=(max(bottom - y0, END_UM), min(top - y0, left.height - END_UM)))
    pins_from = bottom
    for name, memory in aside:
        placed.append(_placed(name, memory, column + _whole(right - column - memory.width, site), bottom, "R0"))
        pins_from = bottom + memory.height + 2 * halo_y
    core_height = height + 2 * border
    blocked = BORDER_ROWS * row
    strips = [(x0, y, right, y + blocked) for y in (margin[1], margin[1] + core_height - blocked)]
    plan = Floorplan(
        round(width, 4),
        round(core_height, 4),
        margin,
        (right - column) * (top - bottom) - corner,
        (_placed(first, turned, x0, y0, "MY"), *placed),
        tuple(strips),
        (round(pins_from, 4), round(top, 4)),
    )
    return plan, missing


def _placed(instance: str, memory: Abstract, x: float, y: float, orientation: str) -> Placed:
    return Placed(instance, memory, round(x, 4), round(y, 4), orientation)


def _whole(length: float, step: float) -> float:
    """The largest multiple of `step` that is no longer than `length`."""
    return round(math.floor(length / step + 1e-6) * step, 4)
