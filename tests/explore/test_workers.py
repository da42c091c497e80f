"""A sweep on a Dask cluster, whose scheduler and workers are processes of their own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eie.errors import InputError
from eie.explore import Space, explore

SPACE = Space(
    name="cluster",
    layers=("NT-LSTM", "NT-We", "Alex-8"),
    parameters={"n_pe": (8, 16, 32, 64), "queue_depth": (2, 4, 8)},
)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, each its own process; whatever lives at the end is stopped."""
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"]
    worker = ["worker", address, "--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--no-nanny"]
    started = []
    try:
        for command in (scheduler, worker, worker):
            line = [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]]
            with open(tmp_path / f"{len(started)}.log", "wb") as log:
                started.append(subprocess.Popen(line, stdout=log, stderr=log, cwd=tmp_path, env=dict(os.environ)))
        yield address, started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path) -> None:
    """One of two workers is killed in the middle; the other does its runs again, and the table is the local one."""
    address, workers = cluster
    _await_workers(address, 2)
    killed = []

    def kill_one(finished: int, runs: int) -> None:
        if 0 < finished < runs and not killed:
            workers[0].send_signal(signal.SIGKILL)
            killed.append(finished)

    table = explore(SPACE, tmp_path / "cluster", scheduler=address, progress=kill_one)
    assert killed
    assert killed[0] < table.height
    assert workers[0].wait(timeout=10) == -signal.SIGKILL
    assert table.equals(explore(SPACE, tmp_path / "local", workers=1))


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is named, and how long was waited."""
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    monkeypatch.setattr("eie.explore.workers.CONNECT_S", 1)
    with pytest.raises(InputError) as error:
        explore(SPACE, tmp_path, scheduler="tcp://127.0.0.1:1")
    assert str(error.value) == "no Dask scheduler answers at tcp://127.0.0.1:1 within 1 s"


def _await_workers(address: str, count: int) -> None:
    import distributed

    deadline = time.monotonic() + 30
    while True:
        try:
            with distributed.Client(address, timeout=2, set_as_default=False) as client:
                client.wait_for_workers(count, timeout=30)
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
