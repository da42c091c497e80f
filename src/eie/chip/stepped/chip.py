"""The chip, unit by unit and cycle by cycle: the units wired together, and the host that loads and starts them.

A network and an input go in; outputs, cycles and counts come out, and on the way every signal of every cycle can be
watched. Equal to the recurrence (`chip/timing.py`) in time and to `model/reference.py` in values; tests hold it there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from eie.chip.counts import Counts
from eie.chip.hardware import Hardware
from eie.chip.simulation import chip_run
from eie.chip.stepped.act_queue import ActQueue
from eie.chip.stepped.act_rw import ActRw
from eie.chip.stepped.arithm_unit import ArithmUnit
from eie.chip.stepped.ccu import Ccu
from eie.chip.stepped.lnzd import Lnzd
from eie.chip.stepped.ptr_read import PtrRead
from eie.chip.stepped.spmat_read import SpmatRead
from eie.chip.stepped.unit import Unit, Wires, in_order_of_dependence
from eie.encoding.csc import InterleavedCSC
from eie.model.network import Layer, Network
from eie.model.numerics import Integers, quantise, saturate
from eie.model.reference import formats_of

__all__ = ["Chip", "Observer", "SteppedLayer", "run_stepped"]

Observer = Callable[[int, Wires], None]  # called with every cycle's number and wires, before its clock edge


@dataclass(frozen=True, eq=False)
class SteppedLayer:
    """One layer as the stepped chip ran it: `outputs` in Q(fo) after ReLU, (outputs,); its cycles and counts."""

    layer: Layer
    cycles: int
    counts: Counts
    outputs: Integers = field(repr=False)


class Chip:
    """The seven units of `hardware`; `order` may give their indices in any order, which changes nothing."""

    def __init__(self, hardware: Hardware, order: Sequence[int] = range(7)) -> None:
        n_pe = hardware.n_pe
        self.hardware = hardware
        self.ccu = Ccu(n_pe)
        self.lnzd = Lnzd(n_pe)
        self.act_queue = ActQueue(n_pe, hardware.queue_depth)
        self.ptr_read = PtrRead(n_pe)
        self.spmat_read = SpmatRead(n_pe)
        self.arithm_unit = ArithmUnit(n_pe)
        self.act_rw = ActRw(n_pe, hardware.register_entries, hardware.value_bits)
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

    def run(self, network: Network, activations: Integers, observe: Observer | None = None) -> tuple[SteppedLayer, ...]:
        """Run the layers in a row on `activations`, the first layer's inputs in Q(fa); (inputs,).

        Vectors longer than the register files go through the activation SRAM: inputs in batches, outputs in passes.
        """
        registers = self.hardware.register_entries * self.hardware.n_pe
        results = []
        in_source = False  # whether the layer before has left its outputs in what is now the source file
        for layer in network.chain():
            result = self._run_layer(layer, activations, in_source, observe)
            results.append(result)
            activations = result.outputs
            in_source = layer.outputs <= registers
            if in_source:
                self.act_rw.swap(layer.relu)
        return tuple(results)

    def _run_layer(
        self, layer: Layer, activations: Integers, in_source: bool, observe: Observer | None
    ) -> SteppedLayer:
        formats = formats_of(layer)
        registers = self.hardware.register_entries * self.hardware.n_pe
        rows = self._rows(activations)
        bias = np.zeros(layer.outputs, np.int64)
        if layer.bias is not None:
            bias = quantise(layer.bias, formats.output_fraction, formats.accumulator_bits)
        self.arithm_unit.write_codebook(layer.matrix.codebook, formats)
        began = self.cycle
        counts = Counts(0, 0, 0, 0, 0, 0, 0)
        outputs = []
        for number, block in enumerate(layer.matrix.row_blocks(registers)):
            self.ptr_read.write_memory(block)
            self.spmat_read.write_memory(block, self.hardware.entries_per_row(block.code_bits + block.index_bits))
            self.act_rw.preset(self._rows(bias[number * registers :][: block.outputs]))
            for first in range(0, layer.inputs, registers):
                batch = rows[first // self.hardware.n_pe :][: self.hardware.register_entries]
                if first > 0:
                    self.act_rw.write_batch(batch)
                elif not in_source or layer.inputs > registers:
                    self.act_rw.write_source(batch)
                self.ccu.start(first, len(batch) if first > 0 else 0)
                self.lnzd.start(len(batch))
                counts += self._run_scan(observe)
            counts += Counts(block.n_entries, block.nnz, 0, 0, 0, 0, 0)
            sums = self.act_rw.read_destination(-(-block.outputs // self.hardware.n_pe))
            outputs.append(saturate(sums.ravel()[: block.outputs], formats.value_bits))
        values = np.concatenate(outputs)
        return SteppedLayer(layer, self.cycle - began, counts, np.maximum(values, 0) if layer.relu else values)

    def _run_scan(self, observe: Observer | None) -> Counts:
        """Clock the units until nothing of the scan is left; that cycle belongs to what comes next."""
        broadcasts = takes = entries = macs = reads = 0
        wires: Wires = {}
        while True:
            for unit in self.units:
                unit.propagate(wires)
            if wires["complete"]:
                return Counts(0, 0, broadcasts, takes, entries, macs, reads)
            if observe is not None:
                observe(self.cycle, wires)
            broadcasts += wires["broadcast"]
            takes += int(np.count_nonzero(wires["take"]))
            entries += int(np.count_nonzero(wires["entry_valid"]))
            macs += int(np.count_nonzero(wires["weight_valid"] & (wires["weight_code"] != 0)))
            reads += int(np.count_nonzero(wires["row_read"]))
            for unit in self.units:
                unit.update(wires)
            self.cycle += 1

    def _rows(self, vector: Integers) -> Integers:
        """Return a vector as rows of N, the last padded with zeros."""
        return np.pad(vector, (0, -len(vector) % self.hardware.n_pe)).reshape(-1, self.hardware.n_pe)


def run_stepped(
    network: Network | Layer | InterleavedCSC,
    inputs: npt.ArrayLike,
    hardware: Hardware | None = None,
    observe: Observer | None = None,
) -> tuple[SteppedLayer, ...]:
    """Run a network, a layer or a matrix on the stepped chip, one input vector of floats, each layer after the other.

    It is split over the hardware's PEs first, by default as many as it is encoded for; where it has no formats, they
    are chosen from this input.
    The stepped chip always runs batched: R is `hardware.register_entries`.
    """
    network = Network.of(network)
    hardware = Hardware(n_pe=network.n_pe) if hardware is None else hardware
    run = chip_run(network, inputs, hardware)
    for layer in run.network.chain():
        layer.matrix.validate()
    return Chip(hardware).run(run.network, run.activations, observe)
