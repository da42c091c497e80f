"""The signal tables against the ports of the SystemVerilog: names, directions and widths, for several sizes."""

from __future__ import annotations

import re

import pytest

from eie.chip.stepped.signals import TABLES, Direction
from eie.silicon.record import COMPARED
from eie.silicon.sources import UNITS, default_parameters, source_files

SOURCES = {path.stem: path.read_text() for path in source_files()}
# Signals that the RTL has in another form: a unit of one PE has its own `full`; what is left anywhere comes as one bit.
OTHERWISE = {
    "act_queue": {"any_full": "full"},
    "ccu": dict.fromkeys(("queue_valid", "stage_valid", "weight_valid", "pipeline_busy"), "any_busy"),
}
LETTERS = {
    **{"N": "N_PE", "R": "REGISTER_ENTRIES", "Q": "QUEUE_DEPTH", "B": "VALUE_BITS", "A": "ACCUMULATOR_BITS"},
    **{"P": "POINTER_BITS", "C": "CODE_BITS", "I": "INDEX_BITS", "X": "COLUMN_BITS"},
}
SIZES = (
    {"N": 64, "R": 64, "Q": 8, "B": 16, "A": 24, "P": 16, "C": 4, "I": 4, "X": 14},
    {"N": 5, "R": 65, "Q": 2, "B": 8, "A": 9, "P": 11, "C": 5, "I": 7, "X": 3},
    {"N": 1, "R": 1, "Q": 3, "B": 2, "A": 32, "P": 1, "C": 8, "I": 1, "X": 1},
)


def ports(unit: str, sizes: dict[str, int]) -> dict[str, tuple[str, int]]:
    """Return a unit's ports: direction and bits, its width expressions evaluated for `sizes`."""
    header = SOURCES[unit].partition("\n);\n")[0]
    names = default_parameters(unit) | {LETTERS[letter]: value for letter, value in sizes.items()}
    for name, expression in re.findall(r"localparam int (\w+) = ([^,\n]+)", header):
        names[name] = evaluate(expression, names)
    found = {}
    for direction, packed, name in re.findall(
        r"^    (input|output) +logic(?: signed)? *((?:\[[^]]*\])*) *(\w+)", header, re.M
    ):
        bits = 1
        for upper in re.findall(r"\[([^]]*):0\]", packed):
            bits *= evaluate(upper, names) + 1
        found[name] = direction, bits
    return found


def evaluate(expression: str, names: dict[str, int]) -> int:
    """Return the value of a constant expression of SystemVerilog: sums, products, $clog2 and one choice."""
    choice = re.fullmatch(r"(.+?) \? (.+?) : (.+)", expression.strip())
    if choice:
        condition, first, second = choice.groups()
        return evaluate(first if evaluate(condition, names) else second, names)
    python = re.sub(r"\$clog2\(", "clog2(", expression)
    return int(eval(python, {"clog2": lambda value: (value - 1).bit_length()}, names))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("unit", list(TABLES))
def test_table_is_the_units_ports(unit: str, sizes: dict[str, int]) -> None:
    """Every signal of the table is a port, in its direction and as wide; of one PE, but where the unit sees all."""
    there = ports(unit, sizes)
    places = sizes["N"] if unit in ("ccu", "lnzd") else 1
    for signal in TABLES[unit]:
        name = OTHERWISE.get(unit, {}).get(signal.name, signal.name)
        direction = "output" if signal.direction is Direction.OUTPUT else "input"
        whole = signal.bits(sizes) * (places if signal.per_pe and name == signal.name else 1)
        assert there[name] == (direction, whole), signal


@pytest.mark.parametrize("sizes", SIZES)
def test_the_chip_shows_what_is_compared(sizes: dict[str, int]) -> None:
    """The chip's ports for a trace are the signals that the tables say are shown, a PE's N times as wide."""
    there = ports("eie", sizes)
    for signal in COMPARED.values():
        assert there[signal.name] == ("output", signal.bits(sizes) * (sizes["N"] if signal.per_pe else 1))
    host = {"host_read_data", "busy", "finished", "cycles", "broadcasts", "stalls"}
    assert {name for name, (direction, _) in there.items() if direction == "output"} == {*COMPARED} | host


def test_signals_names_and_conditions() -> None:
    """A signal is driven by one unit, is the same wherever it goes, and its condition is a signal of the same unit."""
    driven = {s.name: s for table in TABLES.values() for s in table if s.direction is Direction.OUTPUT}
    assert len(driven) == sum(s.direction is Direction.OUTPUT for table in TABLES.values() for s in table)
    for table in TABLES.values():
        for signal in table:
            assert signal.bits(SIZES[0]) == driven[signal.name].bits(SIZES[0])
            if signal.direction is Direction.OUTPUT and signal.when:
                assert signal.when in {other.name for other in table}


def test_defaults_agree() -> None:
    """A parameter has the same default in every unit, but for the generic memory's, and stages where there are some."""
    defaults: dict[str, int] = {}
    for unit in UNITS[1:]:
        for name, value in default_parameters(unit).items():
            if unit != "credits" or name != "BROADCAST_STAGES":  # a chip has none unless it is asked for
                assert defaults.setdefault(name, value) == value, (unit, name)


def test_the_tops_have_the_same_parameters() -> None:
    """The chip, behind a bus, behind SPI and in the port's proof: one list in one order, and all of it passed on."""
    stub = (source_files()[0].parent / "formal" / "eie.sv").read_text()
    chip, bus, spi, proof = (
        re.findall(r"^ *parameter int (\w+) = (\d+)", text, re.M)
        for text in (SOURCES["eie"], SOURCES["eie_axi"], SOURCES["eie_spi"], stub)
    )
    assert len(chip) == 20
    assert bus == proof == chip
    assert spi == [(name, value) for name, value in chip if name != "LATCHES"]  # an FPGA has none
    for top, inner in (("eie_axi", "eie"), ("eie_spi", "eie_axi")):
        (passed,) = re.findall(rf"\n  {inner} #\((.*?)\n  \) \w+ \(", SOURCES[top], re.S)
        expected = [(name, "0" if (top, name) == ("eie_spi", "LATCHES") else name) for name, _ in chip]
        assert re.findall(r"\.(\w+)\((\w+)\)", passed) == expected
