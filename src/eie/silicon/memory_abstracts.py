"""The memories as blocks for a layout: outline, pins on one side, blockages, as LEF; their Liberty is `memory_cells`'.

The area is CACTI's; it gives no shape, so a memory is square unless a floorplan says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from eie.silicon.memory_cells import MEMORIES, Size, cell_name, memory_point, memory_ports
from eie.silicon.process_file import Process

__all__ = ["FREE_UM", "Abstract", "abstract", "snapped", "write_lef"]

PIN_DEPTH_UM = 0.42  # how far a signal pin reaches into the memory
FREE_UM = 0.7  # left free along the pins' side, so that a wire can bend there
GRID_UM = 0.005  # the manufacturing grid
CLEAR_UM = 0.56  # between a supply strap and the blockage beside it

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Abstract:
    """A memory's outline in um, the side its signal pins are on, and the part of that side they are spread over."""

    size: Size
    width: float
    height: float
    side: Literal["left", "bottom"] = "left"
    span: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """The cell's name, as in Liberty and netlist."""
        return cell_name(*self.size)


def snapped(length: float, step: float) -> float:
    """Return the least multiple of `step` that is no shorter than `length`."""
    return round(math.ceil(length / step - 1e-6) * step, 4)


def abstract(size: Size, process: Process, memories: str = MEMORIES) -> Abstract:
    """Return a square of CACTI's area, in whole sites and rows, with its pins along the whole left side.

    Raises InputError for a memory set that there is not, and a memory outside of it.
    """
    edge = math.sqrt(memory_point(*size, memories).area_um2)
    return Abstract(size, snapped(edge, process.site_um[0]), snapped(edge, process.site_um[1]))


def write_lef(abstracts: Sequence[Abstract], process: Process) -> str:
    """Return a LEF library of the abstracts."""
    lines = ["VERSION 5.7 ;", 'BUSBITCHARS "[]" ;', 'DIVIDERCHAR "/" ;']
    for one in abstracts:
        lines += _macro(one, process)
    return "\n".join([*lines, "END LIBRARY", ""])


def _macro(one: Abstract, process: Process) -> Iterator[str]:
    yield f"MACRO {one.name}"
    yield "  CLASS BLOCK ;"
    yield "  ORIGIN 0 0 ;"
    yield f"  SIZE {one.width:.4f} BY {one.height:.4f} ;"
    yield "  SYMMETRY X Y ;"
    ports = list(memory_ports(*one.size))
    layer = process.pins.horizontal[0] if one.side == "left" else process.pins.vertical[0]
    for (name, direction), box in zip(ports, _pin_boxes(one, process, len(ports)), strict=True):
        use = "CLOCK" if name == "clk" else "SIGNAL"
        yield from _pin(name, direction.upper(), use, layer, [box])
    straps = _straps(one, process)
    for net, use in (("VDD", "POWER"), ("VSS", "GROUND")):
        yield from _pin(net, "INOUT", use, process.memory.strap.layer, [box for of, box in straps if of == net])
    yield "  OBS"
    for name in process.memory.blocked:
        yield f"    LAYER {name} ;"
        for box in _blocked(one, [box for _, box in straps] if name == process.memory.strap.layer else []):
            yield f"      RECT {_text(box)} ;"
    yield "  END"
    yield f"END {one.name}"


def _pin(name: str, direction: str, use: str, layer: str, boxes: Sequence[Box]) -> Iterator[str]:
    yield from (
        f"  PIN {name}",
        f"    DIRECTION {direction} ;",
        f"    USE {use} ;",
        "    PORT",
        f"      LAYER {layer} ;",
    )
    yield from (f"        RECT {_text(box)} ;" for box in boxes)
    yield from ("    END", f"  END {name}")


def _pin_boxes(one: Abstract, process: Process, count: int) -> Iterator[Box]:
    """Give each pin's box: on tracks, spread evenly over the span."""
    along = one.height if one.side == "left" else one.width
    layer = process.layer((process.pins.horizontal if one.side == "left" else process.pins.vertical)[0])
    offset, pitch = layer.y_um if one.side == "left" else layer.x_um
    begin, end = one.span or (FREE_UM, along - FREE_UM)
    first, last = math.ceil((begin - offset) / pitch), math.floor((end - offset) / pitch)
    half = math.floor(pitch / 4 / GRID_UM + 1e-6) * GRID_UM
    for place in range(count):
        at = offset + pitch * (first + round((last - first) * (place + 0.5) / count))
        yield (
            (0.0, at - half, PIN_DEPTH_UM, at + half)
            if one.side == "left"
            else (at - half, 0.0, at + half, PIN_DEPTH_UM)
        )


def _straps(one: Abstract, process: Process) -> list[tuple[str, Box]]:
    """Return supply straps from bottom to top, in turn of each net, a pitch apart."""
    strap = process.memory.strap
    found = []
    x, place = strap.offset_um, 0
    while x + strap.width_um + CLEAR_UM + FREE_UM < one.width:
        box = (x, FREE_UM + CLEAR_UM, x + strap.width_um, one.height - CLEAR_UM)
        found.append((("VDD", "VSS")[place % 2], box))
        x, place = x + strap.pitch_um / 2, place + 1
    return found


def _blocked(one: Abstract, straps: Sequence[Box]) -> Iterator[Box]:
    """Give the whole memory but its pins' side, and what the straps need."""
    left, bottom = (FREE_UM, 0.0) if one.side == "left" else (0.0, FREE_UM)
    x = left
    for from_x, _, to_x, _ in straps:
        yield (x, bottom, from_x - CLEAR_UM, one.height)
        x = to_x + CLEAR_UM
    yield (x, bottom, one.width, one.height)


def _text(box: Box) -> str:
    return " ".join(f"{edge:.4f}" for edge in box)
