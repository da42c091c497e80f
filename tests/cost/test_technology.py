from pathlib import Path

import pytest

from eie.cost import load_technology, technologies
from eie.errors import InputError

SMALL = """
name = "mine"
title = "A test"
node_nm = 45
critical_path_ns = 1.0
critical_path_source = "a guess"

[[components]]
unit = "ArithmUnit"
kind = "combinational"
action = "entry"
energy_pj = 0.7
area_um2 = 3000
source = "a guess"
origin = "assumed"
"""


def test_the_shipped_files_load_and_give_a_source_for_every_figure() -> None:
    """Each component of each file says where it comes from."""
    assert technologies() == ("cacti-45nm", "eie-layout-45nm", "eie-paper-45nm")
    for name in technologies():
        assert all(component.source and component.origin for component in load_technology(name).components)


def test_the_users_own_file_is_read(tmp_path: Path) -> None:
    """A path to a .toml is a technology like the shipped ones."""
    (tmp_path / "mine.toml").write_text(SMALL)
    assert load_technology(tmp_path / "mine.toml").components[0].energy_pj == 0.7


@pytest.mark.parametrize(
    ("was", "becomes", "sentence"),
    [
        ("energy_pj = 0.7", "energy_pj = -0.7", "{0}.energy_pj is -0.7: input should be greater than or equal to 0"),
        ("energy_pj = 0.7", "energy_pj = nan", "{0}.energy_pj is nan: input should be a finite number"),
        ('source = "a guess"\norigin', "origin", "{0}.source is missing"),
        ("node_nm = 45\n", "", "node_nm is missing"),
        ("energy_pj = 0.7", "", "{0}: {1} has the action entry and no energy, expected energy_pj or power_mw"),
        ("energy_pj = 0.7", "power_mw = 1", "{1} gives power_mw for entry, which the file's activity does not name"),
        ("energy_pj", "energy_j", "there is no entry called {0}.energy_j"),
    ],
)
def test_a_wrong_figure_is_one_sentence(tmp_path: Path, was: str, becomes: str, sentence: str) -> None:
    """A missing or negative figure, or one under another name, is named with its place and value."""
    path = tmp_path / "mine.toml"
    path.write_text(SMALL.replace(was, becomes))
    with pytest.raises(InputError) as error:
        load_technology(path)
    expected = sentence.format("components[0]", "ArithmUnit, combinational")
    assert str(error.value) == f"technology file {path}: {expected}"


def test_an_unknown_name_lists_those_there_are() -> None:
    """A name that is neither shipped nor a path."""
    with pytest.raises(InputError) as error:
        load_technology("tsmc-5nm")
    assert str(error.value) == (
        "no technology is named tsmc-5nm; there are cacti-45nm, eie-layout-45nm, eie-paper-45nm, or a path to a .toml"
    )


def test_scaling_follows_the_papers_own_column() -> None:
    """45 to 28 nm: 1.6 times the clock, area over 1.6 squared (Table V), within the rounding of 45/28."""
    here = load_technology("eie-paper-45nm")
    there = here.scaled(28)
    assert there.fastest_clock_mhz / here.fastest_clock_mhz == pytest.approx(1.6, rel=0.01)
    assert there.scale**2 == pytest.approx(1.6**2, rel=0.01)


def test_files_that_build_on_each_other(tmp_path: Path) -> None:
    """Two files that take their memories from each other are one sentence, not a recursion."""
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    for path, other in ((first, second), (second, first)):
        path.write_text(f'memories = "m"\nmemories_from = "{other}"\n{SMALL}')
    with pytest.raises(InputError) as error:
        load_technology(first).memory_set()
    assert str(error.value) == (
        f"technology mine takes its memories from a file that takes them from itself: mine, {second}, {first}, {second}"
    )
