"""Every writing command on a full disk, in a folder that takes nothing, and with a folder in its file's place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import eie
from faults.children import assert_one_sentence, run_eie
from networks import image_network

SPACE = """
name = "small"
[[generated_layers]]
name = "tiny"
inputs = 40
outputs = 30
weight_density = 0.3
activation_density = 0.5
[parameters]
n_pe = [1, 2, 4]
"""
RECIPE = """
[train]
epochs = 1
[prune]
epochs = 1
"""
# What each writes, by its arguments.
COMMANDS = {
    "run -o": ("out.npy", ["run", "fc.safetensors", "x.npy", "-o", "{out}"]),
    "simulate --trace json": ("trace.json", ["simulate", "fc.safetensors", "x.npy", "--trace", "{out}"]),
    "simulate --trace vcd": ("trace.vcd", ["simulate", "fc.safetensors", "x.npy", "--trace", "{out}"]),
    "simulate --trace fst": ("trace.fst", ["simulate", "fc.safetensors", "x.npy", "--trace", "{out}"]),
    "simulate --timeline": ("time.html", ["simulate", "fc.safetensors", "x.npy", "--timeline", "{out}"]),
    "export npz": ("out.npz", ["export", "model.safetensors", "{out}"]),
    "export safetensors": ("out.safetensors", ["export", "model.safetensors", "{out}"]),
    "export pt": ("out.pt", ["export", "model.safetensors", "{out}"]),
    "export onnx": ("out.onnx", ["export", "plain.safetensors", "{out}"]),
    "export net": ("out.net", ["export", "fc.safetensors", "{out}"]),
    "compress": ("new.safetensors", ["compress", "weights.npz", "-o", "{out}"]),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of what the commands read."""
    rng = np.random.default_rng(1)
    eie.save(image_network(), tmp_path / "model.safetensors")
    eie.save(image_network(winograd=False), tmp_path / "plain.safetensors")
    codes = np.where(rng.random((60, 40)) < 0.3, rng.integers(1, 16, (60, 40)), 0)
    eie.save(eie.Layer("fc", eie.encode(codes, np.linspace(0, 1, 16), n_pe=4)), tmp_path / "fc.safetensors")
    np.save(tmp_path / "x.npy", rng.normal(size=40))
    weights = {f"fc{n}.weight": rng.normal(size=(64, 64)).astype(np.float32) for n in range(3)}
    np.savez(tmp_path / "weights.npz", **weights)
    (tmp_path / "space.toml").write_text(SPACE)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "results").mkdir()
    return tmp_path


def arguments(command: str, folder: Path) -> tuple[Path, list[str]]:
    """Return what the command writes, and its arguments."""
    name, words = COMMANDS[command]
    out = folder / "results" / name
    return out, [word.format(out=out) for word in words]


QUICK = ("simulate --trace fst", "compress")


@pytest.mark.parametrize(
    "command", [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in COMMANDS]
)
def test_a_full_disk_a_folder_that_takes_nothing_and_a_folder_in_the_way(folder: Path, command: str) -> None:
    """One sentence and exit code 2 each time; what was there before stays, and nothing else is left behind."""
    out, words = arguments(command, folder)
    out.write_bytes(b"before")
    for faults in ({"FULL_AFTER": 100}, {"READ_ONLY": folder / "results"}):
        assert_one_sentence(run_eie(words, folder, **faults), f"cannot write {out}: ")
        assert out.read_bytes() == b"before"
        assert list(out.parent.iterdir()) == [out]
    out.unlink()
    out.mkdir()
    assert_one_sentence(run_eie(words, folder), f"cannot write {out}: it is a folder")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["simulate --trace fst", "export pt", "compress", "simulate --trace vcd"])
def test_a_disk_that_fills_up_anywhere(folder: Path, command: str) -> None:
    """At every eighth of the file: never a part of one, and never exit code 0 without it."""
    out, words = arguments(command, folder)
    assert run_eie(words, folder).returncode == 0
    whole = out.read_bytes()
    out.unlink()
    for eighth in range(8):
        no_temporary = command == "compress" and eighth == 0
        said = "needs a folder for temporary files" if no_temporary else f"cannot write {out}: "
        assert_one_sentence(run_eie(words, folder, FULL_AFTER=len(whole) * eighth // 8), said)
        assert not list(out.parent.iterdir())


def test_a_sweep_on_a_full_disk_goes_on(folder: Path) -> None:
    """It ends in a sentence, leaves no half of a line, and the same command ends as if nothing had happened."""
    words = ["explore", "space.toml", "--workers", "1", "--out", "results/sweep"]
    journal = folder / "results" / "sweep" / "runs.jsonl"
    for full_after in (0, 50, 700, 1200):
        assert_one_sentence(run_eie(words, folder, FULL_AFTER=full_after), "cannot write results/sweep/runs.jsonl: ")
        assert not journal.exists() or journal.read_bytes()[-1:] in (b"", b"\n")
    assert run_eie(words, folder).returncode == 0
    assert run_eie([*words[:-1], "results/fresh"], folder).returncode == 0
    found, fresh = ((folder / "results" / name / "runs.csv").read_bytes() for name in ("sweep", "fresh"))
    assert found == fresh


def test_a_sweep_where_nothing_can_be_written(folder: Path) -> None:
    """A folder that takes nothing, and a file in the folder's place."""
    words = ["explore", "space.toml", "--workers", "1", "--out", "results/sweep"]
    assert_one_sentence(run_eie(words, folder, READ_ONLY=folder / "results"), "cannot make the folder results/sweep: ")
    (folder / "results" / "sweep").write_text("")
    assert_one_sentence(run_eie(words, folder), "cannot make the folder results/sweep: File exists")


def test_checkpoints_where_nothing_can_be_written(folder: Path) -> None:
    """A folder of checkpoints that takes nothing is a sentence, before anything is trained."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 64)).astype(np.float32), rng.integers(0, 10, 40)
    np.savez(folder / "data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    words = ["compress", "weights.npz", "--data", "data.npz", "--recipe", "recipe.toml", "-o", "new.safetensors"]
    words += ["--checkpoints", "results/kept"]
    said = run_eie(words, folder, READ_ONLY=folder / "results")
    assert_one_sentence(said, "cannot use the checkpoints' folder results/kept: ")


def test_little_memory_while_loading(folder: Path) -> None:
    """A limit on addresses that the file does not fit is a sentence."""
    codes = np.ones((1000, 20_000), np.uint8)
    eie.save(eie.Layer("fc", eie.encode(codes, [0, 1], n_pe=4)), folder / "large.safetensors", packed=True)
    program = """
import resource, eie
load, InputError = eie.load, eie.InputError  # imported before memory is short
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + {spare}
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    load("large.safetensors")
except InputError as error:
    print(error)
"""
    for spare in (10, 30, 60, 90):
        done = subprocess.run(
            [sys.executable, "-c", program.format(spare=spare * 10**6)], cwd=folder, capture_output=True, text=True
        )
        assert (done.stdout, done.stderr) == ("large.safetensors: there is not enough memory to load it\n", "")
