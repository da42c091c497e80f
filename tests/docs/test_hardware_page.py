"""docs/hardware.md: every rule has an example, and every example is what the implementations do."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import eie
from data_sets import DataSet
from eie.chip.timing import simulate_pass
from eie.importers.eie_simulator import read_eie_simulator
from eie.model.numerics import quantise
from eie.program.lowering import Pass, passes_of
from implementations import play

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "hardware.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^```pycon\n(.*?)^```", re.M | re.S)


class Rule(NamedTuple):
    """A rule of the page: its id (E1), its title, its anchor and its text."""

    number: str
    title: str
    anchor: str
    text: str


def rules() -> list[Rule]:
    parts = re.split(r"^### (\w+)\. (.+) \{ #(\w+) \}$", PAGE, flags=re.M)[1:]
    return [Rule(*parts[first : first + 4]) for first in range(0, len(parts), 4)]


RULES = rules()
PRELUDE = EXAMPLE.findall(PAGE[: PAGE.index("\n### ")])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.number)
def test_a_rules_example_is_what_happens(rule: Rule) -> None:
    """The example stands by itself: it needs the page's first lines, and no other rule's."""
    examples = EXAMPLE.findall(rule.text)
    assert examples, f"rule {rule.number} has no example"
    source = "\n".join([*PRELUDE, *examples])
    test = doctest.DocTestParser().get_doctest(source, {"play": play}, rule.number, "docs/hardware.md", 0)
    said: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert result.failed == 0, "".join(said)


def test_rules_are_numbered_through() -> None:
    """Ids are a letter and a number from 1 on, anchors are the same in small letters, and no heading is missed."""
    assert len(RULES) == PAGE.count("\n### ")
    assert [rule.anchor for rule in RULES] == [rule.number.lower() for rule in RULES]
    letters = list(dict.fromkeys(rule.number[0] for rule in RULES))
    expected = [
        f"{letter}{number}"
        for letter in letters
        for number in range(1, 1 + sum(rule.number[0] == letter for rule in RULES))
    ]
    assert [rule.number for rule in RULES] == expected


def test_what_cites_a_rule_cites_one_that_is_there() -> None:
    """Code, RTL, tests and pages that name hardware.md and a rule's id in one sentence name a rule that exists."""
    known = {rule.number for rule in RULES}
    cited = 0
    for folder, pattern in (("src", "*.py"), ("rtl", "*.sv"), ("native", "*.*"), ("tests", "*.py"), ("docs", "*.md")):
        for path in (ROOT / folder).rglob(pattern):
            if path.suffix not in {".py", ".sv", ".cpp", ".hpp", ".inl", ".md"}:
                continue
            for sentence in re.findall(r"hardware\.md[^.]*", path.read_text(encoding="utf-8")):
                found = set(re.findall(r"\b[A-Z][0-9]{1,2}\b", sentence))
                assert found <= known, f"{path.relative_to(ROOT)} cites {sorted(found - known)}"
                cited += len(found)
    assert cited >= 18


def test_the_real_layer_in_batches_and_passes(data_set: DataSet) -> None:
    """The table of rule P4, row by row."""
    (table,) = re.findall(r"^\| R \| passes \|.*\n\|[ -|]+\n((?:\|.*\n)+)", PAGE, re.M)
    rows = [[int(cell.replace(",", "")) for cell in line.strip("|\n ").split("|")] for line in table.splitlines()]
    assert len(rows) == 5
    network, activations = read_eie_simulator(data_set("eie-simulator-alex8"), outputs=1000)
    matrix = network.layers[0].matrix
    values = quantise(activations, 11)
    for entries, passes, batches_alone, cycles in rows:
        hardware = eie.Hardware(batched=True, register_entries=entries)
        assert eie.simulate(matrix, values, hardware).cycles == cycles
        found = passes_of(matrix, hardware)
        assert len(found) == passes
        assert simulate_pass(Pass(matrix, 0, found[0].batches), values, hardware).cycles == batches_alone
    assert np.count_nonzero(values) == 1760
