"""Co-simulation: the RTL and the stepped simulator run the same network, and are compared in every cycle.

The stepped chip is the reference: its wires have the same names as the RTL's ports (`chip/stepped/signals.py`).
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eie.chip.stepped import Chip
from eie.chip.stepped import signals as tables
from eie.chip.stepped.signals import Direction
from eie.chip.stepped.unit import Wires
from eie.errors import ToolError
from eie.model.network import Network
from eie.model.numerics import wrap
from eie.program.arithmetic import read_out
from eie.program.hardware import Hardware
from eie.program.lowering import lower_run
from eie.silicon.host_words import host_words
from eie.silicon.parameters import Parameters
from eie.silicon.verilated import build

__all__ = ["COMPARED", "Difference", "Verification", "trace_type", "verify"]

_CHIP = ("complete", "computing", "load_enable", "found", "scan_finished", "any_full", "broadcast")
_PER_PE = ("take", "stage_valid", "entry_valid", "weight_valid", "row_read", "pipeline_busy", "write_valid")
# Compared only while their condition holds: otherwise their values have no effect.
_WHILE_BROADCAST = ("broadcast_column", "broadcast_value")
MORE_CYCLES = 1000  # added to twice the stepped simulator's cycles: the limit for a chip with a fault
COMPARED = (*_CHIP, *_WHILE_BROADCAST, "queue_count", *_PER_PE)


@dataclass(frozen=True)
class Difference:
    """The first signal in which the RTL differs from the stepped simulator."""

    cycle: int
    unit: str
    signal: str
    pe: int | None
    rtl: int
    stepped: int

    def __str__(self) -> str:
        """Return the difference as one sentence."""
        where = "" if self.pe is None else f" of PE {self.pe}"
        return (
            f"cycle {self.cycle}: {self.signal}{where} (unit {self.unit}) is {self.rtl} in the RTL "
            f"and {self.stepped} in the stepped simulator"
        )


@dataclass(frozen=True, eq=False)
class Verification:
    """The comparison: cycles of both, the first difference or None, outputs that differ, and seconds of each."""

    parameters: Parameters
    cycles: int
    rtl_cycles: int
    difference: Difference | None
    outputs: int
    differing_outputs: int
    build_s: float
    rtl_s: float
    stepped_s: float
    assertion: str  # the message of the RTL assertion that failed, or ""
    rtl_trace: np.ndarray = field(repr=False)  # every cycle's compared signals, of `trace_type`
    stepped_trace: np.ndarray = field(repr=False)

    @property
    def equal(self) -> bool:
        """Whether every compared signal of every cycle and every output is the same."""
        same = self.difference is None and self.differing_outputs == 0 and self.cycles == self.rtl_cycles
        return same and not self.assertion


def trace_type(n_pe: int) -> np.dtype[np.void]:
    """Return one cycle's record as the harness writes it."""
    return np.dtype(
        [
            *((name, "u1") for name in _CHIP),
            ("", "u1"),
            ("broadcast_column", "<u4"),
            ("broadcast_value", "<u4"),
            ("queue_count", "<u2", (n_pe,)),
            *((name, "u1", (n_pe,)) for name in _PER_PE),
        ]
    )


def verify(network: Network, inputs: npt.ArrayLike, hardware: Hardware, cache: Path | None = None) -> Verification:
    """Run `network` on one input vector of floats, (inputs,), in both, and compare all cycles and outputs.

    If an assertion of the RTL fails, the RTL runs again without assertions, to find the first difference. Raises
    ToolError when a tool is missing or fails, and InputError, with `hardware.strict`, when a memory is too small.
    """
    program, activations = lower_run(network, inputs, hardware)
    parameters = Parameters.of(program)

    started = time.perf_counter()
    chip = build(parameters, cache)
    build_s = time.perf_counter() - started

    record = trace_type(hardware.n_pe)
    cycles: list[np.ndarray] = []

    def observe(cycle: int, wires: Wires) -> None:
        cycles.append(_record(wires, record, parameters.value_bits))

    started = time.perf_counter()
    stepped = Chip(program.hardware).run(program, activations, observe)
    stepped_s = time.perf_counter() - started

    words = host_words(program, parameters, [activations, *(layer.outputs for layer in stepped[:-1])])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "program").write_bytes(words)
        command = [chip, *(Path(folder) / name for name in ("program", "trace", "sums"))]
        started = time.perf_counter()
        said = _stopped(command)
        rtl_s = time.perf_counter() - started
        assertion = next((line for line in said.splitlines() if "Assertion failed" in line), "")
        if assertion:
            said = _stopped([*command, str(2 * len(cycles) + MORE_CYCLES)])  # with a fault it may never complete
        if said:
            raise ToolError(f"the verilated chip stopped: {(assertion or said).strip()[-300:]}")
        trace = np.fromfile(Path(folder) / "trace", record)
        sums = wrap(np.fromfile(Path(folder) / "sums", "<u4"), parameters.accumulator_bits)
    trace = trace[trace["complete"] == 0]  # the completing cycle is cycle 0 of the next scan

    expected = np.concatenate([layer.outputs for layer in stepped])
    sums = np.pad(sums, (0, len(expected) - len(sums)))  # with a fault, it may have stopped before the last
    ends = np.cumsum([len(layer.outputs) for layer in stepped])
    found = np.concatenate(
        [
            read_out(layer.outputs(part), layer.constants.formats, layer.layer.relu)
            for part, layer in zip(np.split(sums, ends[:-1]), program.layers, strict=True)
        ]
    )
    reference = np.concatenate(cycles)
    return Verification(
        parameters=parameters,
        cycles=len(reference),
        rtl_cycles=len(trace),
        difference=_first_difference(trace, reference),
        outputs=len(expected),
        differing_outputs=int(np.count_nonzero(found != expected)),
        build_s=build_s,
        rtl_s=rtl_s,
        stepped_s=stepped_s,
        assertion=assertion.partition(": Assertion failed in ")[2] or assertion,
        rtl_trace=trace,
        stepped_trace=reference,
    )


def _stopped(command: Sequence[str | Path]) -> str:
    """Run the chip; return its error output if it failed, or ""."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr or done.stdout or f"exit code {done.returncode}"


def _record(wires: Wires, record: np.dtype[np.void], value_bits: int) -> np.ndarray:
    """Return the stepped chip's wires of one cycle as the RTL's record."""
    row = np.zeros(1, record)
    for name in (*_CHIP, "queue_count", *_PER_PE):
        row[name] = wires[name]
    if wires["broadcast"]:
        row["broadcast_column"] = wires["broadcast_column"]
        row["broadcast_value"] = wires["broadcast_value"] & ((1 << value_bits) - 1)
    return row


def _first_difference(trace: np.ndarray, stepped: np.ndarray) -> Difference | None:
    """Return the first cycle in which a compared signal differs, and in it the first signal and PE."""
    both = min(len(trace), len(stepped))
    first: tuple[int, int] | None = None
    for number, name in enumerate(COMPARED):
        apart = trace[name][:both] != stepped[name][:both]
        if name in _WHILE_BROADCAST:
            apart &= stepped["broadcast"][:both] != 0
        cycles = np.flatnonzero(apart.reshape(both, -1).any(axis=1))
        if len(cycles) and (first is None or int(cycles[0]) < first[0]):
            first = int(cycles[0]), number
    if first is None:
        return None
    cycle, name = first[0], COMPARED[first[1]]
    rtl, expected = np.atleast_1d(trace[name][cycle]), np.atleast_1d(stepped[name][cycle])
    place = int(np.flatnonzero(rtl != expected)[0])
    return Difference(
        cycle, _unit_of(name), name, place if len(rtl) > 1 else None, int(rtl[place]), int(expected[place])
    )


def _unit_of(signal: str) -> str:
    for table in ("CCU", "LNZD", "ACT_QUEUE", "PTR_READ", "SPMAT_READ", "ARITHM_UNIT", "ACT_RW"):
        if any(port.name == signal and port.direction is Direction.OUTPUT for port in getattr(tables, table)):
            return table.lower()
    raise KeyError(signal)
