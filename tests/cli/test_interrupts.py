"""Ctrl-C as a user presses it: SIGINT to every process of the command, one line on stderr, exit code 130."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

MAIN = [sys.executable, "-c", "from eie.cli import main; main()"]
DEPTHS = list(range(2, 42))  # so many that a slow machine, too, interrupts it before its end
SPACE = f"""name = "s"
layers = ["VGG-6", "VGG-7", "Alex-6"]
[parameters]
n_pe = [16, 32, 64]
queue_depth = {DEPTHS}
"""


def interrupted(command: list[str], cwd: Path, ready: Callable[[str], bool]) -> tuple[int, str, str]:
    """Run `command`, press Ctrl-C when `ready` says so of what is on stderr; return its exit code and output."""
    with (cwd / "stderr").open("w") as err, (cwd / "stdout").open("w") as out:
        process = subprocess.Popen(command, cwd=cwd, stdout=out, stderr=err, start_new_session=True, env=os.environ)
        deadline = time.monotonic() + 90
        while not ready((cwd / "stderr").read_text()) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(timeout=60)
    return code, (cwd / "stdout").read_text(), (cwd / "stderr").read_text()


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.4])
def test_while_it_starts(tmp_path: Path, seconds: float) -> None:
    """Whatever is being imported, there is no traceback."""
    begun = tmp_path / "begun"
    main = [sys.executable, "-c", f"from eie.cli import main; open({str(begun)!r}, 'w'); main()"]
    at: list[float] = []

    def ready(_err: str) -> bool:
        if begun.exists() and not at:
            at.append(time.monotonic() + seconds)
        return bool(at) and time.monotonic() >= at[0]

    code, _, err = interrupted([*main, "doctor"], tmp_path, ready)
    assert (code, err) == (130, "eie: interrupted\n")


@pytest.mark.parametrize("workers", [1, 2])
def test_in_a_sweep(tmp_path: Path, workers: int) -> None:
    """It says what is kept; its processes end with it and say nothing."""
    (tmp_path / "space.toml").write_text(SPACE)
    command = [*MAIN, "explore", "space.toml", "--out", "out", "--workers", str(workers)]
    journal = tmp_path / "out" / "runs.jsonl"
    code, out, err = interrupted(command, tmp_path, lambda _: journal.exists() and journal.read_text().count("\n") > 1)
    assert code == 130
    assert out == ""
    assert re.fullmatch(
        r"eie: interrupted after \d+ of 360 runs: what is done is kept in out, and the same command goes on from there",
        err.splitlines()[-1],
    )
    assert "Traceback" not in err


def test_while_scikit_learn_trains(tmp_path: Path) -> None:
    """scikit-learn ignores the interrupt; the demonstration stops nevertheless, and writes no report."""

    def ready(err: str) -> bool:
        if "training 64-300-100-10" not in err:
            return False
        time.sleep(0.3)  # well into it: all of it takes seconds
        return True

    code, out, err = interrupted([*MAIN, "demo"], tmp_path, ready)
    assert code == 130
    assert out == ""
    assert err.splitlines()[-1] == "eie: interrupted"
    assert "Traceback" not in err
    assert not (tmp_path / "report.html").exists()


def test_a_job_that_ignores_it_goes_on(tmp_path: Path) -> None:
    """A shell starts background jobs with SIGINT ignored, and so it stays."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen([*MAIN, "doctor"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGINT, before)
    for _ in range(5):
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
