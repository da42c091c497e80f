"""Co-simulation: the RTL and the stepped simulator run the same network, and are compared in every cycle.

The stepped chip is the reference: its wires have the same names as the RTL's ports (`chip/stepped/signals.py`).
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eie.chip.stepped import Chip
from eie.chip.stepped.unit import Wires
from eie.errors import ToolError
from eie.model.network import Network
from eie.model.numerics import wrap
from eie.program.arithmetic import read_out
from eie.program.hardware import Hardware
from eie.program.host import HostWords
from eie.program.lowering import lower_run
from eie.program.table import layer_table
from eie.silicon.host_words import counted, host_words, run_words, table_words
from eie.silicon.parameters import Parameters
from eie.silicon.record import COMPARED, record_of, record_type, unit_of
from eie.silicon.verilated import build

__all__ = ["Difference", "Verification", "verify"]

MORE_CYCLES = 1000  # that a chip with a fault may take, beyond twice the stepped simulator's


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
    host: HostWords  # counted in what was written to the RTL and read from it
    outputs: int
    differing_outputs: int
    build_s: float
    rtl_s: float
    stepped_s: float
    assertion: str  # what an assertion of the RTL said, or nothing
    rtl_trace: np.ndarray = field(repr=False)  # every cycle's compared signals, of `record_type`
    stepped_trace: np.ndarray = field(repr=False)

    @property
    def equal(self) -> bool:
        """Whether every compared signal of every cycle and every output is the same."""
        same = self.difference is None and self.differing_outputs == 0 and self.cycles == self.rtl_cycles
        return same and not self.assertion


def verify(
    network: Network, inputs: npt.ArrayLike, hardware: Hardware, cache: Path | None = None, *, table: bool = False
) -> Verification:
    """Run `network` on one input vector of floats, (inputs,), in both, and compare all cycles and outputs.

    With `table` it runs from the chip's table of layers: the host reads the last layer's outputs alone, and the cycles
    between layers are compared as well. Where an assertion of the RTL fails, it is run again without them, so that the
    first difference is found. Raises ToolError where a tool is missing or fails; with `hardware.strict`, InputError
    where the memories are too small.
    """
    program, activations = lower_run(network, inputs, hardware)
    laid = layer_table(program) if table else None
    parameters = Parameters.of(program, laid)

    started = time.perf_counter()
    chip = build(parameters, cache)
    build_s = time.perf_counter() - started

    record, sizes = record_type(hardware.n_pe), parameters.signal_sizes()
    cycles: list[np.ndarray] = []

    def observe(cycle: int, wires: Wires) -> None:
        cycles.append(record_of(wires, record, sizes))

    started = time.perf_counter()
    chip_stepped = Chip(program.hardware)
    if laid is None:
        layers = program.layers
        outputs = [layer.outputs for layer in chip_stepped.run(program, activations, observe)]
        words = host_words(program, parameters, [activations, *outputs[:-1]])
        host = counted(words, parameters)
    else:
        layers = program.layers[-1:]
        outputs = [chip_stepped.run_table(laid, activations, observe).outputs]
        loaded = table_words(laid, parameters)
        played = b"".join(some.tobytes() for some in run_words(laid, activations, parameters))
        words = b"".join(some.tobytes() for some in loaded) + played
        host = replace(counted(played, parameters), model=sum(map(len, loaded)))
    stepped_s = time.perf_counter() - started

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
    if laid is None:
        trace = trace[trace["complete"] == 0]  # the completing cycle is cycle 0 of the next scan
    else:
        trace = trace[: len(trace) - sum(step.rows + 1 for step in laid.read_back())]

    expected = np.concatenate(outputs)
    sums = np.pad(sums, (0, len(expected) - len(sums)))  # with a fault, it may have stopped before the last
    ends = np.cumsum([len(part) for part in outputs])
    found = np.concatenate(
        [
            read_out(layer.outputs(part), layer.constants.formats, layer.layer.relu)
            for part, layer in zip(np.split(sums, ends[:-1]), layers, strict=True)
        ]
    )
    reference = np.concatenate(cycles)
    return Verification(
        parameters=parameters,
        cycles=len(reference),
        rtl_cycles=len(trace),
        difference=_first_difference(trace, reference),
        host=host,
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


def _first_difference(trace: np.ndarray, stepped: np.ndarray) -> Difference | None:
    """Return the first cycle in which a compared signal differs, and in it the first signal and PE."""
    both = min(len(trace), len(stepped))
    first: tuple[int, str] | None = None
    for name, signal in COMPARED.items():
        apart = trace[name][:both] != stepped[name][:both]
        if signal.when:
            apart &= stepped[signal.when][:both] != 0
        cycles = np.flatnonzero(apart.reshape(both, -1).any(axis=1))
        if len(cycles) and (first is None or int(cycles[0]) < first[0]):
            first = int(cycles[0]), name
    if first is None:
        return None
    cycle, name = first
    rtl, expected = np.atleast_1d(trace[name][cycle]), np.atleast_1d(stepped[name][cycle])
    place = int(np.flatnonzero(rtl != expected)[0])
    return Difference(
        cycle, unit_of(name), name, place if len(rtl) > 1 else None, int(rtl[place]), int(expected[place])
    )
