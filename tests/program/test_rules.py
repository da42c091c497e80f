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
from eie.program import BalancedRows, InOrderScan, RowAssignment, Scan, ScanRule
from eie.program.lowering import lower
from eie.silicon import Parameters
from strategies import Case, layers

FORMATS = eie.Formats(0, 12)


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


MACHINES: dict[str, dict[str, Any]] = {
    "balanced rows": {"row_assignment": BalancedRows()},
    "own row order": {"row_assignment": Backwards()},
    "two broadcasts a cycle": {"scan_rule": InOrderScan(2)},
    "five broadcasts a cycle": {"scan_rule": InOrderScan(5)},
    "own scan": {"scan_rule": EmptyRowsSkipped()},
    "two arithmetic units": {"arithmetic_units": 2},
    "all at once": {"row_assignment": BalancedRows(), "scan_rule": InOrderScan(3), "arithmetic_units": 3},
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
