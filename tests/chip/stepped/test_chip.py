"""The stepped chip: equal to the recurrence in every cycle, and to the reference in every output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eie
from data_sets import DataSet
from eie.chip.stepped import Chip, run_stepped
from eie.chip.stepped.chip import SteppedLayer
from eie.chip.stepped.signals import Direction
from eie.chip.stepped.unit import Wires
from eie.chip.timing import scan, simulate_matrix, timed_scans
from eie.errors import InputError
from eie.importers.eie_simulator import read_eie_simulator
from eie.model.numerics import Formats, quantise
from eie.program.arithmetic import chip_layer
from eie.program.lowering import lower, passes_of
from strategies import Case, examples, layers

FORMATS = Formats(0, 12)


class Recorder:
    """Notes every broadcast, when each PE's pointer stage takes it up, and when each entry is issued."""

    def __init__(self) -> None:
        self.broadcasts: list[tuple[int, int]] = []  # (cycle, column)
        self.entered: list[tuple[int, int]] = []  # (cycle, PE), a cycle after it was taken
        self.issued: list[tuple[int, int, int]] = []  # (cycle, PE, entry)

    def __call__(self, cycle: int, wires: Wires) -> None:
        """Look at one cycle."""
        if wires["broadcast"]:
            self.broadcasts.append((cycle, wires["broadcast_column"]))
        self.entered += [(cycle + 1, int(pe)) for pe in np.flatnonzero(wires["take"])]
        self.issued += [
            (cycle, int(pe), int(wires["entry_address"][pe])) for pe in np.flatnonzero(wires["entry_valid"])
        ]


def stepped(
    hardware: eie.Hardware,
    network: eie.Network,
    activations: np.ndarray,
    observe: Recorder | None = None,
    order: Sequence[int] = range(7),
) -> tuple[SteppedLayer, ...]:
    """Run a network on the stepped chip."""
    program = lower(network, replace(hardware, batched=True))
    return Chip(hardware, order).run(program, activations, observe)


def whole(matrix: eie.InterleavedCSC) -> int:
    """Register-file entries that hold the layer in one batch and one pass."""
    return -(-max(matrix.shape) // matrix.n_pe)


@examples(30)
@given(
    case=layers(max_side=50, index_bits=(1, 4)),
    queue_depth=st.integers(2, 6),
    relu=st.booleans(),
    stages=st.integers(0, 4),
)
def test_every_cycle_is_the_recurrences(case: Case, queue_depth: int, relu: bool, stages: int) -> None:
    """Every broadcast, every PE's start on it and every entry's cycle; all counts; every output, bit for bit."""
    matrix = case.matrix
    hardware = eie.Hardware(
        n_pe=matrix.n_pe, queue_depth=queue_depth, register_entries=whole(matrix), broadcast_stages=stages
    )
    layer = eie.Layer("layer", matrix, relu=relu, formats=FORMATS)
    recorder = Recorder()
    (found,) = stepped(hardware, eie.Network((layer,)), case.activations, recorder)

    expected = simulate_matrix(matrix, case.activations, hardware)
    assert (found.cycles, found.counts) == (expected.cycles, expected.counts)
    assert np.array_equal(found.outputs, chip_layer(layer, case.activations).values)

    columns = scan(case.activations, matrix.n_pe)
    (timed,) = timed_scans(passes_of(matrix, hardware)[0], case.activations, hardware)
    cycles = timed.schedule(hardware)
    assert recorder.broadcasts == list(zip(cycles.broadcast.tolist(), columns.columns.tolist(), strict=True))
    pes = range(matrix.n_pe)
    assert sorted(recorder.entered) == sorted(
        (int(enter), pe) for row in cycles.enter for enter, pe in zip(row, pes, strict=True)
    )
    issued = [
        (int(enter) + place, pe, int(matrix.pointers[pe, column]) + place)
        for column, row in zip(columns.columns, cycles.enter, strict=True)
        for pe, enter in zip(pes, row, strict=True)
        for place in range(int(matrix.counts[pe, column]))
    ]
    assert sorted(recorder.issued) == sorted(issued)


@examples(20)
@given(
    case=layers(max_side=40, max_pe=8),
    entries=st.integers(1, 4),
    width=st.sampled_from([16, 64]),
    stages=st.sampled_from([0, 1, 7]),
)
def test_batches_and_passes(case: Case, entries: int, width: int, stages: int) -> None:
    """Vectors longer than the register files: the recurrence's cycles and counts, the reference's outputs."""
    matrix = case.matrix
    hardware = eie.Hardware(
        n_pe=matrix.n_pe,
        queue_depth=3,
        register_entries=entries,
        batched=True,
        spmat_width_bits=width,
        broadcast_stages=stages,
    )
    bias = np.linspace(-40, 40, matrix.outputs).astype(np.float32)
    layer = eie.Layer("layer", matrix, bias, formats=FORMATS)
    (found,) = stepped(hardware, eie.Network((layer,)), case.activations)
    expected = simulate_matrix(matrix, case.activations, hardware)
    assert (found.cycles, found.counts) == (expected.cycles, expected.counts)
    assert np.array_equal(found.outputs, chip_layer(layer, case.activations).values)


@examples(15)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 30), min_size=3, max_size=5),
    n_pe=st.integers(1, 9),
    entries=st.integers(1, 30),
)
def test_layers_in_a_row(seed: int, sizes: list[int], n_pe: int, entries: int) -> None:
    """The register files swap roles, or the SRAM carries the vector; the network's result is the same."""
    rng = np.random.default_rng(seed)
    book = np.concatenate(([0], rng.normal(size=15)))
    network = eie.Network(
        tuple(
            eie.Layer(
                f"fc{number}",
                eie.encode(rng.integers(0, 16, (outputs, inputs)), book, n_pe),
                rng.normal(size=outputs).astype(np.float32) if rng.random() < 0.5 else None,
                relu=bool(rng.random() < 0.5),
            )
            for number, (inputs, outputs) in enumerate(pairwise(sizes))
        )
    )
    inputs = rng.normal(size=sizes[0])
    hardware = eie.Hardware(n_pe=n_pe, register_entries=entries, batched=True)
    stepped = run_stepped(network, inputs, hardware)
    for found, expected in zip(stepped, eie.simulate_network(network, inputs, hardware), strict=True):
        assert np.array_equal(found.outputs, expected.outputs)
        assert (found.cycles, found.counts) == (expected.simulation.cycles, expected.simulation.counts)


@examples(20)
@given(case=layers(max_side=20, max_pe=5), order=st.permutations(range(7)))
def test_order_of_units_does_not_matter(case: Case, order: list[int]) -> None:
    """Units see each other only through wires: handed over in any order they do the same."""
    hardware = eie.Hardware(n_pe=case.matrix.n_pe, register_entries=20)
    network = eie.Network((eie.Layer("layer", case.matrix, formats=FORMATS),))
    expected, found = (stepped(hardware, network, case.activations, order=o)[0] for o in (range(7), order))
    assert (found.cycles, found.counts) == (expected.cycles, expected.counts)
    assert np.array_equal(found.outputs, expected.outputs)


def test_units_drive_what_their_tables_say() -> None:
    """Each unit drives its outputs and no other signal, and reads no signal that is not in its table."""
    matrix = eie.encode(np.ones((6, 6), np.uint8), np.arange(16) / 16, n_pe=3)
    chip = Chip(eie.Hardware(n_pe=3, batched=True))
    drivers: dict[str, str] = {}
    touched: set[str] = set()

    class Watched(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            touched.add(name)
            return super().__getitem__(name)

    def observe(cycle: int, wires: Wires) -> None:
        for unit in chip.units:
            alone = Watched(wires)
            before = set(alone)
            alone.clear()
            alone.update({s.name: wires[s.name] for s in unit.signals if s.direction is not Direction.OUTPUT})
            touched.clear()
            unit.propagate(alone)
            outputs = {s.name for s in unit.signals if s.direction is Direction.OUTPUT}
            through = {s.name for s in unit.signals if s.direction is Direction.THROUGH}
            assert {name for name in touched if name not in outputs} <= through
            assert set(alone) - {s.name for s in unit.signals} == set()
            assert outputs <= set(alone) <= before
            for name in outputs:
                assert drivers.setdefault(name, type(unit).__name__) == type(unit).__name__

    layer = eie.Layer("layer", matrix, formats=FORMATS)
    chip.run(lower(eie.Network((layer,)), chip.hardware), np.arange(6), observe)
    assert len(drivers) == sum(s.direction is Direction.OUTPUT for unit in chip.units for s in unit.signals)


@examples(30)
@given(case=layers(max_side=30, max_pe=6), queue_depth=st.integers(2, 5))
def test_no_entry_is_lost_and_no_queue_runs_over(case: Case, queue_depth: int) -> None:
    """Queues hold at most depth - 1 entries, and everything issued arrives at the write stage five cycles later."""
    issued: list[tuple[int, int]] = []
    written: list[tuple[int, int]] = []

    def observe(cycle: int, wires: Wires) -> None:
        assert wires["queue_count"].max() <= queue_depth - 1
        assert wires["queue_count"].min() >= 0
        issued.extend((cycle + 5, int(pe)) for pe in np.flatnonzero(wires["entry_valid"]))
        written.extend((cycle, int(pe)) for pe in np.flatnonzero(wires["write_valid"]))

    hardware = eie.Hardware(n_pe=case.matrix.n_pe, queue_depth=queue_depth, register_entries=30)
    network = eie.Network((eie.Layer("layer", case.matrix, formats=FORMATS),))
    stepped(hardware, network, case.activations, observe)
    assert written == issued


@pytest.mark.parametrize(("entries", "cycles"), [(65, 7926), (64, 7935), (32, 7977), (16, 8035)])
def test_real_alex8(data_set: DataSet, entries: int, cycles: int) -> None:
    """The paper's one public layer, in one batch and in several: its cycles, and every output."""
    network, activations = read_eie_simulator(data_set("eie-simulator-alex8"), outputs=1000)
    (found,) = run_stepped(network, activations, eie.Hardware(register_entries=entries))
    assert found.cycles == cycles
    assert found.counts.spmat_reads == 100900
    assert np.array_equal(found.outputs, chip_layer(network.layers[0], quantise(activations, 11)).values)
    assert found.outputs.argmax() == 708


def test_passes_where_the_outputs_do_not_fit(data_set: DataSet) -> None:
    """Registers of 8 entries hold 512 of the real layer's 1000 outputs: two passes, 8941 cycles."""
    network, activations = read_eie_simulator(data_set("eie-simulator-alex8"), outputs=1000)
    (found,) = run_stepped(network, activations, eie.Hardware(register_entries=8))
    assert found.cycles == 8941
    assert found.outputs.argmax() == 708


def test_one_input_at_a_time() -> None:
    """A batch is refused in a sentence."""
    matrix = eie.encode(np.ones((4, 4), np.uint8), np.arange(16), n_pe=2)
    with pytest.raises(InputError) as error:
        run_stepped(matrix, np.ones((3, 4)), eie.Hardware(n_pe=2))
    assert str(error.value) == "the chip runs one input at a time, but the inputs are a batch of 3"
