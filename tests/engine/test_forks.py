"""Sessions in forked and spawned children, which find memory and locks as the parent's threads left them."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from eie.engine import InferenceSession
from eie.model.network import Network
from engine.layers import random_inputs, random_network

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

PATIENCE = 30  # seconds after which a child is taken to hang


def prepared(threads: int) -> tuple[Network, InferenceSession, np.ndarray, np.ndarray]:
    """Return a network, a session that has run, its inputs and its outputs."""
    rng = np.random.default_rng(1)
    network = random_network(rng, (300, 257, 130, 10))
    session = InferenceSession(network, threads=threads)
    inputs = random_inputs(rng, 5, 300)
    return network, session, inputs, session.run(inputs)


def status_of_child(work: Callable[[], bool]) -> int:
    """Return the exit status of a forked child: 0 where `work` is true, minus the signal where it was killed."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_child_runs_a_parents_session(threads: int) -> None:
    """The same bits in the child, in its own child, and in the parent afterwards."""
    _, session, inputs, expected = prepared(threads)

    def same() -> bool:
        return all(np.array_equal(session.run(inputs), expected) for _ in range(3))

    assert status_of_child(same) == 0
    assert status_of_child(lambda: same() and status_of_child(same) == 0) == 0
    assert same()


@pytest.mark.parametrize("runs", [0, 2])
def test_a_child_destroys_a_parents_session(runs: int) -> None:
    """A session that ran before the fork goes in the child, used there or not, and new ones can be made."""
    network, session, inputs, expected = prepared(2)
    sessions = [session]
    del session

    def destroy() -> bool:
        for _ in range(runs):
            sessions[0].run(inputs)
        sessions.clear()
        return bool(np.array_equal(InferenceSession(network, threads=2).run(inputs), expected))

    assert status_of_child(destroy) == 0


def test_children_forked_while_threads_call() -> None:
    """Whatever the parent's threads are doing during the fork, a child can run, destroy and make sessions."""
    network, session, inputs, expected = prepared(2)
    stop = threading.Event()

    def call() -> None:
        out = np.empty_like(expected)
        while not stop.is_set():
            session.run(inputs, out=out)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()

    def work() -> bool:
        own = InferenceSession(network, threads=2)
        return all(np.array_equal(runner.run(inputs), expected) for runner in (session, own))

    try:
        statuses = [status_of_child(work) for _ in range(20)]
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    assert statuses == [0] * 20


_session: InferenceSession | None = None  # what a forked worker inherits and a spawned one makes


def make_session() -> None:
    global _session
    _session = _session or prepared(2)[1]


def run_in_worker(inputs: np.ndarray) -> np.ndarray:
    assert _session is not None
    return _session.run(inputs)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_pool_run_sessions(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a data loader's workers do: inherited where they fork, made there where they are spawned."""
    _, session, inputs, expected = prepared(2)
    monkeypatch.setattr(sys.modules[__name__], "_session", session)
    with multiprocessing.get_context(method).Pool(2, make_session) as pool:
        results = pool.map_async(run_in_worker, [inputs] * 6).get(timeout=PATIENCE * 2)
    assert all(np.array_equal(result, expected) for result in results)


def test_threads_that_the_system_refuses_are_done_without() -> None:
    """Where there is no memory for their stacks, a session runs with the threads that it gets."""
    program = """
import resource
import numpy as np
import eie
from eie.engine import InferenceSession
codes = np.ones((40, 30), np.uint8)
network = eie.Network((eie.Layer("one", eie.encode(codes, [0, 0.5])),))
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
session = InferenceSession(network, numerics="float32", threads=256)
print(session.run(np.ones(30, np.float32))[0])
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs a limit on address space")
    assert resource.getrlimit(resource.RLIMIT_AS)[1] == resource.RLIM_INFINITY
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (finished.returncode, finished.stdout) == (0, "15.0\n"), finished.stderr
