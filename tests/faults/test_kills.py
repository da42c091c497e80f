"""A command killed at a random moment: given again it goes on, ends as if it had never stopped, and leaves no rest."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import eie
from eie.errors import EieError
from eie.explore import Space, explore
from faults.children import EIE, ONE_THREAD, run_eie

SPACE = """
name = "kills"
layers = ["NT-We", "NT-LSTM"]
[parameters]
n_pe = [4, 8, 16]
queue_depth = [2, 8]
"""
RECIPE = """
seed = 3
[train]
epochs = 4
[prune]
epochs = 4
[finetune]
epochs = 2
"""
COMMANDS = {
    "explore": (["explore", "space.toml", "--workers", "1", "--out", "out"], "out/runs.csv"),
    "compress": (["compress", "weights.npz", "--data", "data.npz", "--recipe", "recipe.toml", "-o", "out.safetensors"],
        "out.safetensors"),
    "export": (["export", "model.safetensors", "out.npz"], "out.npz"),
}  # fmt: skip
ALWAYS_THERE = ("model.safetensors", "weights.npz", "data.npz", "recipe.toml", "space.toml")


def prepare(folder: Path) -> Path:
    """Make a folder of what the commands read."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    codes = np.where(rng.random((400, 500)) < 0.3, rng.integers(1, 16, (400, 500)), 0)
    eie.save(eie.Layer("fc", eie.encode(codes, np.linspace(0, 1, 16))), folder / "model.safetensors")
    sizes = [64, 80, 10]
    weights = {f"fc{n}.weight": rng.normal(size=(b, a)) / 8 for n, (a, b) in enumerate(itertools.pairwise(sizes))}
    np.savez(folder / "weights.npz", **{name: array.astype(np.float32) for name, array in weights.items()})
    x, y = rng.normal(size=(600, 64)).astype(np.float32), rng.integers(0, 10, 600)
    np.savez(folder / "data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    (folder / "space.toml").write_text(SPACE)
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


def kill_after(command: list[str], folder: Path, seconds: float) -> bool:
    """Start the command, kill it after `seconds`, and return whether that came before its end."""
    process = subprocess.Popen(
        [*EIE, *command],
        cwd=folder,
        env=os.environ | ONE_THREAD,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def kill_and_go_on(name: str, folder: Path, kills: int, seed: int) -> None:
    """Kill a command `kills` times at moments spread over its whole run, then let it end; compare with a quiet run."""
    command, written = COMMANDS[name]
    quiet = prepare(folder / "quiet")
    began = time.monotonic()
    assert run_eie(command, quiet).returncode == 0
    whole_s = time.monotonic() - began
    numbers = random.Random(seed)
    disturbed = prepare(folder / "disturbed")
    left = kills
    while left:
        left -= 1
        if not kill_after(command, disturbed, numbers.uniform(0.2, 1.1) * whole_s) and (disturbed / written).exists():
            assert (disturbed / written).read_bytes() == (quiet / written).read_bytes()
            (disturbed / written).unlink()  # it had ended: begin anew
    done = run_eie(command, disturbed)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (disturbed / written).read_bytes() == (quiet / written).read_bytes()


@pytest.mark.parametrize(
    "name", [one if one == "explore" else pytest.param(one, marks=pytest.mark.slow) for one in COMMANDS]
)
def test_one_kill(name: str, tmp_path: Path) -> None:
    """The quick form."""
    kill_and_go_on(name, tmp_path, 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_several_kills(name: str, tmp_path: Path) -> None:
    """At five moments, or at as many as EIE_KILLS says."""
    kill_and_go_on(name, tmp_path, int(os.environ.get("EIE_KILLS", "5")), 2)


def test_a_worker_lost(tmp_path: Path) -> None:
    """A worker killed in the middle of a sweep is a sentence; the runs done are kept, and the sweep goes on."""
    space = Space(name="s", layers=("NT-We", "NT-LSTM", "NT-Wd"), parameters={"n_pe": (4, 8)})

    def kill(finished: int, runs: int) -> None:
        if finished == 1:
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            workers = [one for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]
            os.kill(int(workers[0]), signal.SIGKILL)

    with pytest.raises(EieError, match="was ended from outside, perhaps for want of memory: the runs done are kept"):
        explore(space, tmp_path, workers=2, progress=kill)
    kept: list[int] = []
    explore(space, tmp_path, workers=1, progress=lambda finished, runs: kept.append(finished))
    assert kept[0] >= 1
    assert kept[-1] == 6
