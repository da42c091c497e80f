"""A routed block as a picture, drawn by KLayout: memories, the cells of each unit in a colour, and wires."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eie.silicon.layout_reports import read_report
from eie.silicon.memory_cells import cell_size
from eie.silicon.power import UNITS
from eie.silicon.process_file import Process
from eie.support.extras import needed_for

__all__ = ["COLOURS", "draw"]

# Of the units' cells, by the name of their instance in rtl/pe.sv; "" are the block's own, and what routing added.
COLOURS = {
    "queue": 0xD55E00,
    "pointers": 0x009E73,
    "weights": 0xE69F00,
    "arithmetic": 0x0072B2,
    "activations": 0xCC79A7,
    "": 0x404040,
}
_MEMORY, _MEMORY_EDGE, _WIRE, _TAP = 0xDCE6F0, 0x7A8CA0, 0xC8C8C8, 0xF0F0F0
_PIXELS = 1600


def draw(folder: Path, unit: str, process: Process, path: Path) -> None:
    """Draw what a layout of `unit` left in `folder` as a PNG, `path`; the upper wires alone, under the cells.

    Raises MissingExtra without KLayout.
    """
    with needed_for("the picture of a layout"):
        import klayout.db as db
        import klayout.lay as lay
    design = json.loads(read_report(folder, "design.json"))
    view = lay.LayoutView()
    layout = view.cellview(view.create_layout(True)).layout()
    top = layout.create_cell(unit)
    width, height = design["die_um"]
    layers: list[tuple[Any, int, int]] = []  # in the order of drawing, with the colours of inside and edge

    def layer(inside: int, edge: int) -> Any:
        info = db.LayerInfo(1 + len(layers), 0)
        layers.append((info, inside, edge))
        return top.shapes(layout.layer(info))

    layer(0xFFFFFF, 0x808080).insert(db.DBox(0, 0, width, height))
    memories, taps, wires = layer(_MEMORY, _MEMORY_EDGE), layer(_TAP, _TAP), layer(_WIRE, _WIRE)
    cells = {name: layer(colour, colour) for name, colour in COLOURS.items()}
    names = db.LayerInfo(1 + len(layers), 0)
    for name, cell, kind, corners, _ in design["cells"]:
        box = db.DBox(*corners)
        size = cell_size(cell)
        if size is not None:
            memories.insert(box)
            text = db.DText(f"{size[0]} x {size[1]}", box.left + 0.07 * box.width(), box.bottom + 0.45 * box.height())
            text.size = min(height / 40, box.width() / 13)
            top.shapes(layout.layer(names)).insert(text)
        elif kind == "CORE":
            own = name.replace("\\", "").partition("/")[0] if "/" in name else ""
            cells[own if own in UNITS else ""].insert(box)
        elif kind != "CORE_SPACER":
            taps.insert(box)
    for polygon in _wires(db, folder, unit, process):
        wires.insert(polygon)
    view.select_cell(top.cell_index(), 0)
    view.clear_layers()
    for info, inside, edge in [*layers, (names, 0x203040, 0x203040)]:
        one = lay.LayerProperties()
        one.source = f"{info.layer}/0@1"
        one.fill_color, one.frame_color, one.dither_pattern, one.visible = inside, edge, 0, True
        view.insert_layer(view.end_layers(), one)
    for setting, value in {
        "background-color": "#ffffff",
        "grid-visible": "false",
        "text-visible": "true",
        "text-font": "4",
        "apply-text-trans": "true",
    }.items():
        view.set_config(setting, value)
    view.max_hier()
    view.zoom_box(db.DBox(-0.01 * width, -0.01 * height, 1.01 * width, 1.01 * height))
    view.save_image(str(path), _PIXELS, round(_PIXELS * height / width))


def _wires(db: Any, folder: Path, unit: str, process: Process) -> Iterator[Any]:
    """Give the wires of the layers above those that a memory blocks, in um."""
    options = db.LoadLayoutOptions()
    options.lefdef_config.lef_files = [
        str(path) for pattern in ("cells*.lef", "memories.lef") for path in sorted(folder.glob(pattern))
    ]
    options.lefdef_config.produce_obstructions = False
    options.lefdef_config.produce_lef_pins = False
    options.lefdef_config.read_lef_with_def = False
    options.lefdef_config.dbu = 0.0005  # as the DEF has it
    routed = db.Layout()
    routed.read(str(folder / f"{unit}.def"), options)
    shown = {layer.name for layer in process.layers} - set(process.memory.blocked[:-1])
    for index in routed.layer_indexes():
        if routed.get_info(index).name.partition(".")[0] in shown:
            for polygon in db.Region(routed.top_cell().begin_shapes_rec(index)).each():
                yield polygon.to_dtype(routed.dbu)
