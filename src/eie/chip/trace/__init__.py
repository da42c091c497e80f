"""Traces of a simulation: events for Perfetto, signals for a waveform viewer, and a chart of PEs by cycles."""

from eie.chip.trace.chrome import event_count, write_chrome
from eie.chip.trace.fst import write_fst
from eie.chip.trace.states import Activity, State, Window, activity
from eie.chip.trace.timeline import timeline_chart, write_timeline
from eie.chip.trace.vcd import write_vcd

__all__ = [
    "Activity",
    "State",
    "Window",
    "activity",
    "event_count",
    "timeline_chart",
    "write_chrome",
    "write_fst",
    "write_timeline",
    "write_vcd",
]
