"""The command line as a user meets it: as a process, its output read, its exit codes, its files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from rich.text import Text

import eie
from data_sets import DataSet
from eie.cli.commands import app
from eie.cost import cost, load_technology


def run(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `eie` with the arguments, in a process of its own."""
    command = [sys.executable, "-c", "from eie.cli import main; main()", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, timeout=120, env=os.environ | environment, check=False
    )


def refusal(*arguments: object, **environment: str) -> str:
    """Run a command that must be refused; check that it prints one sentence only, and return the sentence."""
    done = run(*arguments, **environment)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("eie: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("eie: ").strip()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A two-layer model and an input beside it."""
    rng = np.random.default_rng(8)
    codes = [np.where(rng.random(s) < 0.4, rng.integers(1, 16, s), 0).astype(np.uint8) for s in ((30, 40), (7, 30))]
    book = np.concatenate(([0], rng.normal(size=15)))
    network = eie.Network(
        (
            eie.Layer("hidden", eie.encode(codes[0], book, n_pe=8), relu=True),
            eie.Layer("out", eie.encode(codes[1], book, n_pe=8), rng.normal(size=7).astype(np.float32)),
        )
    )
    inputs = rng.normal(size=40).astype(np.float32)
    np.save(tmp_path / "input.npy", inputs)
    eie.save(eie.calibrate(network, inputs), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_run_prints_the_largest_outputs(model: Path) -> None:
    """All numerics agree on the largest; JSON and the written file hold the same numbers."""
    largest = set()
    for numerics in ("int16", "int8", "chip", "float32"):
        out = model.with_name("out.npy")
        done = run("run", model, model.with_name("input.npy"), "--numerics", numerics, "--json", "-o", out)
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        top = document["largest"][0][0]
        outputs = np.load(out)
        assert outputs.shape == (7,)
        assert outputs.argmax() == top["output"]
        assert outputs.max() == pytest.approx(top["value"])
        largest.add(top["output"])
        assert document["time_us"] > 0
    assert len(largest) == 1
    text = run("run", model, model.with_name("input.npy")).stdout
    assert "Largest outputs" in text
    assert "measured here" in text


def test_run_takes_batches(model: Path) -> None:
    """A batch gives one largest output per input."""
    np.save(model.with_name("batch.npy"), np.random.default_rng(0).normal(size=(25, 40)))
    done = run("run", model, model.with_name("batch.npy"))
    assert "and 5 inputs more: --json or --output gives all" in done.stdout
    assert len(json.loads(run("run", model, model.with_name("batch.npy"), "--json").stdout)["largest"]) == 25


def test_run_chooses_formats_where_there_are_none(model: Path) -> None:
    """An uncalibrated model runs in the chip's numerics with formats chosen from the input, and a note says so."""
    network = eie.load(model)
    bare = eie.Network(tuple(eie.Layer(x.name, x.matrix, x.bias, x.relu) for x in network))
    eie.save(bare, model.with_name("bare.safetensors"))
    done = run("run", model.with_name("bare.safetensors"), model.with_name("input.npy"), "--numerics", "chip")
    assert done.returncode == 0
    assert "they are chosen from this input" in done.stderr


def test_simulate_says_what_each_layer_takes(model: Path) -> None:
    """The same numbers as the library gives, as JSON and as a table."""
    inputs = model.with_name("input.npy")
    done = run("simulate", model, inputs, "--pes", 4, "--queue-depth", 3, "--spmat-width", 32, "--json")
    document = json.loads(done.stdout)
    hardware = eie.Hardware(n_pe=4, queue_depth=3, spmat_width_bits=32)
    expected = eie.simulate_network(eie.load(model), np.load(inputs), hardware)
    assert [layer["cycles"] for layer in document["layers"]] == [layer.simulation.cycles for layer in expected]
    assert document["layers"][0]["counts"] == vars(expected[0].simulation.counts)
    assert document["provenance"] == "simulated"
    text = run("simulate", model, inputs).stdout
    assert "Simulated: 8 PEs, queues of 8, 64-bit weight memory, 800 MHz" in text
    assert "load efficiency" in text


def test_simulate_prices_a_run_where_a_technology_is_named(model: Path) -> None:
    """Energy and area are those of `cost`; a memory too slow for the clock is a warning; a wrong name is refused."""
    inputs = model.with_name("input.npy")
    done = run("simulate", model, inputs, "--technology", "eie-paper-45nm", "--json")
    layers = eie.simulate_network(eie.load(model), np.load(inputs), eie.Hardware(n_pe=eie.load(model).n_pe))
    made = cost([layer.simulation for layer in layers], load_technology("eie-paper-45nm"))
    document = json.loads(done.stdout)["cost"]
    assert (document["technology"], document["provenance"]) == ("eie-paper-45nm", "modelled")
    assert document["energy_nj"] == pytest.approx(made.energy_nj)
    assert document["area_mm2"] == pytest.approx(made.area_mm2)
    slow = run("simulate", model, inputs, "--technology", "eie-paper-45nm", "--spmat-width", 256)
    assert f"{made.area_mm2:.2f} mm2" not in slow.stdout  # the wider memory is larger
    assert "a memory is read every 1.36 ns at best and cannot keep 800 MHz" in slow.stderr
    assert refusal("simulate", model, inputs, "--technology", "tsmc").startswith(
        "no technology is named tsmc; there are "
    )


def test_export_writes_a_file_or_a_c_program(model: Path, tmp_path: Path) -> None:
    """An ending says what a file is to be, as ever; `c` writes a folder and prints its sizes."""
    weights = tmp_path / "weights.npz"
    assert json.loads(run("export", model, weights, "--json").stdout)["bytes"] == weights.stat().st_size
    assert run("export", "--json", "file", model, weights).returncode == 2  # an option goes behind the target
    folder = tmp_path / "program"
    document = json.loads(run("export", "c", model, folder, "--numerics", "chip", "--json").stdout)
    assert sorted(document["files"]) == sorted(path.name for path in folder.iterdir())
    assert document["model_bytes"] == model.stat().st_size
    assert document["weight_bytes"] > 0
    assert document["not_bit_equal_from"] == []
    assert refusal("export", "c", model, folder) == f"{folder} exists already: name a new folder"
    text = run("export", "c", model, tmp_path / "another", PATH="").stdout
    assert "not measured: no compiler, see --cc" in text
    assert "bit for bit" in text
    assert refusal("export", "c", model, tmp_path / "third", "--numerics", "int16") == (
        "a C program has the numerics int8 or chip, not int16"
    )
    assert not (tmp_path / "third").exists()


def test_the_real_layer_from_the_shell(data_set: DataSet, tmp_path: Path) -> None:
    """Import, run, simulate: output 708, 7926 cycles."""
    path = tmp_path / "alex8.safetensors"
    done = run("import", "eie-simulator", data_set("eie-simulator-alex8"), "-o", path, "--outputs", 1000)
    assert done.returncode == 0, done.stderr
    inputs = tmp_path / "alex8.activations.npy"
    for numerics in ("int16", "int8", "chip", "float32"):
        document = json.loads(run("run", path, inputs, "--numerics", numerics, "--json").stdout)
        assert document["largest"][0][0]["output"] == 708
    layer = json.loads(run("simulate", path, inputs, "--json").stdout)["layers"][0]
    assert (layer["cycles"], round(layer["latency_us"], 1)) == (7926, 9.9)


def test_refusals(model: Path, tmp_path: Path) -> None:
    """One sentence on stderr, nothing on stdout, exit code 2."""
    inputs = model.with_name("input.npy")
    np.save(tmp_path / "short.npy", np.ones(3))
    np.save(tmp_path / "nan.npy", np.where(np.arange(40) == 4, np.nan, 1.0))
    (tmp_path / "text.npy").write_text("hello")
    none = tmp_path / "none.safetensors"
    assert refusal("run", none, inputs) == f"model file {none} does not exist"
    assert refusal("simulate", none, inputs) == f"model file {none} does not exist"
    assert refusal("run", model, tmp_path / "none.npy") == f"input file {tmp_path / 'none.npy'} does not exist"
    assert refusal("run", model, tmp_path / "text.npy").startswith(
        f"input file {tmp_path / 'text.npy'} is not a whole .npy file of numbers: "
    )
    assert refusal("run", model, tmp_path / "short.npy") == ("inputs must have shape (40,) or (batch, 40), not (3,)")
    assert refusal("simulate", model, tmp_path / "nan.npy") == ("inputs must be finite, but number 4 of input 0 is nan")
    assert refusal("simulate", model, inputs, "--queue-depth", 1) == (
        "queue_depth must be an integer from 2 to 4096, not 1"
    )
    assert refusal("simulate", model, inputs, "--trace", tmp_path / "trace.txt") == (
        "the name of a trace must end in .json, .vcd or .fst, not trace.txt"
    )
    assert refusal("simulate", model, inputs, "--cycles", "9" * 4300 + ":") == (
        "--cycles must be A:B of at most 18 digits each, not 4300 in all"
    )
    assert refusal("run", "a" * 5000, inputs) == f"model file {'a' * 5000} cannot be read: File name too long"
    assert refusal("run", model, inputs, EIE_BUDGET_BYTES="100").endswith(
        "bytes, more than the budget of 100: where you trust it, set the environment variable EIE_BUDGET_BYTES"
    )
    assert refusal("simulate", model, inputs, "--pes", 0) == "n_pe must be an integer from 1 to 1024, not 0"
    assert refusal("import", "eie-simulator", tmp_path / "no", "-o", tmp_path / "x.safetensors") == (
        f"folder {tmp_path / 'no'} does not exist"
    )
    assert refusal("run", model, inputs, "-o", tmp_path / "no" / "out.npy") == (
        f"cannot write {tmp_path / 'no' / 'out.npy'}: the folder {tmp_path / 'no'} does not exist"
    )
    assert refusal("simulate", model, inputs, "--cycles", "0:9") == (
        "--cycles and --trace-pes are for --trace and --timeline: give one of these, too"
    )
    assert refusal("simulate", model, inputs, "--timeline", tmp_path / "a.html", "--trace-pes", "9:") == (
        "the PEs 9: select none of 0:8"
    )
    assert refusal("run", model, inputs, "-o", tmp_path / "out.txt") == (
        "the name of a file of outputs must end in .npy, not out.txt"
    )
    assert refusal("explore", "paper", "--workers", 2, "--scheduler", "tcp://127.0.0.1:1") == (
        "--workers and --scheduler exclude each other: a cluster has workers of its own"
    )
    assert refusal("simulate", model, inputs, EIE_INSTRUCTION_SET="mmx") == (
        "environment variable EIE_INSTRUCTION_SET: the instruction set must be portable, neon, dotprod, avx2, vnni "
        "or avx512, not mmx"
    )


def test_a_wrong_option_is_exit_code_2(model: Path) -> None:
    """A misspelt command or option is named in the error."""
    done = run("simulate", model, model.with_name("input.npy"), "--queue-dept", 3)
    assert done.returncode == 2
    assert "No such option: --queue-dept" in done.stderr


def test_portable_code_gives_the_same(model: Path) -> None:
    """A machine with neither AVX2 nor AVX-512 computes the same, bit for bit."""
    inputs = model.with_name("input.npy")
    outputs = []
    for instruction_set in ("portable", "avx512"):
        out = model.with_name(f"{instruction_set}.npy")
        arguments = ("run", model, inputs, "--numerics", "chip", "-o", out)
        assert run(*arguments, EIE_INSTRUCTION_SET=instruction_set).returncode == 0
        outputs.append(np.load(out))
    assert np.array_equal(*outputs)


WORKS_LONG = {
    "bench": ("--layers", "NT-We", "--chart", "x.txt"),
    "demo": ("--out", "no/report.html"),
    "reproduce": ("all", "--out", "report.txt"),
    "compress": ("no.py:model", "-o", "model.onnx"),
    "sensitivity": ("no.py:model", "--data", "digits", "-o", "x.txt"),
    "export": ("no.safetensors", "x.txt"),
    "import": ("eie-simulator", "no", "-o", "x.txt"),
    "rtl": ("verify", "no.safetensors", "no.npy", "--waveform", "x.txt"),
}


@pytest.mark.parametrize("command", WORKS_LONG)
def test_outputs_are_looked_at_before_any_work(command: str, tmp_path: Path) -> None:
    """An ending that is none, or a folder that is not there, is told before the inputs are even read."""
    done = run(command, *WORKS_LONG[command], cwd=tmp_path)
    assert done.returncode == 2
    assert re.search(r" must end in \.|the folder no does not exist", done.stderr), done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def every_help(command: Any) -> Iterator[str]:
    yield command.help or ""
    for parameter in command.params:
        yield getattr(parameter, "help", None) or ""
    for one in getattr(command, "commands", {}).values():
        yield from every_help(one)


def test_no_help_text_is_lost_to_markup() -> None:
    """What stands in brackets, as an extra's name, is printed."""
    texts = list(every_help(typer.main.get_command(app)))
    assert len(texts) > 100
    for text in texts:
        assert Text.from_markup(text).plain == text.replace("\\[", "[")


@pytest.mark.slow
def test_demo_from_start_to_report(tmp_path: Path) -> None:
    """The main job: accuracy kept, two tables reproduced, a report that is there where it says."""
    done = run("demo", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    dense, *_, chip = document["digits"]
    assert dense["accuracy"] > 95
    assert chip["accuracy"] > dense["accuracy"] - 1.5
    assert chip["bytes"] * 20 < dense["bytes"]
    assert chip["cycles"] > 0
    assert [reproduction["name"] for reproduction in document["reproductions"]] == ["table3", "table4"]
    report = Path(document["report"])
    assert report == (tmp_path / "report.html").resolve()
    assert "handwritten digits" in report.read_text()
