"""What OpenROAD's reports say: violations, slacks, power, parasitics. A report that says nothing of it is an error."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

from eie.errors import ToolError

__all__ = [
    "broken_limits",
    "power_mw",
    "read_report",
    "route_violations",
    "skew_ns",
    "slack_ns",
    "wire_capacitances_ff",
]


def read_report(folder: Path, name: str) -> str:
    """Return the text of a report. Raises ToolError where OpenROAD has not written it."""
    try:
        return (folder / name).read_text()
    except OSError as error:
        raise ToolError(f"OpenROAD wrote no {name}: {error.strerror}") from error


def route_violations(report: str) -> dict[str, int]:
    """Return the violations of design rules of the router's report, by their kind; an empty report has none.

    Raises ToolError for text that is no such report.
    """
    found = Counter(kind.strip() for kind in re.findall(r"^\s*violation type:(.*)$", report, re.M))
    if report.strip() and not found:
        raise ToolError(f"OpenROAD's report of design rules is not understood: {report.strip()[:80]}")
    return dict(found)


def slack_ns(report: str, which: str) -> float:
    """Return the worst slack, in ns, of a report_worst_slack; `which` is max (setup) or min (hold).

    It is infinite where no path is checked. Raises ToolError where there is none.
    """
    found = re.search(rf"^worst slack(?: {which})? (-?[0-9.]+|INF|inf)\s*$", report, re.M)
    if found is None:
        raise ToolError(f"OpenROAD reported no {which} slack: {report.strip()[:80] or 'its report is empty'}")
    return math.inf if found.group(1).lower() == "inf" else float(found.group(1))


def skew_ns(report: str) -> float | None:
    """Return the setup skew of a report_clock_skew in ns; None where no two registers are compared."""
    found = re.search(r"^\s*(-?[0-9.]+) setup skew", report, re.M)
    return None if found is None else float(found.group(1))


def broken_limits(report: str) -> int:
    """Return how many pins break a limit of slew, capacitance or fanout, in a report_check_types of violators."""
    return len(re.findall(r"\(VIOLATED\)", report))


def power_mw(report: str) -> dict[str, float]:
    """Return the total of each group of a report_power, in mW: Sequential, Combinational, Clock, Macro, Pad, Total.

    Raises ToolError for text that is no such report.
    """
    number = r"([-+0-9.e]+)"
    rows = re.findall(rf"^(\w+)\s+{number}\s+{number}\s+{number}\s+{number}\s+[0-9.]+%\s*$", report, re.M)
    if "Total" not in {name for name, *_ in rows}:
        raise ToolError(f"OpenROAD reported no power: {report.strip()[:80] or 'its report is empty'}")
    return {name: 1e3 * float(total) for name, *_, total in rows}


def wire_capacitances_ff(spef: str) -> dict[str, float]:
    """Return each net's capacitance of wires, to ground and to others, in fF.

    Raises ToolError for text that is no SPEF or has another unit than 1 pF or 1 fF.
    """
    unit = re.search(r"^\*C_UNIT\s+([0-9.]+)\s+(PF|FF)\s*$", spef, re.M)
    if unit is None:
        raise ToolError("OpenROAD's parasitics have no unit of capacitance in pF or fF")
    scale = float(unit.group(1)) * (1e3 if unit.group(2) == "PF" else 1.0)
    listed = re.search(r"^\*NAME_MAP\n((?:\*\d+ \S+\n|\n)*)", spef, re.M)
    names = dict(re.findall(r"^(\*\d+) (\S+)$", listed.group(1), re.M)) if listed else {}
    return {
        names.get(net, net).replace("\\", ""): scale * float(value)
        for net, value in re.findall(r"^\*D_NET (\S+) (\S+)", spef, re.M)
    }
