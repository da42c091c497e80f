"""The chip's cycles: the native recurrence against the readable one, the scan's rules, and measured counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eie
from data_sets import DataSet
from eie.chip.timing import scan, schedule_reference, simulate_matrix, simulate_pass, timed_scans
from eie.errors import InputError
from eie.importers.eie_simulator import SimulatorStreams, read_eie_simulator
from eie.program.lowering import Pass, passes_of
from golden.layers import REAL_ALEX8
from implementations import EACH_INSTRUCTION_SET, readable_cycles, scan_cycles
from strategies import Case, layers


@pytest.fixture(scope="module")
def alex8(data_set: DataSet) -> SimulatorStreams:
    return read_eie_simulator(data_set("eie-simulator-alex8"), outputs=1000)


def scan_cycle_by_cycle(activations: np.ndarray, n_pe: int) -> tuple[list[int], int]:
    """Return (cycle of every broadcast, the scan's end), no queue full: docs/hardware.md, S1 to S7, as a loop."""
    rows = np.resize(np.append(activations, np.zeros(n_pe, int)), (-(-len(activations) // n_pe), n_pe))
    rows.flat[len(activations) :] = 0
    cycle, broadcasts = 1, []
    for row in rows:
        while True:
            ahead = np.flatnonzero(row)
            if len(ahead) == 0:  # the cycle goes to loading the next row
                cycle += 1
                break
            broadcasts.append(cycle)
            cycle += 1
            row[ahead[0]] = 0
            if ahead[0] == n_pe - 1:  # the next row is loaded at the same edge
                break
    return broadcasts, cycle


@given(layers())
def test_scan_is_the_rules_as_a_loop(case: Case) -> None:
    """With queues that never fill, broadcasts come when a loop over rows and positions says."""
    n_pe = case.matrix.n_pe
    found = scan(case.activations, n_pe)
    broadcasts, end = scan_cycle_by_cycle(case.activations.copy(), n_pe)
    assert np.cumsum(found.gaps).tolist() == broadcasts
    assert found.cycles.tolist() == broadcasts
    assert found.end == end


def check_native_recurrence(case: Case, queue_depth: int, instruction_set: str, stages: int = 0) -> None:
    matrix = case.matrix
    hardware = eie.Hardware(n_pe=matrix.n_pe, queue_depth=queue_depth, broadcast_stages=stages)
    columns = scan(case.activations, matrix.n_pe)
    counts = matrix.counts[:, columns.columns].T.astype(np.int64)
    expected = schedule_reference(columns.gaps, np.maximum(1, counts), queue_depth, stages)
    (timed,) = timed_scans(passes_of(matrix, hardware)[0], case.activations, hardware)
    found = timed.schedule(hardware, instruction_set)
    assert np.array_equal(found.broadcast, expected.broadcast)
    assert np.array_equal(found.enter, expected.enter)
    result = simulate_matrix(matrix, case.activations, hardware, instruction_set=instruction_set)
    assert result.cycles == scan_cycles(columns, counts, queue_depth, stages)


@pytest.mark.parametrize("instruction_set", EACH_INSTRUCTION_SET)
@given(
    case=layers(max_side=150, max_pe=140, index_bits=(2, 8)), queue_depth=st.integers(2, 9), stages=st.integers(0, 3)
)
def test_native_recurrence_is_the_readable_one(instruction_set: str, case: Case, queue_depth: int, stages: int) -> None:
    """Every broadcast, every PE's start on it, and the cycles, whatever the instruction set."""
    check_native_recurrence(case, queue_depth, instruction_set, stages)


@pytest.mark.parametrize("instruction_set", EACH_INSTRUCTION_SET)
@pytest.mark.parametrize("n_pe", [257, 513, 1024])
def test_as_many_pes_as_there_may_be(instruction_set: str, n_pe: int) -> None:
    """The widest chips, more PEs than rows or fewer."""
    rng = np.random.default_rng(n_pe)
    codes = np.where(rng.random((900, 3000)) < 0.1, rng.integers(1, 16, (900, 3000)), 0).astype(np.uint8)
    book = np.arange(16, dtype=np.float32)
    activations = np.where(rng.random(3000) < 0.4, rng.integers(1, 100, 3000), 0)
    matrix = eie.encode(codes, book, n_pe)
    assert np.array_equal(matrix.decode(), codes)
    check_native_recurrence(Case(codes, book, matrix, activations), 4, instruction_set)


@given(
    case=layers(max_side=30, max_pe=3), queue_depth=st.sampled_from([2, 127, 129, 300]), stages=st.sampled_from([0, 16])
)
def test_queues_too_deep_for_short_leads(case: Case, queue_depth: int, stages: int) -> None:
    """Where 16 bits would not do, the general recurrence takes over."""
    check_native_recurrence(case, queue_depth, "portable", stages)


@pytest.mark.parametrize("queue_depth", [2, 8])
def test_columns_longer_than_a_byte(queue_depth: int) -> None:
    """More than 255 entries of a column in one PE."""
    codes = np.zeros((700, 6), np.uint8)
    codes[:600, [0, 2]] = 3
    matrix = eie.encode(codes, np.arange(16), n_pe=2)
    columns = scan(np.ones(6, int), 2)
    counts = matrix.counts[:, columns.columns].T.astype(np.int64)
    cycles = eie.simulate(matrix, np.ones(6, int), eie.Hardware(n_pe=2, queue_depth=queue_depth)).cycles
    assert counts.max() > 255
    assert cycles == scan_cycles(columns, counts, queue_depth)


@given(layers(max_side=80, index_bits=(2, 8)), st.sampled_from([16, 32, 48, 64, 128]))
def test_counts_are_what_a_walk_counts(case: Case, width: int) -> None:
    """Reads, entries and MACs against a walk over the issued entries, one by one; every PE cycle is accounted for."""
    matrix = case.matrix
    hardware = eie.Hardware(n_pe=matrix.n_pe, spmat_width_bits=width)
    result = eie.simulate(matrix, case.activations, hardware)
    per_row = hardware.entries_per_row(4 + matrix.index_bits)
    reads = issued = macs = 0
    codes = matrix.codes
    for pe in range(matrix.n_pe):
        buffered = -1
        for column in np.flatnonzero(case.activations):
            for entry in range(*matrix.pointers[pe, column : column + 2].tolist()):
                issued += 1
                macs += int(codes[matrix.slice_starts[pe] + entry] != 0)
                reads += entry // per_row != buffered
                buffered = entry // per_row
    counts = result.counts
    assert (counts.spmat_reads, counts.entries_issued, counts.macs) == (reads, issued, macs)
    assert counts.broadcasts == np.count_nonzero(case.activations)
    assert counts.ptr_reads == counts.broadcasts * matrix.n_pe
    parts = (result.busy_cycles, result.empty_column_cycles, result.starved_cycles, result.done_early_cycles)
    assert np.array_equal(np.sum(parts, axis=0), np.full(matrix.n_pe, result.cycles))
    assert all((part >= 0).all() for part in parts)


@settings(deadline=None)
@given(layers(max_side=60, max_pe=8), st.integers(1, 4))
def test_passes_and_batches(case: Case, register_entries: int) -> None:
    """Batched, a layer is the sum of its passes' batches, each but the first of a pass after its rows are loaded."""
    matrix = case.matrix
    hardware = eie.Hardware(n_pe=matrix.n_pe, register_entries=register_entries, batched=True)
    result = eie.simulate(matrix, case.activations, hardware)
    assert result.cycles == readable_cycles(matrix, case.activations, hardware)
    blocks = matrix.row_blocks(register_entries * matrix.n_pe)
    assert result.counts.entries_issued == sum(int(block.counts[:, case.activations != 0].sum()) for block in blocks)


def test_real_alex8(alex8: SimulatorStreams) -> None:
    """The paper's one public layer: 7926 cycles, 9.9 us, at every queue depth and memory width measured."""
    matrix = alex8.network.layers[0].matrix
    result = eie.simulate(matrix, alex8.activations, eie.Hardware())
    assert (result.cycles, f"{result.latency_us:.1f}", f"{result.theoretical_us:.1f}") == (7926, "9.9", "8.9")
    assert round(result.load_efficiency, 4) == 0.8945
    counts = vars(result.counts) | {"cycles": result.cycles}
    assert {name: counts[name] for name in REAL_ALEX8["counts"]} == REAL_ALEX8["counts"]
    assert {
        "empty_column": result.empty_column_cycles.sum(),
        "starved": result.starved_cycles.sum(),
        "drain": result.done_early_cycles.sum(),
    } == REAL_ALEX8["pe_cycles"]
    for depth, cycles in REAL_ALEX8["cycles_by_queue_depth"].items():
        assert eie.simulate(matrix, alex8.activations, eie.Hardware(queue_depth=int(depth))).cycles == cycles
    for width, reads in REAL_ALEX8["spmat_reads_by_width_bits"].items():
        counts = eie.simulate(matrix, alex8.activations, eie.Hardware(spmat_width_bits=int(width))).counts
        assert counts.spmat_reads == reads


def test_real_alex8_in_batches(alex8: SimulatorStreams) -> None:
    """Measured with one pass: registers of 8 entries hold 512 of the 1000 outputs, so the chip needs two passes."""
    matrix = alex8.network.layers[0].matrix
    values = np.rint(alex8.activations * 2**11).astype(np.int64)
    for entries, cycles in REAL_ALEX8["batched_cycles_by_register_entries"].items():
        hardware = eie.Hardware(batched=True, register_entries=int(entries))
        batches = passes_of(matrix, hardware)[0].batches
        assert simulate_pass(Pass(matrix, 0, batches), values, hardware).cycles == cycles
        assert eie.simulate(matrix, values, hardware).cycles == (cycles if int(entries) * 64 >= 1000 else 8941)


def test_float_and_integer_activations_agree(alex8: SimulatorStreams) -> None:
    """Floats are broadcast where their fixed-point value is not zero."""
    matrix = eie.encode(np.ones((4, 4), int), np.arange(16), n_pe=2)
    tiny = np.array([1.0, 1e-6, 0.5, 0.0])
    assert eie.simulate(matrix, tiny).counts.broadcasts == 2
    assert eie.simulate(matrix, tiny, activation_fraction=30).counts.broadcasts == 3
    assert eie.simulate(matrix, np.array([1, 0, 1, 0])).cycles == eie.simulate(matrix, tiny).cycles


MATRIX = eie.encode(np.ones((4, 3), int), np.arange(16), n_pe=2)


@pytest.mark.parametrize(
    ("activations", "hardware", "sentence"),
    [
        (np.ones(4), eie.Hardware(n_pe=2), "activations must have shape (3,), the layer's inputs, not (4,)"),
        (np.ones((1, 3)), eie.Hardware(n_pe=2), "activations must have shape (3,), the layer's inputs, not (1, 3)"),
        (np.array([1, np.nan, 0]), eie.Hardware(n_pe=2), "activations must be finite, but number 1 is nan"),
        (np.array([1, 0, -np.inf]), eie.Hardware(n_pe=2), "activations must be finite, but number 2 is -inf"),
        (np.array(["a", "b", "c"]), eie.Hardware(n_pe=2), "activations must be numbers, not <U1"),
        (
            np.ones(3),
            eie.Hardware(n_pe=2, strict=True, spmat_bytes=4),
            "the layer does not fit the chip: the weight memory of PE 0 needs 6 entries and has 4",
        ),
    ],
)
def test_simulate_refuses(activations: np.ndarray, hardware: eie.Hardware, sentence: str) -> None:
    """What cannot be simulated is named with its value and what was expected."""
    with pytest.raises(InputError) as error:
        eie.simulate(MATRIX, activations, hardware)
    assert str(error.value) == sentence
