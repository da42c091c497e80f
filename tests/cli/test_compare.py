"""`eie compare`, and `eie simulate` with several inputs and an external memory."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import eie
from eie.cli.commands import app
from eie.errors import InputError

rng = np.random.default_rng(3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A layer with its calibration, one input and five, and two designs."""
    codes = (rng.random((60, 80)) < 0.3) * rng.integers(1, 16, (60, 80))
    matrix = eie.encode(codes, np.concatenate(([0], rng.normal(size=15))), n_pe=4)
    inputs = np.maximum(rng.normal(size=(5, 80)), 0).astype(np.float32)
    eie.save(eie.calibrate(eie.Network((eie.Layer("fc", matrix),)), inputs), tmp_path / "fc.safetensors")
    np.save(tmp_path / "x.npy", inputs[0])
    np.save(tmp_path / "five.npy", inputs)
    (tmp_path / "shallow.toml").write_text('technology = "eie-paper-45nm"\n[hardware]\nqueue_depth = 2\n')
    (tmp_path / "wide.toml").write_text('technology = "eie-paper-45nm"\n[hardware]\nqueue_depth = 8\n')
    return tmp_path


def call(*arguments: object) -> str:
    """Standard output of a command that succeeds."""
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_two_designs_are_simulated_and_set_side_by_side(folder: Path) -> None:
    """Rows are what differs; the ratio is that of two simulations."""
    options = ("--model", folder / "fc.safetensors", "--inputs", folder / "x.npy")
    found = json.loads(call("compare", folder / "shallow.toml", folder / "wide.toml", *options, "--json"))
    rows = {row["name"]: row for row in found["rows"]}
    cycles = [
        eie.simulate(
            eie.load(folder / "fc.safetensors"), np.load(folder / "x.npy"), eie.Hardware(n_pe=4, queue_depth=q)
        )
        for q in (2, 8)
    ]
    assert (rows["cycles"]["a"], rows["cycles"]["b"]) == (cycles[0].cycles, cycles[1].cycles)
    assert rows["cycles"]["ratio"] == pytest.approx(cycles[1].cycles / cycles[0].cycles)
    assert (rows["hardware, queue_depth"]["a"], rows["hardware, queue_depth"]["b"]) == (2, 8)
    assert "layers, fc, counts, broadcasts" not in rows
    assert rows["cost, area_mm2"]["ratio"] > 1
    text = call("compare", folder / "shallow.toml", folder / "wide.toml", *options)
    assert "are the same in both; --all prints them." in text


def test_two_results_are_set_side_by_side(folder: Path) -> None:
    """What `--json` printed is a result; one compared with itself differs in nothing."""
    for name, depth in (("a", 2), ("b", 8)):
        text = call("simulate", folder / "fc.safetensors", folder / "x.npy", "--queue-depth", depth, "--json")
        (folder / f"{name}.json").write_text(text)
    found = json.loads(call("compare", folder / "a.json", folder / "b.json", "--json"))
    assert {"hardware, queue_depth", "cycles", "latency_us"} <= {row["name"] for row in found["rows"]}
    assert json.loads(call("compare", folder / "a.json", folder / "a.json", "--json"))["rows"] == []


def test_several_inputs_give_mean_spread_and_worst_case(folder: Path) -> None:
    """Each input by itself, then together."""
    network, inputs = eie.load(folder / "fc.safetensors"), np.load(folder / "five.npy")
    cycles = [eie.simulate(network, vector).cycles for vector in inputs]
    command = ("simulate", folder / "fc.safetensors", folder / "five.npy", "--technology", "eie-paper-45nm")
    found = json.loads(call(*command, "--json"))
    spread = found["spreads"]["cycles"]
    assert (found["inputs"], spread["least"], spread["most"]) == (5, min(cycles), max(cycles))
    assert spread["mean"] == pytest.approx(np.mean(cycles))
    assert spread["deviation"] == pytest.approx(np.std(cycles))
    assert spread["worst"] == int(np.argmax(cycles))
    assert "Simulated over 5 inputs" in call(*command)


def test_weights_that_do_not_fit_come_from_an_external_memory(folder: Path) -> None:
    """VGG-like sizes aside, a layer of too many inputs is streamed; one that fits is not."""
    wide = eie.encode((rng.random((4, 20_000)) < 0.1) * 3, np.arange(16) / 16, n_pe=4)
    eie.save(eie.Network((eie.Layer("wide", wide),)), folder / "wide.safetensors")
    np.save(folder / "many.npy", np.maximum(rng.normal(size=20_000), 0).astype(np.float32))
    command = ("simulate", folder / "wide.safetensors", folder / "many.npy", "--external-memory", "lpddr2")
    found = json.loads(call(*command, "--technology", "eie-paper-45nm", "--json"))
    memory = found["layers"][0]["external_memory"]
    assert (memory["name"], memory["bound_by"], memory["provenance"]) == ("lpddr2", "memory", "modelled")
    assert found["latency_us"] == pytest.approx(0.1 + memory["read_bytes"] / 4260)
    text = call(*command)
    assert "Modelled: weights in LPDDR2-1066" in text
    small = call("simulate", folder / "fc.safetensors", folder / "x.npy", "--external-memory", "lpddr2")
    assert "LPDDR2" not in small


@pytest.mark.parametrize(
    ("name", "text", "options", "sentence"),
    [
        ("d.toml", "[hardware]\nn_pes = 4\n", True, "d.toml: there is no parameter 'n_pes'"),
        ("d.toml", "[hardware]\nn_pe = 0\n", True, "d.toml: n_pe must be an integer from 1 to 1024, not 0"),
        ("d.toml", "", False, "d.toml needs a model and an input to run: give --model and --inputs"),
        ("d.json", "[1]", False, "is no JSON document of a command"),
        ("d.json", "{", False, "is not JSON"),
        ("d.txt", "", False, "is neither a design"),
        ("d.json", "{}", False, "have nothing in common to compare"),
    ],
)
def test_what_cannot_be_compared_is_refused(folder: Path, name: str, text: str, options: bool, sentence: str) -> None:
    """One sentence that names the file."""
    (folder / name).write_text(text)
    more = ["--model", folder / "fc.safetensors", "--inputs", folder / "x.npy"] if options else []
    with pytest.raises(InputError, match=sentence):
        call("compare", folder / name, folder / name, *more)
