"""The exported folder: whole, self-contained, and what it says it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import eie
from eie.errors import InputError
from eie.silicon.export import export
from eie.silicon.sources import UNITS


def network() -> eie.Network:
    rng = np.random.default_rng(4)
    codes = np.where(rng.random((13, 10)) < 0.5, rng.integers(1, 16, (13, 10)), 0)
    layer = eie.Layer("fc", eie.encode(codes, np.concatenate(([0], rng.normal(size=15))), n_pe=4))
    return eie.calibrate(eie.Network((layer,)), rng.normal(size=10))


def test_folder_holds_sources_parameters_and_images(tmp_path: Path) -> None:
    """Every file of the list is there; the images hold the encoding, least significant entry last."""
    folder = tmp_path / "chip"
    parameters = export(network(), eie.Hardware(n_pe=4), folder)
    listed = (folder / "files.f").read_text().split()
    assert listed == ["eie_parameters.sv", *(f"{unit}.sv" for unit in UNITS)]
    assert all((folder / name).is_file() for name in listed)
    assert "#define EIE_START 0x030u" in (folder / "eie_registers.h").read_text()
    assert f"localparam int N_PE = {parameters.n_pe};" in (folder / "eie_parameters.sv").read_text()
    matrix = network().layers[0].matrix
    for pe in range(4):
        rows = (folder / "memory" / f"fc.pass0.pe{pe}.weights.hex").read_text().split()
        entries = np.concatenate([np.frombuffer(bytes.fromhex(row), np.uint8)[::-1] for row in rows])
        expected = matrix.entries[slice(*matrix.slice_starts[pe : pe + 2])]
        assert np.array_equal(entries[: len(expected)], expected)
        even = [int(x, 16) for x in (folder / "memory" / f"fc.pass0.pe{pe}.even_bank.hex").read_text().split()]
        assert even == matrix.pointers[pe, 0::2].tolist()


def test_refusals(tmp_path: Path) -> None:
    """A folder that is there already, or has nowhere to be."""
    (tmp_path / "chip").mkdir()
    with pytest.raises(InputError) as error:
        export(network(), eie.Hardware(n_pe=4), tmp_path / "chip")
    assert str(error.value) == f"{tmp_path / 'chip'} exists already: name a new folder"
    with pytest.raises(InputError) as error:
        export(network(), eie.Hardware(n_pe=4), tmp_path / "no" / "chip")
    assert str(error.value) == f"cannot write {tmp_path / 'no' / 'chip'}: the folder {tmp_path / 'no'} does not exist"


def test_a_script_for_vivado(tmp_path: Path) -> None:
    """Tcl runs it to its end, every command that it does not know being Vivado's: no Vivado is here."""
    tkinter = pytest.importorskip("tkinter", reason="tkinter is not installed: Debian's python3-tk")
    folder = tmp_path / "a chip"
    parameters = export(network(), eie.Hardware(n_pe=4, broadcast_stages=1), folder)

    def run(name: str, *arguments: str) -> list[tuple[str, ...]]:
        said: list[tuple[str, ...]] = []
        tcl = tkinter.Tcl()
        tcl.createcommand("unknown", lambda *words: said.append(words) or "")
        tcl.setvar("argc", str(len(arguments)))
        tcl.setvar("argv", " ".join(arguments))
        tcl.eval(f"source {{{folder / name}}}")
        return said

    said = run("vivado.tcl", "xcvu13p-fhga2104-2-i")
    read = [words[-1] for words in said if words[0] == "read_verilog"]
    assert read == [str(folder / name) for name in (folder / "files.f").read_text().split()]
    assert ("read_xdc", "-mode", "out_of_context", str(folder / "eie.xdc")) in said
    (synthesis,) = (words for words in said if words[0] == "synth_design")
    assert synthesis[:5] == ("synth_design", "-top", "eie_axi", "-part", "xcvu13p-fhga2104-2-i")
    given = dict(word.split("=") for word in synthesis if "=" in word)
    chip = {name: str(value) for name, value in parameters.verilog().items()}
    assert given == chip | {"SLOW_MEMORIES": "1", "EIE_ULTRARAM": "1"}
    steps = ("synth_design", "opt_design", "place_design", "phys_opt_design", "route_design", "report_timing_summary")
    assert [words[0] for words in said if words[0] in steps] == list(steps)
    assert "xcvu9p-flga2104-2-i" in next(words for words in run("vivado.tcl") if words[0] == "synth_design")
    assert ("create_clock", "-name", "aclk", "-period", "5", "") in run("eie.xdc")
