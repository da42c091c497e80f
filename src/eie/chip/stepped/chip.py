"""The chip, unit by unit and cycle by cycle: the units wired together, and the host that loads and starts them.

It maps a network and an input to outputs, cycles and counts; an observer can read every signal in every cycle. The
tests compare its cycles with the recurrence (`chip/timing.py`) and its outputs with `program/arithmetic.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import numpy.typing as npt

from eie.chip.counts import Counts
from eie.chip.stepped.act_queue import ActQueue
from eie.chip.stepped.act_rw import ActRw
from eie.chip.stepped.arithm_unit import ArithmUnit
from eie.chip.stepped.ccu import Ccu
from eie.chip.stepped.credits import CreditCcu, CreditQueue
from eie.chip.stepped.lnzd import Lnzd
from eie.chip.stepped.planned_scan import GroupCcu, GroupQueue, PlannedLnzd
from eie.chip.stepped.ptr_read import PtrRead
from eie.chip.stepped.spmat_read import SpmatRead
from eie.chip.stepped.unit import Unit, Wires, in_order_of_dependence
from eie.chip.stepped.wide_pe import WideArithmUnit, WidePtrRead, WideSpmatRead
from eie.encoding.csc import InterleavedCSC
from eie.model.network import Layer, Network
from eie.model.numerics import Integers
from eie.program.arithmetic import read_out
from eie.program.hardware import Hardware
from eie.program.host import (
    HostStep,
    ReadOutputs,
    RunScan,
    WriteCodebook,
    WritePass,
    WriteSource,
    WriteSram,
    host_steps,
)
from eie.program.lowering import LoweredLayer, Program, as_rows, lower_run
from eie.program.rules import PAPERS_SCAN
from eie.program.table import LayerTable, StepKind, TableStep, layer_table

__all__ = ["Chip", "Observer", "SteppedLayer", "SteppedRun", "run_from_table", "run_stepped"]

Observer = Callable[[int, Wires], None]  # called with every cycle's number and wires, before its clock edge


@dataclass(frozen=True, eq=False)
class SteppedLayer:
    """One layer as the stepped chip ran it: `outputs` in Q(fo) after ReLU, (outputs,); its cycles and counts."""

    layer: Layer
    cycles: int
    counts: Counts
    outputs: Integers = field(repr=False)


@dataclass(frozen=True, eq=False)
class SteppedRun:
    """A run of `table`: the last layer's `outputs` in Q(fo) after ReLU, (outputs,); all cycles of the run."""

    table: LayerTable = field(repr=False)
    cycles: int
    outputs: Integers = field(repr=False)


class Chip:
    """The seven units of `hardware`; the result does not depend on `order`, the order in which they are evaluated."""

    def __init__(self, hardware: Hardware, order: Sequence[int] = range(7)) -> None:
        n_pe, lanes = hardware.n_pe, hardware.arithmetic_units
        self.hardware = hardware
        self.ccu: Ccu
        self.lnzd: Lnzd
        self.act_queue: ActQueue
        self.act_rw = ActRw(n_pe, hardware.register_entries, hardware.value_bits)
        if hardware.scan_rule != PAPERS_SCAN:
            self.ccu, self.act_queue = GroupCcu(n_pe), GroupQueue(n_pe, hardware.queue_depth)
            self.lnzd = PlannedLnzd(n_pe, hardware.scan_rule, self.act_rw.source_values)
        elif hardware.broadcast_stages:
            self.ccu, self.lnzd = CreditCcu(n_pe), Lnzd(n_pe)
            self.act_queue = CreditQueue(n_pe, hardware.queue_depth, hardware.broadcast_stages)
        else:
            self.ccu, self.lnzd, self.act_queue = Ccu(n_pe), Lnzd(n_pe), ActQueue(n_pe, hardware.queue_depth)
        if lanes == 1:
            self.ptr_read, self.spmat_read = PtrRead(n_pe), SpmatRead(n_pe)
            self.arithm_unit = ArithmUnit(n_pe, rule=hardware.entry_rule)
        else:
            self.ptr_read, self.spmat_read = WidePtrRead(n_pe, lanes), WideSpmatRead(n_pe, lanes)
            self.arithm_unit = WideArithmUnit(n_pe, lanes, rule=hardware.entry_rule)
        units: list[Unit] = [
            self.ccu,
            self.lnzd,
            self.act_queue,
            self.ptr_read,
            self.spmat_read,
            self.arithm_unit,
            self.act_rw,
        ]
        self.units = in_order_of_dependence([units[index] for index in order])
        self.cycle = 0

    def run(self, program: Program, activations: Integers, observe: Observer | None = None) -> tuple[SteppedLayer, ...]:
        """Run a program's layers in order on `activations`, the first layer's inputs in Q(fa), (inputs,).

        The program is lowered with `hardware.batched`: inputs in batches, outputs in passes.
        """
        ran: list[SteppedLayer] = []
        for layer, steps in groupby(host_steps(program), lambda step: step.layer):
            ran.append(self._run_layer(layer, steps, activations, observe))
            activations = ran[-1].outputs
        return tuple(ran)

    def _run_layer(
        self, layer: LoweredLayer, steps: Iterable[HostStep], activations: Integers, observe: Observer | None
    ) -> SteppedLayer:
        """Play the host's steps of one layer."""
        formats = layer.constants.formats
        rows = as_rows(layer.places(activations), self.hardware.n_pe)
        began = self.cycle
        counts = Counts(0, 0, 0, 0, 0, 0, 0)
        places = []
        for step in steps:
            match step:
                case WriteCodebook():
                    self.arithm_unit.write_codebook(layer.constants)
                case WriteSram():
                    self.act_rw.write_sram(rows)
                case WritePass(part=part):
                    self.ptr_read.write_memory(part)
                    self.spmat_read.write_memory(part, self.hardware.entries_per_row(part.matrix.entry_bits))
                    self.act_rw.preset(as_rows(layer.bias_of(part), self.hardware.n_pe), step.source)
                    counts += Counts(part.matrix.n_entries, part.matrix.nnz, 0, 0, 0, 0, 0)
                case WriteSource(batch=batch):
                    self.act_rw.write_source(rows[batch.first_row :][: batch.rows], step.source)
                case RunScan(batch=batch):
                    self.act_rw.start(batch.first_row, step.source, step.relu)
                    self.ccu.start(batch.first_input, batch.rows if batch.loads else 0)
                    self.lnzd.start(batch.rows)
                    self.act_queue.start()
                    counts += self._run_scan(observe)
                case ReadOutputs(part=part):
                    sums = self.act_rw.read_destination(-(-part.matrix.outputs // self.hardware.n_pe), step.source)
                    places.append(sums.ravel()[: part.matrix.outputs])
        outputs = read_out(layer.outputs(np.concatenate(places)), formats, layer.layer.relu)
        return SteppedLayer(layer.layer, self.cycle - began, counts, outputs)

    def run_table(self, table: LayerTable, activations: Integers, observe: Observer | None = None) -> SteppedRun:
        """Run a table's network on its inputs in Q(fa), (inputs,), without the host between layers.

        Every cycle of the run is observed: those in which a step starts, and those in which one is complete, as well.
        """
        hardware, first = self.hardware, self.cycle
        per_row = hardware.entries_per_row(table.memory.matrix.entry_bits)
        self.ptr_read.write_memory(table.memory)
        self.spmat_read.write_memory(table.memory, per_row)
        self.arithm_unit.write_codebook(table.program.layers[0].constants)
        inputs = as_rows(table.program.layers[0].places(activations), hardware.n_pe)
        sram = np.zeros((table.needs.words, hardware.n_pe), np.int64)
        sram[table.first_constant :] = table.constants
        if table.inputs_in_file:
            self.act_rw.write_source(inputs, 0)
        else:
            sram[: len(inputs)] = inputs
        self.act_rw.write_sram(sram)
        for step in table.steps:
            self._run_step(step, observe)
        last = table.program.layers[-1]
        rows = -(-last.layer.outputs // hardware.n_pe)
        if table.stored is None:
            sums = self.act_rw.read_destination(rows, table.steps[-1].source)
        else:
            sums = self.act_rw.read_sram(table.stored, rows)
        outputs = read_out(last.outputs(sums.ravel()[: last.layer.outputs]), last.constants.formats, last.layer.relu)
        return SteppedRun(table, self.cycle - first, outputs)

    def _run_step(self, step: TableStep, observe: Observer | None) -> None:
        """Clock the units through a step: a cycle in which it starts, its own, and the one that completes it."""
        self.ccu.rest()
        self.lnzd.expect(step.rows)
        self._clock(observe)
        moves = step.rows if step.load or step.kind in (StepKind.PRESET, StepKind.STORE) else 0
        if step.kind is StepKind.CODEBOOK:
            moves = step.codes
            self.arithm_unit.load_codebook(self.act_rw.read_sram(step.first_word, moves)[:, 0])
        if step.kind is StepKind.PRESET:
            self.spmat_read.empty()
        # Presets are loaded into the destination file, and stored rows come from it: the roles are swapped meanwhile.
        swapped = step.kind in (StepKind.PRESET, StepKind.STORE)
        self.act_rw.start(step.first_word, 1 - step.source if swapped else step.source, step.relu)
        self.ccu.start(step.first_input, moves, step.kind)
        self.lnzd.start(step.rows)
        self.act_queue.start()
        while not self._clock(observe)["complete"]:
            pass

    def _clock(self, observe: Observer | None) -> Wires:
        """Clock the units once, and return the wires of the cycle."""
        wires = self._propagate()
        self._edge(wires, observe)
        return wires

    def _propagate(self) -> Wires:
        """Return the wires of the cycle at hand."""
        wires: Wires = {}
        for unit in self.units:
            unit.propagate(wires)
        return wires

    def _edge(self, wires: Wires, observe: Observer | None) -> None:
        """End the cycle of these wires."""
        if observe is not None:
            observe(self.cycle, wires)
        for unit in self.units:
            unit.update(wires)
        self.cycle += 1

    def _run_scan(self, observe: Observer | None) -> Counts:
        """Clock the units until the scan is complete; the completing cycle is cycle 0 of the next scan."""
        broadcasts = takes = entries = macs = reads = loads = 0
        while True:
            wires = self._propagate()
            if wires["complete"]:
                return Counts(0, 0, broadcasts, takes, entries, macs, reads, loads * self.hardware.n_pe)
            broadcasts += wires["broadcast"]
            takes += int(np.count_nonzero(wires["take"]))
            entries += int(np.count_nonzero(wires["entry_valid"]))
            macs += int(np.count_nonzero(wires["weight_valid"] & (wires["weight_code"] != 0)))
            reads += int(np.sum(wires["row_read"]))
            loads += wires["load_enable"]
            self._edge(wires, observe)


def run_stepped(
    network: Network | Layer | InterleavedCSC,
    inputs: npt.ArrayLike,
    hardware: Hardware | None = None,
    observe: Observer | None = None,
) -> tuple[SteppedLayer, ...]:
    """Run a network, a layer or a matrix on the stepped chip, one input vector of floats, each layer after the other.

    It is first split over the hardware's PEs, by default as many as it is encoded for. If it has no Q formats, they
    are chosen from this input. The stepped chip always runs batched: R is `hardware.register_entries`.
    """
    network = Network.of(network)
    hardware = Hardware(n_pe=network.n_pe) if hardware is None else hardware
    run = lower_run(network, inputs, hardware)
    return Chip(hardware).run(*run, observe)


def run_from_table(
    network: Network | Layer,
    inputs: npt.ArrayLike,
    hardware: Hardware | None = None,
    observe: Observer | None = None,
) -> SteppedRun:
    """Run a network on the stepped chip from its table of layers: as `run_stepped`, without the host between layers.

    Raises InputError for what the table cannot have (docs/hardware.md, L5).
    """
    network = Network.of(network)
    hardware = Hardware(n_pe=network.n_pe) if hardware is None else hardware
    program, activations = lower_run(network, inputs, hardware)
    return Chip(hardware).run_table(layer_table(program), activations, observe)
