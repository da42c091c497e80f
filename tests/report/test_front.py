"""The front of a sweep, drawn: every design a point, named by what differs, marked where it does not fit."""

import subprocess
import sys

import polars as pl

from eie.chip import Hardware
from eie.explore.space import HARDWARE, NAMED
from eie.report.front import front_chart

FRONT = pl.DataFrame(
    [
        {
            **{name: getattr(Hardware(n_pe=n_pe), name) for name in HARDWARE},
            **NAMED,
            **{"latency_us": 10.0 / n_pe, "energy_nj": 5.0, "area_mm2": float(n_pe), "slowest_memory_ns": 1.17},
            "fits": fits,
        }
        for n_pe, fits in ((16, True), (64, False))
    ]
)


def test_every_design_is_a_point_named_by_what_differs() -> None:
    """PEs differ, and are in the tooltip; the queue's depth does not, and is not."""
    spec = front_chart(FRONT).to_dict()
    (rows,) = spec["datasets"].values()
    assert [(row["n_pe"], row["fitting"]) for row in rows] == [(16, "fits"), (64, "does not fit")]
    fields = [one["field"] for one in spec["encoding"]["tooltip"]]
    assert fields[0] == "n_pe"
    assert "queue_depth" not in fields
    assert spec["encoding"]["shape"]["scale"] == {"domain": ["fits", "does not fit"], "range": ["circle", "cross"]}


def test_only_marks_that_are_drawn_are_in_the_legend() -> None:
    """Where all fit, nothing is said of what does not."""
    spec = front_chart(FRONT.filter("fits")).to_dict()
    assert spec["encoding"]["shape"]["scale"]["domain"] == ["fits"]


def test_the_report_needs_no_polars() -> None:
    """Only sweeps need it: the demo's install is without."""
    program = "import sys; sys.modules['polars'] = None; import eie.report"
    subprocess.run([sys.executable, "-c", program], check=True)
