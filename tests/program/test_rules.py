"""The machine's rules: the paper's by default, and machines that differ from it in one, each checked another way."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eie
from eie.chip.stepped import run_stepped
from eie.chip.timing import scan
from eie.errors import InputError
from eie.program import (
    AbsoluteIndex,
    BalancedRows,
    Entries,
    EntryRule,
    InOrderScan,
    RelativeIndex,
    RowAssignment,
    Scan,
    ScanRule,
)
from eie.program.entries import entries_by
from eie.program.lowering import lower
from eie.silicon import Parameters
from strategies import Case, layers

FORMATS = eie.Formats(0, 12)
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EmptyRowsSkipped(ScanRule):
    """A detector that never loads a row of zeros."""

    def scan(self, active: npt.NDArray[np.bool_]) -> Scan:
        """Scan the other rows as the paper's machine does."""
        rows = np.flatnonzero(active.any(axis=1))
        found = InOrderScan().scan(active[rows])
        row, position = np.divmod(found.columns.astype(np.int64), active.shape[1])
        return found._replace(columns=(rows[row] * active.shape[1] + position).astype(np.uint32))


@dataclass(frozen=True)
class Backwards(RowAssignment):
    """The last row first."""

    def order(self, matrix: eie.InterleavedCSC) -> npt.NDArray[np.int64]:
        """Return the rows in reverse."""
        return np.arange(matrix.outputs)[::-1]


@dataclass(frozen=True)
class FirstRowTwice(RowAssignment):
    """No rule at all."""

    def order(self, matrix: eie.InterleavedCSC) -> npt.NDArray[np.int64]:
        """Return row 0 for every row."""
        return np.zeros(matrix.outputs, np.int64)


@dataclass(frozen=True)
class LongJumps(EntryRule):
    """A padding entry stands for whole lots of 4 rows, up to 16 of them, and a weight's index for those left over."""

    def index_bits(self, matrix: eie.InterleavedCSC) -> int:
        """Return enough for 16 jumps."""
        return 4

    def entries(self, rows: Integers, before: Integers, index_bits: int) -> Entries:
        """Return a jump where a gap is longer than 15, and a further one where one does not reach."""
        columns = [self.gap(gap) for gap in (rows - before - 1).tolist()]
        indices = [index for column in columns for index in column]
        return Entries(np.array([len(column) - 1 for column in columns], np.int64), np.array(indices, np.int64))

    def gap(self, zeros: int) -> list[int]:
        """Return the indices of one weight's entries."""
        jumps = []
        while zeros > 15:
            jumps.append(min(zeros // 4, 16) - 1)
            zeros -= 4 * (jumps[-1] + 1)
        return [*jumps, zeros]

    def row(self, before: Integers, codes: Integers, indices: Integers) -> Integers:
        """Return where a jump or a weight leads."""
        return before + np.where(codes == 0, 4 * (indices + 1), indices + 1)


@dataclass(frozen=True)
class Lost(RelativeIndex):
    """The paper's gaps, each one too many."""

    def row(self, before: Integers, codes: Integers, indices: Integers) -> Integers:
        """Return the row after."""
        return super().row(before, codes, indices) + 1


@dataclass(frozen=True)
class TooWide(AbsoluteIndex):
    """Rows in fewer bits than they need."""

    def index_bits(self, matrix: eie.InterleavedCSC) -> int:
        """Return one bit."""
        return 1


@dataclass(frozen=True)
class NoBits(AbsoluteIndex):
    """More bits than an entry has."""

    def index_bits(self, matrix: eie.InterleavedCSC) -> int:
        """Return too many."""
        return 13


MACHINES: dict[str, dict[str, Any]] = {
    "balanced rows": {"row_assignment": BalancedRows()},
    "own row order": {"row_assignment": Backwards()},
    "two broadcasts a cycle": {"scan_rule": InOrderScan(2)},
    "five broadcasts a cycle": {"scan_rule": InOrderScan(5)},
    "own scan": {"scan_rule": EmptyRowsSkipped()},
    "two arithmetic units": {"arithmetic_units": 2},
    "absolute indices": {"entry_rule": AbsoluteIndex()},
    "own entries": {"entry_rule": LongJumps()},
    "all at once": {
        "row_assignment": BalancedRows(),
        "scan_rule": InOrderScan(3),
        "entry_rule": LongJumps(),
        "arithmetic_units": 3,
    },
}


@pytest.mark.parametrize("rules", MACHINES.values(), ids=MACHINES)
@settings(max_examples=25)
@given(
    case=layers(max_side=40, max_pe=6, index_bits=(1, 4)),
    queue_depth=st.integers(2, 5),
    registers=st.integers(1, 40),
    relu=st.booleans(),
)
def test_recurrence_and_stepped_chip_agree(
    rules: dict[str, Any], case: Case, queue_depth: int, registers: int, relu: bool
) -> None:
    """Cycles, every count and every output, on machines that the two know only by their rules."""
    hardware = eie.Hardware(
        n_pe=case.matrix.n_pe, queue_depth=queue_depth, register_entries=registers, batched=True, **rules
    )
    network = eie.Network((eie.Layer("layer", case.matrix, relu=relu, formats=FORMATS),))
    (expected,) = eie.simulate_network(network, case.activations, hardware)
    (found,) = run_stepped(network, case.activations, hardware)
    assert (found.cycles, found.counts) == (expected.simulation.cycles, expected.simulation.counts)
    assert np.array_equal(found.outputs, expected.outputs)


@pytest.mark.parametrize("rules", MACHINES.values(), ids=MACHINES)
def test_a_chain_of_layers_keeps_its_outputs(rules: dict[str, Any]) -> None:
    """What one layer leaves in its own order the next one finds there; outputs are those of the paper's machine."""
    random = np.random.default_rng(5)
    sizes = [37, 50, 29, 11]
    chain = [
        eie.Layer(
            f"fc{number}",
            eie.encode(random.integers(0, 16, (outputs, inputs)), np.arange(16) / 16, n_pe=4),
            random.normal(size=outputs).astype(np.float32),
            relu=number < 2,
        )
        for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes))
    ]
    inputs = np.abs(random.normal(size=37)) * (random.random(37) < 0.6)
    network = eie.calibrate(eie.Network(tuple(chain)), inputs)
    papers = eie.simulate_network(network, inputs, eie.Hardware(n_pe=4))
    hardware = eie.Hardware(n_pe=4, register_entries=20, batched=True, **rules)
    ran = run_stepped(network, inputs, hardware)
    simulated = eie.simulate_network(network, inputs, hardware)
    for expected, found, timed in zip(papers, ran, simulated, strict=True):
        assert np.array_equal(found.outputs, expected.outputs)
        assert found.cycles == timed.simulation.cycles


def test_pairs_are_broadcast_together() -> None:
    """The second of a pair in a row comes with the first; a row ends a cycle later unless at its last place."""
    found = scan(np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1]), 8, InOrderScan(2))
    assert found.columns.tolist() == [0, 1, 2, 3, 4, 9, 10, 11]
    assert found.cycles.tolist() == [1, 1, 2, 2, 3, 5, 5, 6]
    assert found.end == 8


@given(st.integers(0, 10**6))
def test_more_broadcasts_are_never_slower(seed: int) -> None:
    """A detector that may do more does not lose by it."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 16, (30, 60)) * (random.random((30, 60)) < 0.4)
    matrix = eie.encode(codes, np.arange(16), n_pe=4)
    values = random.integers(0, 2, 60)
    cycles = [
        eie.simulate(matrix, values, eie.Hardware(n_pe=4, scan_rule=InOrderScan(width))).cycles for width in (1, 2, 4)
    ]
    assert cycles == sorted(cycles, reverse=True)


@given(layers(max_side=60, max_pe=20))
def test_balanced_rows_are_each_there_once(case: Case) -> None:
    """Every row is dealt, once, whatever the number of PEs."""
    order = BalancedRows().order(case.matrix)
    assert sorted(order.tolist()) == list(range(case.matrix.outputs))


def test_balanced_rows_even_out_what_round_robin_does_not() -> None:
    """On rows of very different density the fullest PE is within 1 % of the mean."""
    random = np.random.default_rng(3)
    density = np.minimum(0.2 * np.exp(random.standard_normal(300)), 0.95)
    matrix = eie.encode((random.random((300, 200)) < density[:, None]).astype(int), [0, 1], n_pe=16)
    dealt = matrix.reorder(BalancedRows().order(matrix))

    def fullest(case: eie.InterleavedCSC) -> int:
        weights = np.diff(case.rows.starts)
        return max(int(weights[pe::16].sum()) for pe in range(16))

    assert fullest(dealt) <= 1.01 * matrix.nnz / 16 < fullest(matrix)


def test_a_rule_that_loses_a_row_is_refused() -> None:
    """An order must be a permutation."""
    matrix = eie.encode(np.ones((3, 3), int), [0, 1], n_pe=2)
    with pytest.raises(InputError, match="FirstRowTwice must give each of the 3 rows once"):
        eie.simulate(matrix, np.ones(3, int), eie.Hardware(n_pe=2, row_assignment=FirstRowTwice()))


@pytest.mark.parametrize("rules", MACHINES.values(), ids=MACHINES)
def test_the_rtl_refuses_another_machine(rules: dict[str, Any]) -> None:
    """The RTL has the paper's rules only, and says which of them is another here."""
    network = eie.Network((eie.Layer("layer", eie.encode(np.ones((3, 3), int), [0, 1], n_pe=2), formats=FORMATS),))
    program = lower(network, eie.Hardware(n_pe=2, batched=True, **rules))
    with pytest.raises(InputError, match=next(iter(rules))):
        Parameters.of(program)


@dataclass(frozen=True)
class RelativeAgain(RelativeIndex):
    """The paper's rule under another name, so that it is played as one's own."""


@given(layers(max_side=60, max_pe=6, index_bits=(1, 4)))
def test_the_papers_rule_gives_the_encoders_entries(case: Case) -> None:
    """Entry by entry and pointer by pointer."""
    found = entries_by(RelativeAgain(), case.matrix)
    assert np.array_equal(found.entries, case.matrix.entries)
    assert np.array_equal(found.pointers, case.matrix.pointers)
    assert entries_by(RelativeIndex(), case.matrix) is case.matrix


def test_absolute_indices_need_no_padding_but_wider_entries() -> None:
    """Worked by hand: rows 0 and 100 of one PE; 4 + 7 bits an entry, so two bytes, and a row of memory holds four."""
    codes = np.zeros((128, 3), int)
    codes[[0, 100], 1] = 1
    matrix = eie.encode(codes, [0, 1], n_pe=1)
    values = np.array([1, 1, 1])
    papers = eie.simulate(matrix, values, eie.Hardware(n_pe=1))
    own = eie.simulate(matrix, values, eie.Hardware(n_pe=1, entry_rule=AbsoluteIndex()))
    assert (papers.counts.entries, own.counts.entries, own.counts.nnz) == (8, 2, 2)
    assert papers.cycles - own.cycles == 6
    placed = entries_by(AbsoluteIndex(), matrix)
    assert placed.entries.tolist() == [0 << 1 | 1, 100 << 1 | 1]
    assert np.array_equal(placed.decode(), codes)
    wider = eie.encode(codes, np.arange(16), n_pe=1)
    with pytest.raises(InputError, match="spmat_width_bits must be at least 16 to hold an entry of 11 bits"):
        eie.simulate(wider, values, eie.Hardware(n_pe=1, entry_rule=AbsoluteIndex(), spmat_width_bits=8))


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (Lost(), "Lost must lead back to each weight's row, but takes local row 0 for 1"),
        (TooWide(), "TooWide gives an index of 3, expected 0 to 1, 1 bits"),
        (NoBits(), "NoBits needs 13 bits an index, expected 1 to 12 beside codes of 4 bits"),
    ],
)
def test_an_entry_rule_that_loses_a_weight_is_refused(rule: EntryRule, sentence: str) -> None:
    """Before anything runs."""
    matrix = eie.encode(np.ones((4, 2), int), np.arange(16), n_pe=1)
    with pytest.raises(InputError, match=sentence):
        eie.simulate(matrix, np.ones(2), eie.Hardware(n_pe=1, entry_rule=rule))
