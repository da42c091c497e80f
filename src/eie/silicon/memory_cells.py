"""The memories as cells for timing and power: one Liberty cell per size, with CACTI's access time, area and energy.

A cell's name is `sram_WORDSxBITS`. Its output follows the clock edge by the access time; its inputs' setup time, which
CACTI does not report, is 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from eie.cost import load_technology
from eie.cost.memory import MemoryPoint
from eie.errors import InputError

__all__ = [
    "MEMORIES",
    "MEMORY_TECHNOLOGY",
    "Size",
    "access_ns",
    "cell_name",
    "cell_size",
    "memory_commands",
    "memory_library",
    "memory_models",
    "memory_point",
    "memory_ports",
    "memory_sizes",
]

MEMORY_TECHNOLOGY = "cacti-45nm"
MEMORIES = "itrs-hp, ED2"  # the fastest devices: only with them do the memories keep up with the paper's clock

Size = tuple[int, int]  # words, bits of a word


def memory_sizes(parameters: Mapping[str, int]) -> tuple[Size, ...]:
    """Return the sizes of a PE's memories, of weights, pointers and activations, for the RTL's `parameters`."""
    sizes = (
        (parameters["SPMAT_ROWS"], parameters["ENTRIES_PER_ROW"] * parameters["ENTRY_BITS"]),
        (parameters["POINTER_WORDS"], parameters["POINTER_BITS"]),
        (parameters["SRAM_WORDS"], parameters["VALUE_BITS"]),
    )
    return tuple(dict.fromkeys(sizes))


def memory_point(words: int, bits: int, memories: str = MEMORIES) -> MemoryPoint:
    """Return the smallest memory in the set that holds as much, of those the nearest in width; one whose time is known.

    Raises InputError for a set that there is not, and for a memory larger than all of the set.
    """
    points = load_technology(MEMORY_TECHNOLOGY).memory_set(memories).points
    enough = [p for p in points if (p.access_ns or p.cycle_ns) and 8 * p.capacity_bytes >= words * bits]
    if not enough:
        raise InputError(
            f"no memory of the set {memories!r} holds {words} words of {bits} bits: the largest has "
            f"{max(p.capacity_bytes for p in points)} bytes"
        )
    return min(enough, key=lambda one: (one.capacity_bytes, abs(one.width_bits - bits)))


def access_ns(words: int, bits: int, memories: str = MEMORIES) -> float:
    """Return the access time of `memory_point`; where the set has none for it, the cycle time stands in."""
    point = memory_point(words, bits, memories)
    return point.access_ns or point.cycle_ns or math.nan


def memory_commands(sizes: Collection[Size]) -> list[str]:
    """Return the Yosys commands that give every instance of `sram` its size's cell, which memories.lib has."""
    commands = ["read_liberty -lib memories.lib"]
    for words, bits in sizes:
        cell = cell_name(words, bits)
        commands += [
            f"chtype -set {cell} t:sram r:WORDS={words} %i r:WORD_BITS={bits} %i",
            f"setparam -unset WORDS -unset WORD_BITS t:{cell}",
        ]
    return [*commands, "select -assert-none t:sram"]


def memory_library(sizes: Collection[Size], memories: str = MEMORIES) -> str:
    """Return a Liberty library of a cell per size, one statement a line, as OpenSTA reads it."""
    return "\n".join(
        [
            "library (memories) {",
            "  delay_model : table_lookup;",
            '  time_unit : "1ns";',
            '  voltage_unit : "1V";',
            '  current_unit : "1mA";',
            '  pulling_resistance_unit : "1kohm";',
            '  leakage_power_unit : "1nW";',
            "  capacitive_load_unit (1,ff);",
            *(f"  {kind}_threshold_pct_{edge} : 50.0;" for kind in ("input", "output") for edge in ("rise", "fall")),
            *(f"  slew_lower_threshold_pct_{edge} : 30.0;" for edge in ("rise", "fall")),
            *(f"  slew_upper_threshold_pct_{edge} : 70.0;" for edge in ("rise", "fall")),
            *(line for words, bits in sizes for line in _cell(words, bits, memories)),
            "}",
            "",
        ]
    )


def memory_models(sizes: Collection[Size]) -> str:
    """Return a Verilog module per cell, which behaves as `sram`."""
    return "".join(
        f"module {cell_name(words, bits)}(input clk, input read, input write, "
        f"input [{_address_bits(words) - 1}:0] address, input [{bits - 1}:0] write_data, "
        f"output [{bits - 1}:0] read_data);\n  sram #(.WORD_BITS({bits}), .WORDS({words})) memory (.*);\nendmodule\n"
        for words, bits in sizes
    )


def cell_name(words: int, bits: int) -> str:
    """Return the name of the cell of a size."""
    return f"sram_{words}x{bits}"


def cell_size(cell: str) -> Size | None:
    """Return the size of the memory that a cell's name says; None for any other cell."""
    found = re.fullmatch(r"sram_(\d+)x(\d+)", cell)
    return None if found is None else (int(found.group(1)), int(found.group(2)))


def memory_ports(words: int, bits: int) -> Iterator[tuple[str, str]]:
    """Give each of a cell's pins and its direction, buses bit by bit."""
    yield from (("clk", "input"), ("read", "input"), ("write", "input"))
    yield from ((f"address[{bit}]", "input") for bit in range(_address_bits(words)))
    yield from ((f"write_data[{bit}]", "input") for bit in range(bits))
    yield from ((f"read_data[{bit}]", "output") for bit in range(bits))


def _address_bits(words: int) -> int:
    return max(1, (words - 1).bit_length())


def _cell(words: int, bits: int, memories: str) -> list[str]:
    name, address = cell_name(words, bits), _address_bits(words)
    access, price = access_ns(words, bits, memories), memory_point(words, bits, memories)
    checked = [
        line
        for kind in ("setup_rising", "hold_rising")
        for line in (
            "      timing () {",
            '        related_pin : "clk";',
            f"        timing_type : {kind};",
            *_scalars(("rise_constraint", "fall_constraint"), 0.0),
            "      }",
        )
    ]
    pins = [
        line
        for pin in ("read", "write")
        for line in (f"    pin ({pin}) {{", "      direction : input;", "      capacitance : 1.0;", *checked, "    }")
    ]
    buses = [
        line
        for bus, width in (("address", address), ("write_data", bits))
        for line in (
            f"    bus ({bus}) {{",
            f"      bus_type : bus_{name}_{width};",
            "      direction : input;",
            "      capacitance : 1.0;",
            *checked,
            "    }",
        )
    ]
    return [
        *(line for width in sorted({address, bits}) for line in _bus_type(name, width)),
        f"  cell ({name}) {{",
        "    is_macro_cell : true;",
        f"    area : {price.area_um2:g};",
        f"    cell_leakage_power : {price.leakage_mw * 1e6:g};",  # nW
        "    pin (clk) {",
        "      direction : input;",
        "      clock : true;",
        "      capacitance : 1.0;",
        "      internal_power () {",
        '        when : "read";',
        *_scalars(("rise_power",), price.read_pj * 1e3),  # fJ
        *_scalars(("fall_power",), 0.0),
        "      }",
        "    }",
        *pins,
        *buses,
        "    bus (read_data) {",
        f"      bus_type : bus_{name}_{bits};",
        "      direction : output;",
        "      timing () {",
        '        related_pin : "clk";',
        "        timing_type : rising_edge;",
        *_scalars(("cell_rise", "cell_fall"), access),
        *_scalars(("rise_transition", "fall_transition"), 0.02),
        "      }",
        "    }",
        "  }",
    ]


def _bus_type(name: str, width: int) -> list[str]:
    return [
        f"  type (bus_{name}_{width}) {{",
        "    base_type : array;",
        "    data_type : bit;",
        f"    bit_width : {width};",
        f"    bit_from : {width - 1};",
        "    bit_to : 0;",
        "  }",
    ]


def _scalars(kinds: Sequence[str], value: float) -> list[str]:
    return [
        line
        for kind in kinds
        for line in (f"        {kind} (scalar) {{", f'          values ("{value:g}");', "        }")
    ]
