import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eie.chip import Hardware, simulate
from eie.chip.timing import scan
from eie.encoding.csc import InterleavedCSC, encode
from eie.explore.dual_broadcast import cycles_in_pairs, paired

CODEBOOK = np.arange(16, dtype=np.float32)


def layer(seed: int, inputs: int, outputs: int, n_pe: int) -> tuple[InterleavedCSC, np.ndarray]:
    random = np.random.default_rng(seed)
    codes = random.integers(0, 16, (outputs, inputs)) * (random.random((outputs, inputs)) < 0.4)
    values = random.integers(1, 9, inputs) * (random.random(inputs) < 0.6)
    return encode(codes, CODEBOOK, n_pe=n_pe), values


def stepped(matrix: InterleavedCSC, values: np.ndarray, n_pe: int, depth: int) -> int:
    """The machine one broadcast at a time, from its rules, without the vectorised recurrence."""
    rows = -(-len(values) // n_pe)
    broadcasts: list[int] = []
    enters: list[np.ndarray] = []
    counts = []
    clock = 1  # the first cycle of the current row
    for row in range(rows):
        places = [p for p in range(row * n_pe, min(len(values), (row + 1) * n_pe)) if values[p]]
        last = None
        for number, column in enumerate(places):
            earliest = clock if last is None else last if number % 2 else last + 1
            k = len(broadcasts)
            if k >= depth - 1:
                earliest = max(earliest, int(enters[k - depth + 1].max()))
            before = enters[-1] + np.maximum(1, counts[-1]) if enters else np.zeros(n_pe, np.int64)
            broadcasts.append(earliest)
            enters.append(np.maximum(earliest + 2, before))
            counts.append(matrix.counts[:, column].astype(np.int64))
            last = earliest
        clock = clock + 1 if last is None else last + (1 if places[-1] % n_pe == n_pe - 1 else 2)
    ends = [clock]
    for enter, count in zip(enters, counts, strict=True):
        ends += [int(value) for value in enter + np.maximum(1, count)]
        ends += [int(e + c) + 5 for e, c in zip(enter, count, strict=True) if c]
    return max(ends) if enters else rows + 1


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(2, 5))
def test_cycles_are_those_of_the_machine_stepped(seed: int, inputs: int, outputs: int, n_pe: int, depth: int) -> None:
    """On small random layers, empty rows, columns and inputs included."""
    matrix, values = layer(seed, inputs, outputs, n_pe)
    hardware = Hardware(n_pe=n_pe, queue_depth=depth)
    assert cycles_in_pairs(matrix, values, hardware) == stepped(matrix, values, n_pe, depth)


@given(st.integers(0, 10**6))
def test_pairs_are_never_slower(seed: int) -> None:
    """A detector that may do more does not lose by it."""
    matrix, values = layer(seed, 60, 30, 4)
    hardware = Hardware(n_pe=4)
    assert cycles_in_pairs(matrix, values, hardware) <= simulate(matrix, values, hardware).cycles


def test_every_second_non_zero_of_a_row_goes_with_the_one_before() -> None:
    """Five in the first row of eight and three in the second: the pairs do not cross rows."""
    values = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0])
    assert paired(scan(values, 8), 8).gaps.tolist() == [1, 0, 1, 0, 1, 2, 0, 1]
