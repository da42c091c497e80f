"""A sweep on a Dask cluster, whose scheduler and workers are processes of their own."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import pytest

from eie.errors import InputError, Interrupted, WorkerLost
from eie.explore import Space, explore

SPACE = Space(
    name="cluster",
    layers=("NT-LSTM", "NT-We", "Alex-8"),
    parameters={"n_pe": (8, 16, 32, 64), "queue_depth": (2, 4, 8)},
)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and then two workers, each its own process; whatever lives at the end is stopped."""
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
        yield address, started
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path) -> None:
    """One of two workers is killed in the middle; the other does its runs again, and the table is the local one."""
    address, processes = cluster
    _await_workers(address, 2)
    killed = []

    def kill_one(finished: int, runs: int) -> None:
        if 0 < finished < runs and not killed:
            processes[1].send_signal(signal.SIGKILL)
            killed.append(finished)

    table = explore(SPACE, tmp_path / "cluster", scheduler=address, progress=kill_one)
    assert killed
    assert killed[0] < table.height
    assert processes[1].wait(timeout=10) == -signal.SIGKILL
    assert table.equals(explore(SPACE, tmp_path / "local", workers=1))


@pytest.mark.slow
def test_a_scheduler_that_dies_is_one_sentence_and_keeps_what_is_done(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    """The journal has the runs that came back; going on locally gives the whole table."""
    address, processes = cluster
    _await_workers(address, 2)
    scheduler_gone = []

    def kill_all(finished: int, runs: int) -> None:
        if 0 < finished < runs and not scheduler_gone:
            scheduler_gone.append(finished)
            for process in processes:
                process.kill()

    with pytest.raises(WorkerLost) as error:
        explore(SPACE, tmp_path / "out", scheduler=address, progress=kill_all)
    assert str(error.value).startswith(f"the Dask cluster at {address} gave up (")
    seen: list[int] = []
    table = explore(SPACE, tmp_path / "out", workers=1, progress=lambda finished, _runs: seen.append(finished))
    assert seen[0] >= scheduler_gone[0]
    assert table.height == len(SPACE.runs())


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


def test_a_process_that_dies_is_one_sentence_and_keeps_what_is_done(tmp_path: Path) -> None:
    """On this machine as well: what came back is in the journal."""

    def kill_children(finished: int, runs: int) -> None:
        if 0 < finished < runs:
            for child in multiprocessing.active_children():
                child.kill()

    with pytest.raises(WorkerLost, match=r"^a process of the sweep was ended from outside"):
        explore(SPACE, tmp_path, workers=2, progress=kill_children)
    seen: list[int] = []
    assert explore(SPACE, tmp_path, workers=1, progress=lambda done, _runs: seen.append(done)).height == 36
    assert seen[0] > 0


def test_an_interrupt_waits_until_all_processes_have_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread takes the signal, blocked only in this one; no process is left half begun."""
    submit, submitted = ProcessPoolExecutor.submit, []

    def interrupted_submit(*arguments: object) -> Future[object]:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        submitted.append(submit(*arguments))
        return submitted[-1]

    monkeypatch.setattr(ProcessPoolExecutor, "submit", interrupted_submit)
    stop = threading.Event()
    threading.Thread(target=stop.wait, daemon=True).start()
    try:
        with pytest.raises(Interrupted, match="interrupted after 0 of 36 runs"):
            explore(SPACE, tmp_path / "out", workers=2)
    finally:
        stop.set()
    assert len(submitted) == len(SPACE.layers) * 4
    ends = time.monotonic() + 10
    for process in multiprocessing.active_children():
        while process.exitcode is None and time.monotonic() < ends:
            time.sleep(
                0.01
            )  # not join: where the pool's thread has reaped it already, that returns without the exit code
        assert process.exitcode is not None
