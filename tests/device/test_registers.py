"""The register map: what is made from it is current, and what it must not be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from eie.program.table import StepKind
from eie.silicon.parameters import Parameters
from eie.silicon.registers import FILES, HEADER, MAP, RegisterMap

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", list(FILES))
def test_what_is_made_is_current(name: str) -> None:
    """`make registers` would change nothing."""
    assert (CHECKOUT / name).read_text() == FILES[name](MAP), f"{name} is old: make registers"


def test_the_rtl_package_has_every_number() -> None:
    """Offsets, fields, spaces, kinds of steps, settings and the header, as the map has them."""
    text = (CHECKOUT / "rtl/eie_registers.sv").read_text()
    found = {
        name: int(digits, {"h": 16, "d": 10, "": 10}[base])
        for name, base, digits in re.findall(r"(\w+) = (?:\d+')?([hd]?)([0-9a-f]+);", text)
    }
    expected = {"IDENTITY_VALUE": MAP.identity} | {f"SPACE_{space.name}": space.number for space in MAP.spaces}
    expected |= {f"KIND_{kind.name}": kind.number for kind in MAP.kinds}
    for register in MAP.registers:
        expected[register.name] = register.offset
        expected |= {f"{register.name}_{one.name}": one.low for one in register.fields}
        if register.setting is not None:
            expected[f"SETTING_{register.name}"] = register.setting
    for one in HEADER.values():
        expected |= {f"HEADER_{one.name}": one.low, f"HEADER_{one.name}_BITS": one.bits}
    assert found == expected


def test_every_kind_of_step_has_a_number() -> None:
    """The table's kinds are the map's."""
    assert [kind.name for kind in MAP.kinds] == list(StepKind)


def test_every_size_of_the_chip_is_a_register() -> None:
    """The driver reads them all."""
    assert set(Parameters.__annotations__) <= {register.name.lower() for register in MAP.registers}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"offset": 0x002}, "the registers' offsets must ascend in steps of 4"),
        ({"offset": 0x004}, "the registers' offsets must ascend in steps of 4"),
        ({"fields": [{"name": "A", "low": 0, "bits": 2, "meaning": ""}, {"name": "B", "low": 1, "meaning": ""}]},
         "the fields of IDENTITY must ascend and must not overlap"),
        ({"setting": 3}, "the settings must follow each other, as their numbers do"),
    ],
)  # fmt: skip
def test_a_map_that_cannot_be_is_refused(change: dict[str, object], sentence: str) -> None:
    """Registers and fields that overlap or are not in order."""
    document = MAP.model_dump()
    document["registers"] = [document["registers"][0] | change, *document["registers"][1:]]
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        RegisterMap.model_validate(document)
