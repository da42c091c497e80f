"""Where tasks are done: in this process, on all cores of this machine, or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from eie.errors import InputError, MissingExtra
from eie.explore.task import Task
from eie.support.processor import cores

__all__ = ["done"]

Rows = list[dict[str, Any]]
CONNECT_S = 10


def done(tasks: Sequence[Task], workers: int | None, scheduler: str | None) -> Iterator[Rows]:
    """Give each task's rows as it is finished, in no order.

    `workers` processes on this machine, by default one per core; or, where `scheduler` is an address, its Dask cluster.
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
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(task.rows) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise InputError(
                "a process of the sweep was ended from outside, perhaps for want of memory; the runs done "
                "are kept, and "
                "the same command goes on (--workers 1 takes the least memory)"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _on_cluster(tasks: Sequence[Task], scheduler: str) -> Iterator[Rows]:
    """Submit every task; what a dying worker had is done again by another, as Dask does by itself."""
    try:
        import distributed
    except ImportError as error:
        raise MissingExtra("a sweep on a cluster", "distributed", "dask") from error
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
            raise InputError(
                f"the Dask cluster at {scheduler} gave up ({type(error).__name__}); the runs done are kept, "
                f"and the same "
                "command goes on"
            ) from error


def _rows(task: Task) -> Rows:
    return task.rows()
