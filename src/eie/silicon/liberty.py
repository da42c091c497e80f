"""Reading a Liberty cell library for power: pin capacitances, energies of transitions, leakage, clock gates."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eie.errors import InputError
from eie.support.extras import needed_for

__all__ = ["SLEW_NS", "Cell", "CellLibrary", "Pin", "Table", "read_library"]

SLEW_NS = 0.02  # the transition at which energies are looked up: a few stages at this corner


@dataclass(frozen=True)
class Table:
    """An energy in fJ against load in fF, at SLEW_NS: the mean of a pin's arcs, of rise and fall."""

    loads: tuple[float, ...]
    energies: tuple[float, ...]

    def at(self, load: float) -> float:
        """Return the energy at `load`, interpolated; beyond the table's ends, the end's."""
        return float(np.interp(load, self.loads, self.energies))


@dataclass(frozen=True)
class Pin:
    """A pin: whether it is an output, whether a clock, its capacitance in fF, and the energy of one transition."""

    output: bool
    clock: bool
    capacitance: float
    energy: Table | None


@dataclass(frozen=True)
class Cell:
    """A cell: area in square micrometres, leakage in nW, whether it keeps state or gates a clock, and its pins."""

    area: float
    leakage: float
    sequential: bool
    gates_clock: bool
    pins: dict[str, Pin] = field(repr=False)


@dataclass(frozen=True)
class CellLibrary:
    """All cells by name, and the supply in V."""

    voltage: float
    cells: dict[str, Cell] = field(repr=False)


def read_library(text: str, path: Path) -> CellLibrary:
    """Return the cells of a Liberty file's `text`; `path` names it in errors.

    Energies are in the library's own unit, voltage unit squared times capacitance unit: 1 fJ with volts and
    femtofarads, which is asked for. Raises InputError for other units and a file that does not parse, and MissingExtra
    without `liberty-parser`.
    """
    with needed_for("power"):
        from liberty.parser import parse_liberty
    if "\0" in text:  # which the parser takes for the end, and then finds none
        raise InputError(f"cell library {path} does not parse: it holds the character U+0000, expected text")
    if not _is_closed(text):  # the parser would look for the end without end
        raise InputError(f"cell library {path} does not parse: it must be library (NAME) {{ ... }}, every brace closed")
    try:
        return _library(parse_liberty(text), path)
    except InputError:
        raise
    except Exception as error:  # the parser's own errors have no common class, and attributes may be missing
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"cell library {path} does not parse: {reason}") from error


def _is_closed(text: str) -> bool:
    """Whether `text` is one library whose braces and parentheses close where it ends."""
    bare = re.sub(r"/\*.*?\*/|//[^\n]*|\"[^\"]*\"", " ", text, flags=re.DOTALL)
    if not re.match(r"\s*library\s*\([^(){}\"]*\)\s*\{", bare) or '"' in bare or not bare.rstrip().endswith("}"):
        return False
    open_ones: list[str] = []
    for one in re.findall(r"[(){}]", bare):
        if one in "({":
            open_ones.append(one)
        elif not open_ones or open_ones.pop() + one not in ("()", "{}"):
            return False
    return not open_ones


def _library(library: Any, path: Path) -> CellLibrary:
    unit = library.get_attribute("capacitive_load_unit")
    if unit is None or float(unit[0]) != 1 or str(unit[1]).strip('"').lower() != "ff":
        raise InputError(f"cell library {path} must have capacitances in 1 fF, not in {unit}")
    voltage = float(library.get_attribute("nom_voltage"))
    cells = {}
    for group in library.get_groups("cell"):
        gating = "clock_gating_integrated_cell" in [attribute.name for attribute in group.attributes]
        sequential = bool(group.get_groups("ff") or group.get_groups("latch") or gating)
        pins = {str(pin.args[0]).strip('"'): _pin(pin) for pin in group.get_groups("pin")}
        cells[str(group.args[0]).strip('"')] = Cell(
            float(group.get_attribute("area") or 0),
            float(group.get_attribute("cell_leakage_power") or 0),
            sequential,
            gating,
            pins,
        )
    if not np.isfinite([voltage, *(number for cell in cells.values() for number in (cell.area, cell.leakage))]).all():
        raise InputError(f"cell library {path} must have a finite voltage, areas and leakages")
    return CellLibrary(voltage, cells)


def _pin(group: Any) -> Pin:
    attributes = {attribute.name: attribute.value for attribute in group.attributes}
    tables = [
        table
        for power in group.get_groups("internal_power")
        for table in (_table(part) for kind in ("rise_power", "fall_power") for part in power.get_groups(kind))
        if table is not None
    ]
    energy = None
    if tables:
        loads = tables[0].loads
        energy = Table(loads, tuple(float(np.mean([table.at(load) for table in tables])) for load in loads))
    return Pin(
        output=attributes.get("direction") == "output",
        clock=attributes.get("clock") == "true" or attributes.get("clock_gate_clock_pin") == "true",
        capacitance=_finite(attributes.get("capacitance", 0.0)),
        energy=energy,
    )


def _finite(value: Any) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"{number} is no finite number")
    return number


def _table(group: Any) -> Table | None:
    """Return a table at SLEW_NS: by load where it has loads, constant otherwise; None where its form is another."""
    values = np.atleast_2d(group.get_array("values"))
    if not np.isfinite(values).all():
        raise ValueError("a table has values that are not finite")
    names = {one.name for one in group.attributes}
    if "index_1" not in names:
        return Table((0.0,), (float(values.ravel()[0]),))
    first = group.get_array("index_1").ravel()
    if "index_2" in names:
        loads = group.get_array("index_2").ravel()
        at_slew = [float(np.interp(SLEW_NS, first, values[:, column])) for column in range(len(loads))]
        return Table(tuple(map(float, loads)), tuple(at_slew))
    return Table((0.0,), (float(np.interp(SLEW_NS, first, values.ravel())),))
