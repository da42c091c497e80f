"""The netlist of a routed block, to be run: cells and nets from design.json, its wires' capacitance from the SPEF."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from eie.silicon.gates import Instance, Netlist
from eie.silicon.layout_reports import read_report, wire_capacitances_ff
from eie.silicon.memory_cells import cell_size, memory_ports

__all__ = ["CLOCK_BUFFERS", "routed_netlist"]

CLOCK_BUFFERS = ("clkbuf", "clkload", "delaybuf")  # how names of the clock tree's cells begin


def routed_netlist(folder: Path, unit: str) -> Netlist:
    """Write routed.v in `folder`, a layout's, and return its cells; each belongs to the unit whose name it begins with.

    Buffers that OpenROAD added have no such name, and belong to the block.
    """
    design = json.loads(read_report(folder, "design.json"))
    ports = json.loads((folder / "mapped.json").read_text())["modules"][unit]["ports"]
    capacitances = wire_capacitances_ff(read_report(folder, "routed.spef"))
    nets = [name.replace("\\", "") for name, _ in design["nets"]]
    cells = [one for one in design["cells"] if one[4]]
    (folder / "routed.v").write_text(_verilog(unit, ports, design["ports"], len(nets), cells))
    return Netlist(
        tuple(
            Instance(_unit(name), cell, pins, _own_name(name).startswith(CLOCK_BUFFERS))
            for name, cell, _, _, pins in cells
            if cell_size(cell) is None
        ),
        {place: ("", f"n{place}", -1) for place in range(len(nets))},
        {place: capacitances.get(name, 0.0) for place, name in enumerate(nets)},
        "routed.v",
    )


def _unit(name: str) -> str:
    return name.replace("\\", "").partition("/")[0] if "/" in name else ""


def _own_name(name: str) -> str:
    return name.rpartition("/")[2]


def _verilog(unit: str, ports: dict[str, Any], connected: list[Any], nets: int, cells: list[Any]) -> str:
    """Return the netlist as one module, whose nets are n0, n1, ... and whose ports are the mapped module's."""
    lines = [f"module {unit}({', '.join(ports)});"]
    for name, port in ports.items():
        lines.append(f"  {port['direction']} [{len(port['bits']) - 1}:0] {name};")
    lines += [f"  wire n{net};" for net in range(nets)]
    for name, direction, net in connected:
        lines.append(f"  assign n{net} = {name};" if direction == "INPUT" else f"  assign {name} = n{net};")
    for place, (_, cell, _, _, pins) in enumerate(cells):
        lines.append(f"  {cell} i{place}({', '.join(f'.{pin}({end})' for pin, end in _ends(cell, pins).items())});")
    return "\n".join([*lines, "endmodule", ""])


def _ends(cell: str, pins: dict[str, int]) -> dict[str, str]:
    """Return what is at each pin; the bits of a memory's buses together, where one is open an unknown."""
    size = cell_size(cell)
    if size is None:
        return {pin: f"n{net}" for pin, net in pins.items()}
    ends: dict[str, list[str]] = defaultdict(list)
    for pin, direction in memory_ports(*size):
        net = f"n{pins[pin]}" if pin in pins else ("1'bx" if direction == "input" else "")
        ends[pin.partition("[")[0]].insert(0, net)
    return {bus: f"{{{', '.join(bits)}}}" for bus, bits in ends.items()}
