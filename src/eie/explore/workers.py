"""Where tasks are done: in this process, on all cores of this machine, or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from eie.errors import InputError, WorkerLost
from eie.explore.task import Task
from eie.support.extras import needed_for
from eie.support.processor import cores

__all__ = ["done"]

Rows = list[dict[str, Any]]
CONNECT_S = 10


def done(tasks: Sequence[Task], workers: int | None, scheduler: str | None) -> Generator[Rows]:
    """Give each task's rows as it is finished, in no order.

    `workers` processes on this machine, by default one per core; or, where `scheduler` is an address, its Dask cluster.
    Raises WorkerLost where a process ends before it answers. Closed early, as Ctrl-C does, it ends the processes.
    """
    if scheduler is not None:
        yield from _on_cluster(tasks, scheduler)
        return
    count = min(cores() if workers is None else workers, len(tasks))
    if count <= 1:
        for task in tasks:
            yield task.rows()
        return
    # Spawned, not forked: the parent may hold threads (BLAS, progress bar), and so it is the same on every system.
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            for future in as_completed(_submit(pool, tasks)):
                yield future.result()
        except BrokenProcessPool as error:
            raise WorkerLost(
                "a process of the sweep was ended from outside, perhaps for want of memory: the runs done are kept, "
                "and the same command goes on (--workers 1 takes the least memory)"
            ) from error
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, tasks: Sequence[Task]) -> list[Future[Rows]]:
    """Start the processes; they inherit the block of SIGINT, because Ctrl-C is for this process, which ends them."""
    with _held_back():
        return [pool.submit(task.rows) for task in tasks]


@contextmanager
def _held_back() -> Generator[None]:
    """Block SIGINT and hold it back until the end: where another thread takes it, Python interrupts the main one."""
    pressed: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    handled = before is not None and threading.current_thread() is threading.main_thread()
    if handled:
        signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if handled:
            signal.signal(signal.SIGINT, before)
    if pressed:
        signal.raise_signal(signal.SIGINT)


def _on_cluster(tasks: Sequence[Task], scheduler: str) -> Iterator[Rows]:
    """Submit every task; what a dying worker had is done again by another, as Dask does by itself."""
    with needed_for("a sweep on a cluster"):
        import distributed
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {scheduler} within {CONNECT_S} s") from error
    with client, client.as_current():
        futures = [client.submit(_rows, task, pure=False) for task in tasks]
        finished = distributed.as_completed(futures)  # type: ignore[no-untyped-call]
        try:
            for future in finished:
                yield future.result()
        except (OSError, distributed.KilledWorker, CancelledError) as error:
            raise WorkerLost(
                f"the Dask cluster at {scheduler} gave up ({type(error).__name__}): the runs done are kept, and the "
                "same command goes on"
            ) from error


def _rows(task: Task) -> Rows:
    return task.rows()
