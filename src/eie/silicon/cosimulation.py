"""Co-simulation: the RTL and the stepped simulator run the same network, and every cycle of theirs is compared.

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

from eie.chip.hardware import Hardware
from eie.chip.simulation import chip_run
from eie.chip.stepped import Chip
from eie.chip.stepped.unit import Wires
from eie.errors import ToolError
from eie.model.network import Layer, Network
from eie.model.numerics import Integers, saturate, wrap
from eie.model.reference import formats_of
from eie.silicon.parameters import Parameters
from eie.silicon.program import SOURCE, SRAM, HostProgram
from eie.silicon.record import COMPARED, record_of, record_type, unit_of
from eie.silicon.verilated import build

__all__ = ["Difference", "Verification", "host_program", "verify"]

MORE_CYCLES = 1000  # that a chip with a fault may take, beyond twice the stepped simulator's


@dataclass(frozen=True)
class Difference:
    """The first place where the RTL parts from the stepped simulator."""

    cycle: int
    unit: str
    signal: str
    pe: int | None
    rtl: int
    stepped: int

    def __str__(self) -> str:
        """Say it in words."""
        where = "" if self.pe is None else f" of PE {self.pe}"
        return (
            f"cycle {self.cycle}: {self.signal}{where} (unit {self.unit}) is {self.rtl} in the RTL "
            f"and {self.stepped} in the stepped simulator"
        )


@dataclass(frozen=True, eq=False)
class Verification:
    """What the two did: cycles of both; the first difference or None; outputs that differ; and how fast each was."""

    parameters: Parameters
    cycles: int
    rtl_cycles: int
    difference: Difference | None
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


def verify(network: Network, inputs: npt.ArrayLike, hardware: Hardware, cache: Path | None = None) -> Verification:
    """Run `network` on one input vector of floats in both, and compare outputs and every cycle.

    Where an assertion of the RTL fails, it is run again without them, so that the first difference is found. Raises
    ToolError where a tool is missing or fails; with `hardware.strict`, InputError where the memories are too small.
    """
    network, activations = chip_run(network, inputs, hardware)
    parameters = Parameters.of(hardware, network)

    started = time.perf_counter()
    program = build(parameters, cache)
    build_s = time.perf_counter() - started

    record, sizes = record_type(hardware.n_pe), parameters.signal_sizes()
    cycles: list[np.ndarray] = []

    def observe(cycle: int, wires: Wires) -> None:
        cycles.append(record_of(wires, record, sizes))

    started = time.perf_counter()
    stepped = Chip(hardware).run(network, activations, observe)
    stepped_s = time.perf_counter() - started

    host = host_program(parameters, network, activations, [layer.outputs for layer in stepped])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "program").write_bytes(host.to_bytes())
        command = [program, *(Path(folder) / name for name in ("program", "trace", "sums"))]
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
    trace = trace[trace["complete"] == 0]  # the completing cycle belongs to what comes next

    expected = np.concatenate([layer.outputs for layer in stepped])
    sums = np.pad(sums, (0, len(expected) - len(sums)))  # a fault may have kept it from coming to the last
    ends = np.cumsum([layer.outputs for layer in network.chain()])
    found = np.concatenate(
        [_outputs(part, layer) for part, layer in zip(np.split(sums, ends[:-1]), network.chain(), strict=True)]
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
    """Run the chip; return what it said where it did not end well, or nothing."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr or done.stdout or f"exit code {done.returncode}"


def host_program(
    parameters: Parameters, network: Network, activations: Integers, results: list[Integers]
) -> HostProgram:
    """Return what the host does to run the network.

    Where a vector does not stay in the register files, the host carries it to the activation SRAM: `results` has it.
    """
    host = HostProgram(parameters)
    registers = parameters.register_entries * parameters.n_pe
    source, relu, in_source = 0, False, False
    for layer, result in zip(network.chain(), results, strict=True):
        host.write_layer(layer)
        rows = host.rows_of(activations)
        bias = host.bias_of(layer)
        if layer.inputs > registers:
            host.write_activations(SRAM, rows & ((1 << parameters.value_bits) - 1))
        for number, block in enumerate(layer.matrix.row_blocks(registers)):
            host.write_flags(relu=relu, source=source)
            host.write_pass(block, bias[number * registers :][: block.outputs])
            for first in range(0, layer.inputs, registers):
                word = first // parameters.n_pe
                batch = rows[word : word + parameters.register_entries]
                if first == 0 and (not in_source or layer.inputs > registers):
                    relu = False
                    host.write_activations(SOURCE, batch)
                elif first > 0:
                    relu = False
                host.scan(len(batch), first, word, relu=relu, source=source, load=first > 0)
            host.read(block.outputs)
        activations = result
        in_source = layer.outputs <= registers
        if in_source:
            source, relu = 1 - source, layer.relu
    return host


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


def _outputs(sums: Integers, layer: Layer) -> Integers:
    """Return what the host makes of the sums it reads: saturated values, after ReLU."""
    values = saturate(sums, formats_of(layer).value_bits)
    return np.maximum(values, 0) if layer.relu else values
