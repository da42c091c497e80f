"""`eie bench` and `eie doctor` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data_sets import DataSet
from eie.cli.commands import app
from eie.engine import KERNELS, NUMERICS
from eie.errors import InputError


def test_bench_reports_ours_and_the_peers_asked_for() -> None:
    """With --json one document has every measurement, the means and what is missing."""
    arguments = ["bench", "--layers", "NT-LSTM", "--peers", "SciPy", "--seconds", "0.02", "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert [(m["layer"], m["contender"]) for m in document["measurements"]] == [
        ("NT-LSTM", "eie"),
        ("NT-LSTM", "SciPy sparse CSR"),
    ]
    assert document["geometric_means"]["SciPy sparse CSR"]["warm"] > 0
    assert document["failed"] == []


def test_bench_prints_tables() -> None:
    """Without --json the layers, contenders and bounds are tables on stdout."""
    done = CliRunner().invoke(app, ["bench", "--layers", "NT-LSTM", "--peers", "", "--seconds", "0.02", "--rotate"])
    assert done.exit_code == 0, done.stderr
    assert "rotated, us" in done.stdout
    assert "NT-LSTM" in done.stdout


def test_bench_takes_the_real_layer_and_draws_a_chart(data_set: DataSet, tmp_path: Path) -> None:
    """The published Alex-8 is one more layer; the chart is a picture."""
    chart = tmp_path / "bench.svg"
    streams = str(data_set("eie-simulator-alex8"))
    arguments = ["--layers", "NT-LSTM", "--peers", "", "--seconds", "0.02", "--data", streams, "--chart", str(chart)]
    done = CliRunner().invoke(app, ["bench", *arguments, "--json"])
    assert done.exit_code == 0, done.stderr
    layers = [m["layer"] for m in json.loads(done.stdout)["measurements"]]
    assert layers == ["NT-LSTM", "Alex-8 (real)"]
    assert chart.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "Alex-9"], "no benchmark layer is named 'Alex-9'; the nine are Alex-6, Alex-7, Alex-8, VGG-6"),
        (["--peers", "abacus"], "no peer's name has 'abacus' in it; there are MKL dense, MKL sparse CSR"),
    ],
)
def test_bench_refuses_unknown_names(arguments: list[str], message: str) -> None:
    """A layer or peer that does not exist is named with those that do."""
    done = CliRunner().invoke(app, ["bench", *arguments])
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith(message)


def test_doctor_tells_the_kernel_of_each_numerics() -> None:
    """Every numerics and density has a kernel and what each kernel took."""
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert {plan["numerics"] for plan in document["plans"]} == set(NUMERICS)
    for plan in document["plans"]:
        assert min(plan["measured_us"], key=plan["measured_us"].get) in (plan["kernel"], plan["few_kernel"])


def test_doctor_names_what_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held down to portable code, the other kernels are listed with the reason."""
    monkeypatch.setenv("EIE_INSTRUCTION_SET", "portable")
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0, done.stderr
    for kernel in KERNELS:
        if kernel not in ("columns", "bitmask"):
            assert f"not usable here: {kernel}:" in done.stdout


SWEEP = ["bench", "--sweep", "--shape", "40x60", "--densities", "10,100", "--activities", "0,100", "--batches", "1,3"]


def test_a_sweep_prints_tables_that_fit_and_writes_every_number(tmp_path: Path) -> None:
    """A table per numerics within 80 columns, sentences, and a folder with the page, the charts and the numbers."""
    out = tmp_path / "sweep"
    arguments = [*SWEEP, "--peers", "SciPy", "--seconds", "0.01", "--out", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    for numerics in ("int16", "int8", "float32"):
        assert f"{numerics}, 40 x 60: best peer's time / ours" in done.stdout
    table, _, sentences = done.stdout.partition("Measured on ")
    assert max(map(len, table.splitlines())) <= 80
    assert "int16: " in sentences
    document = json.loads((out / "sweep.json").read_text())
    assert len(document["cells"]) == 3 * 2 * 2 * 2
    assert len((out / "points.csv").read_text().splitlines()) == 1 + len(document["points"])
    assert (out / "int8-over-batch.svg").read_text().startswith("<svg")
    assert "Time over density, activity and batch" in (out / "report.html").read_text(encoding="utf-8")


def test_a_sweep_of_one_numerics_as_json() -> None:
    """The grid asked for, and no other."""
    done = CliRunner().invoke(app, [*SWEEP, "--peers", "SciPy", "--seconds", "0.01", "--numerics", "int8", "--json"])
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["grid"]["numerics"] == ["int8"]
    assert document["grid"]["densities"] == [0.1, 1.0]
    assert {cell["numerics"] for cell in document["cells"]} == {"int8"}
    assert list(document["verdict"]) == ["int8"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sweep", "--layers", "Alex-7"], "--layers has no place in a sweep"),
        (["--sweep", "model.safetensors"], "MODEL has no place in a sweep"),
        (["--densities", "5"], "--densities is an option of a sweep, expected --sweep beside it"),
        (["--sweep", "--shape", "40"], "--shape must be OUTPUTSxINPUTS, such as 2048x2048, not '40'"),
        (["--sweep", "--densities", "5,few"], "--densities must be numbers with commas between them"),
        (["--sweep", "--densities", "nan"], "--densities must be numbers with commas between them"),
        (["--sweep", "--batches", "1.5"], "--batches must be whole numbers"),
        (["--sweep", "--numerics", "chip"], "a sweep has the numerics int16, int8, float32"),
        (["--sweep", "--peers", "abacus"], "no peer's name has 'abacus' in it"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(arguments: list[str], message: str) -> None:
    """Before anything is measured."""
    done = CliRunner().invoke(app, ["bench", *arguments])
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith(message)
