"""`eie compress`, `inspect`, `sensitivity`, `export` and `import dotnet` as a user meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import eie
from cli.test_commands import refusal, run
from data_sets import DataSet

MODEL = """
from torch import nn
def mlp():
    return nn.Sequential(nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 10))
"""
RECIPE = """
name = "small"
[train]
epochs = {epochs}
learning_rate = 1e-2
[prune]
epochs = 10
density = 0.25
learning_rate = 1e-2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "recipe.toml").write_text(RECIPE.format(epochs=8))
    return tmp_path


def test_compress_inspect_export(folder: Path) -> None:
    """A model comes out smaller, says what it takes, and another tool's file of it has the same weights."""
    out = folder / "small.safetensors"
    recipe = ("--recipe", folder / "recipe.toml")
    done = run("compress", f"{folder / 'model.py'}:mlp", "--data", "digits", *recipe, "-o", out, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["file_bytes"] == out.stat().st_size
    assert report["ratio"] > 4
    assert [stage["name"] for stage in report["stages"]] == ["dense", "pruned", "shared"]
    assert set(report["test_accuracy"]) == {"float32", "int16", "int8", "chip"}
    assert min(report["test_accuracy"].values()) > 0.8
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == [
        "model.py",
        "recipe.toml",
        "small.safetensors",
    ]
    inspected = json.loads(run("inspect", out, "--json", "--pes", "4").stdout)
    assert inspected["total"]["weights"] == 64 * 40 + 40 * 10
    assert inspected["total"]["kept_percent"] == pytest.approx(25, abs=0.1)
    assert all(requirement["fits"] for requirement in inspected["capacity"])
    assert "index bits" in run("inspect", out).stdout
    assert run("export", out, folder / "small.npz").returncode == 0
    with np.load(folder / "small.npz") as arrays:
        assert np.array_equal(arrays["0.weight"], eie.load(out).layers[0].matrix.dense())
    assert run("export", out, folder / "small.net").returncode == 0
    assert run("export", out, folder / "small.onnx").returncode == 0


def test_without_data(folder: Path) -> None:
    """Weights that are pruned already are shared and encoded as they are, without a word in a recipe."""
    rng = np.random.default_rng(1)
    pruned = np.where(rng.random((30, 20)) < 0.2, rng.normal(size=(30, 20)), 0).astype(np.float32)
    np.savez(folder / "weights.npz", **{"fc.weight": pruned, "fc.bias": np.zeros(30, np.float32)})
    out = folder / "fc.safetensors"
    done = run("compress", folder / "weights.npz", "-o", out)
    assert done.returncode == 0, done.stderr
    assert "nothing is pruned" not in done.stderr
    (layer,) = eie.load(out).layers
    assert layer.matrix.nnz == np.count_nonzero(pruned)
    assert np.abs(layer.matrix.dense() - pruned).max() < 0.3


def test_evaluate_and_bench(folder: Path) -> None:
    """How often a file is right in every numerics, and its times beside the peers with a verdict."""
    rng = np.random.default_rng(0)
    weights = np.where(rng.random((10, 64)) < 0.3, rng.normal(size=(10, 64)), 0)
    layer = eie.Layer("fc", eie.encode(*eie.share(weights)))
    x = rng.random((30, 64)).astype(np.float32)
    network = eie.calibrate(layer, x)
    eie.save(network, folder / "fc.safetensors")
    labels = eie.InferenceSession(network, numerics="float32").run(x).argmax(axis=1)
    labels[:3] = (labels[:3] + 1) % 10
    np.savez(folder / "data.npz", x_train=x, y_train=labels, x_test=x, y_test=labels)
    done = run("evaluate", folder / "fc.safetensors", "--data", folder / "data.npz", "--seconds", "0.05", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert list(report["accuracy"]) == ["float32", "int16", "int8", "chip"]
    assert report["accuracy"]["float32"] == pytest.approx(0.9)
    assert min(report["accuracy"].values()) > 0.7
    assert len(report["verdict"]) >= 1
    done = run("bench", folder / "fc.safetensors", "--batch", "3", "--seconds", "0.05")
    assert done.returncode == 0, done.stderr
    assert "fc, 3 input(s) a call, 1 thread(s), measured here in turns" in done.stdout
    assert "eie int8" in done.stdout
    np.savez(folder / "data.npz", x_train=x, y_train=labels, x_test=x, y_test=labels + 5)
    sentence = refusal("evaluate", folder / "fc.safetensors", "--data", folder / "data.npz")
    assert sentence == (
        f"the data have the label {labels.max() + 5}, but {folder / 'fc.safetensors'} has 10 outputs, from 0"
    )


def test_labels_beyond_the_outputs(folder: Path) -> None:
    """They are refused before anything is trained or made."""
    x = np.zeros((20, 64), np.float32)
    np.savez(folder / "data.npz", x_train=x, y_train=np.arange(20), x_test=x, y_test=np.arange(20))
    before = sorted(folder.iterdir())
    out = folder / "out.safetensors"
    factory = f"{folder / 'model.py'}:mlp"
    sentence = refusal("compress", factory, "--data", folder / "data.npz", "-o", out)
    assert sentence == "the data have the label 19, but the model has 10 outputs, from 0"
    assert sorted(one for one in folder.iterdir() if one.name != "__pycache__") == before
    done = run("compress", factory, "-o", out)
    assert done.returncode == 0, done.stderr
    assert "note: nothing is pruned, since the weights have no zeros and the recipe gives no density" in done.stderr


def test_sensitivity(folder: Path) -> None:
    """A row per density, a column per layer, and the chart."""
    chart = folder / "chart.svg"
    done = run(
        *("sensitivity", f"{folder / 'model.py'}:mlp", "--data", "digits"),
        *("--recipe", folder / "recipe.toml", "-o", chart, "--json"),
    )
    assert done.returncode == 0, done.stderr
    points = json.loads(done.stdout)["points"]
    assert {point["layer"] for point in points} == {"0", "2"}
    whole = {point["accuracy"] for point in points if point["density"] == 1}
    assert len(whole) == 1
    assert min(point["accuracy"] for point in points) < max(whole)
    assert chart.read_text().startswith("<svg")


def test_an_interrupt_is_gone_on_from(folder: Path) -> None:
    """Ctrl-C is one sentence and leaves no model; the same command then ends well."""
    (folder / "recipe.toml").write_text(RECIPE.format(epochs=40))
    command = [sys.executable, "-c", "from eie.cli import main; main()", "compress", "model.py:mlp", "--data", "digits"]
    command += ["--recipe", "recipe.toml", "-o", "small.safetensors"]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    checkpoint = folder / "small.safetensors.checkpoints" / "train.pt"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith("eie: interrupted after epoch ")
    assert last.endswith(" of 40 of train: begun again, it goes on from small.safetensors.checkpoints/train.pt")
    assert not (folder / "small.safetensors").exists()
    assert checkpoint.exists()
    again = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert again.returncode == 0, again.stderr
    assert "going on from" in again.stderr
    assert (folder / "small.safetensors").exists()
    assert not checkpoint.parent.exists()


def test_dotnet(data_set: DataSet, tmp_path: Path) -> None:
    """SqueezeNet's file, its sizes layer by layer, its weights expanded."""
    path = data_set("squeezenet") / "compressed_SqueezeNet.net"
    done = run("import", "dotnet", path, "-o", tmp_path / "squeezenet.npz", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["file_bytes"] == 675_763
    assert len(report["layers"]) == 26
    with np.load(tmp_path / "squeezenet.npz") as arrays:
        assert arrays["fire9/expand3x3.weight"].shape == (256, 64, 3, 3)
        assert np.count_nonzero(arrays["conv10.weight"]) <= 0.2 * 512_000


def test_refusals(folder: Path) -> None:
    """Each is one sentence and exit code 2, and writes nothing."""
    model, out = f"{folder / 'model.py'}:mlp", folder / "small.safetensors"
    (folder / "wrong.toml").write_text("[prune]\ndensity = 0\n")
    (folder / "layer.toml").write_text("[layers.3]\ndensity = 0.1\n")
    assert refusal("compress", model, "-o", folder / "small.onnx") == (
        "the name of a model file must end in .safetensors, not small.onnx"
    )
    assert refusal("compress", model, "-o", folder / "no" / "small.safetensors") == (
        f"cannot write {folder / 'no' / 'small.safetensors'}: the folder {folder / 'no'} does not exist"
    )
    assert refusal("compress", model, "-o", out, "--recipe", folder / "wrong.toml") == (
        f"recipe {folder / 'wrong.toml'}: prune.density is 0: input should be greater than 0"
    )
    assert refusal("compress", model, "-o", out, "--recipe", folder / "layer.toml") == (
        "the recipe has a layer '3' and the model has none of that name; its layers are 0, 2"
    )
    assert refusal("compress", model, "-o", out, "--data", folder / "none.npz") == (
        f"data {folder / 'none.npz'} does not exist"
    )
    assert refusal("import", "dotnet", folder / "model.py").startswith(
        f"{folder / 'model.py'} is not a .net file of this layout: it ends at byte "
    )
    assert not out.exists()
