"""A trace for Perfetto and chrome://tracing: broadcasts, and per PE a track of states and its queue as a counter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from eie.chip.trace.states import Activity, State
from eie.support.output_files import atomic_write

__all__ = ["event_count", "write_chrome"]

_NAMES = {state: state.name.lower().replace("_", " ") for state in State}
_COLOURS = {  # of Chrome's own palette
    State.BUSY: "good",
    State.PADDING: "bad",
    State.EMPTY_COLUMN: "terrible",
    State.STARVED: "grey",
    State.DRAINED: "white",
}
BYTES_PER_EVENT = 110  # approximate; to print a trace's size before it is written


def event_count(activity: Activity) -> int:
    """Return the approximate number of events: runs of equal states, changes of the fullest queue, broadcasts."""
    runs = np.count_nonzero(np.diff(activity.states.astype(np.int8), axis=1)) + len(activity.pes)
    counters = np.count_nonzero(np.diff(activity.queue.astype(np.int32), axis=1))
    return int(runs + counters + len(activity.broadcasts))


def write_chrome(activity: Activity, path: Path) -> None:
    """Write the trace to `path`; a cycle lasts 1 / clock, and each event's arguments give its cycles."""
    us = 1 / activity.hardware.clock_mhz
    with atomic_write(path) as temporary, temporary.open("w") as file:
        file.write('{"displayTimeUnit": "ns", "traceEvents": [\n')
        for number, event in enumerate(_events(activity, us)):
            file.write((",\n" if number else "") + json.dumps(event, separators=(",", ":")))
        file.write("\n]}\n")


def _events(activity: Activity, us: float) -> Iterator[dict[str, Any]]:
    yield {"ph": "M", "pid": 0, "name": "process_name", "args": {"name": "EIE, simulated"}}
    yield {"ph": "M", "pid": 0, "tid": 0, "name": "thread_name", "args": {"name": "broadcasts"}}
    for begin, name in activity.layers:
        if begin in activity.cycles:
            yield {"ph": "i", "s": "g", "pid": 0, "tid": 0, "ts": begin * us, "name": f"layer {name}"}
    for cycle, column, value in activity.broadcasts.tolist():
        yield {
            "ph": "X",
            "pid": 0,
            "tid": 0,
            "ts": cycle * us,
            "dur": us,
            "name": f"input {column}",
            "args": {"cycle": cycle, "value": value},
        }
    for row, pe in enumerate(activity.pes):
        yield {"ph": "M", "pid": 0, "tid": pe + 1, "name": "thread_name", "args": {"name": f"PE {pe}"}}
        states = activity.states[row]
        begins = np.flatnonzero(np.diff(states.astype(np.int8), prepend=-1))
        ends = np.append(begins[1:], len(states))
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            state = State(int(states[begin]))
            cycle = activity.cycles.start + begin
            yield {
                "ph": "X",
                "pid": 0,
                "tid": pe + 1,
                "ts": cycle * us,
                "dur": (end - begin) * us,
                "name": _NAMES[state],
                "cname": _COLOURS[state],
                "args": {"cycle": cycle, "cycles": end - begin},
            }
        queue = activity.queue[row]
        for at in np.flatnonzero(np.diff(queue.astype(np.int32), prepend=-1)).tolist():
            yield {
                "ph": "C",
                "pid": 0,
                "ts": (activity.cycles.start + at) * us,
                "name": f"queue of PE {pe}",
                "args": {"entries": int(queue[at])},
            }
