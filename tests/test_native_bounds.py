"""What native code is given sizes and indexes its buffers: nothing leads outside of one, or costs without limit."""

from __future__ import annotations

import numpy as np
import pytest

import eie.encoding.csc
from eie import _native
from eie.encoding.csc import InterleavedCSC, RowCodes, encode, from_rows
from eie.encoding.flat import flatten
from eie.errors import InputError
from eie.storage.packing import pack, unpack

BOOK = np.array([0, 1], np.float32)
LIMIT = 2**32


def last_row_full(outputs: int, inputs: int) -> RowCodes:
    """Return a matrix that has weights in its last row only, and all of them."""
    starts = np.zeros(outputs + 1, np.int64)
    starts[-1] = inputs
    return RowCodes(starts, np.arange(inputs, dtype=np.uint32), np.ones(inputs, np.uint8))


def test_entries_beyond_32_bit_pointers_are_refused() -> None:
    """2^24 columns of 255 paddings and a weight are 2^32 entries: counted in 64 bits, and refused by name."""
    with pytest.raises(InputError) as error:
        from_rows(last_row_full(512, 2**24), (512, 2**24), BOOK, 1, 1)
    assert str(error.value) == (
        "PE 0 of 1 would have 4294967296 entries with 1 index bits, more than 32-bit pointers reach: use more of either"
    )


def test_interleaving_again_is_refused_where_padding_explodes() -> None:
    """A small matrix of many PEs, whose rows then all lie on one PE."""
    small = from_rows(last_row_full(2**20, 2**14), (2**20, 2**14), BOOK, 64, 8)
    assert small.n_entries == 2**20
    with pytest.raises(InputError) as error:
        small.interleave(1, 1)
    assert str(error.value) == (
        "PE 0 of 1 would have 8589934592 entries with 1 index bits, more than 32-bit pointers reach: use more of either"
    )


def test_memory_is_bounded_before_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pointers, entries and dense codes are counted first; the sentence has the bytes and the limit."""
    empty = RowCodes(np.zeros(2, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.uint8))
    with pytest.raises(InputError) as error:
        from_rows(empty, (1, 2**24), BOOK, 1024, 8)
    assert str(error.value) == (
        "the pointers and entries of 1 x 16777216 weights on 1024 PEs with 8 index bits would take 68719480832 bytes, "
        "more than the limit of 4294967296"
    )
    matrix = from_rows(last_row_full(4000, 2), (4000, 2), BOOK, 2, 1)
    monkeypatch.setattr(eie.encoding.csc, "MAX_BYTES", 2000)
    with pytest.raises(InputError, match=r"^the pointers and entries of 4000 x 2 weights on 1 PEs .* take 4012 b"):
        matrix.interleave(1)
    with pytest.raises(InputError) as error:
        matrix.decode()
    assert str(error.value) == "4000 x 2 codes would take 8000 bytes, more than the limit of 2000"


def test_flat_streams_are_bounded_and_packing_goes_round_it() -> None:
    """Fillers are counted before they are written; packing takes an index width that it can afford."""
    rows = RowCodes(np.array([0] * 2048 + [1], np.int64), np.array([2**22 - 1], np.uint32), np.ones(1, np.uint8))
    matrix = from_rows(rows, (2048, 2**22), BOOK, 1, 8)
    with pytest.raises(InputError) as error:
        flatten(matrix, 1)
    assert str(error.value) == (
        "the flat stream of 2048 x 4194304 weights with 1 index bits would take 8589934592 bytes, "
        f"more than the limit of {LIMIT}"
    )


def test_packing_skips_index_widths_that_cost_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix with few weights far apart is packed with wide indices, and unpacks to itself."""
    codes = np.zeros((300, 300), np.int64)
    codes[-1, -1] = 1
    matrix = encode(codes, BOOK)
    monkeypatch.setattr("eie.encoding.flat.MAX_BYTES", 2 * 90_000 // 200)
    packed = pack(matrix)
    assert packed.index_bits == 8
    assert np.array_equal(unpack(packed, matrix.shape, BOOK, 64, 4).decode(), codes)


def rows(starts: list[int], columns: list[int], codes: list[int]) -> RowCodes:
    return RowCodes(np.array(starts, np.int64), np.array(columns, np.uint32), np.array(codes, np.uint8))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (rows([0, 3], [0, 2, 1], [1, 1, 1]), "there are 2 row starts, expected outputs + 1 for 2 x 3 weights"),
        (rows([0, 2, 3], [0, 2, 1], [1, 1]), "there are 2 codes and 3 columns, expected as many of both"),
        (rows([0, 2, 4], [0, 2, 1], [1, 1, 1]), "row starts are 0 to 4, expected 0 to 3, the weights"),
        (rows([1, 2, 3], [0, 2, 1], [1, 1, 1]), "row starts are 1 to 3, expected 0 to 3, the weights"),
        (rows([0, 9, 3], [0, 1, 2], [1, 1, 1]), "row 2 starts at 3, before the row above, which starts at 9"),
        (rows([0, -5, 3], [0, 2, 1], [1, 1, 1]), "row 1 starts at -5, before the row above, which starts at 0"),
        (rows([0, 2, 3], [0, 3, 1], [1, 1, 1]), "column 3 of row 0 is not above the one before it and below 3"),
        (rows([0, 2, 3], [2, 2, 1], [1, 1, 1]), "column 2 of row 0 is not above the one before it and below 3"),
    ],
)
def test_rows_that_lead_outside_are_refused(given: RowCodes, sentence: str) -> None:
    """By every function that takes codes by row."""
    calls = (
        lambda: _native.encode(*given, 2, 3, 1, 1, 4, LIMIT),
        lambda: _native.dense_from_rows(*given, 2, 3, LIMIT),
        lambda: add_layer(given),
    )
    for call in calls if len(given.starts) == 3 else calls[:2]:
        with pytest.raises(ValueError) as error:  # noqa: PT011 - the sentence is looked at below
            call()
        assert str(error.value) == sentence


def add_layer(given: RowCodes, **changed: object) -> None:
    """Add a layer of 2 outputs and 3 inputs to a new native network."""
    arguments: dict[str, object] = {
        "inputs": 3,
        "code_bits": 1,
        "codebook": BOOK,
        "integers": np.array([0, 8191], np.int16),
        "unit": 1.0,
        "bias": np.zeros(0, np.float32),
        "chip_bias": np.zeros(0, np.int64),
        "relu": False,
        "activation_fraction": 0,
        "output_fraction": 0,
        "value_bits": 16,
        "accumulator_bits": 24,
        "kernel": "columns",
        "activity": (0.0, 1.0),
        "most_bytes": 2**62,
    } | changed
    network = _native.make_network("int16", 1)
    network.add_layer(starts=given.starts, columns=given.columns, codes=given.codes, **arguments)


@pytest.mark.parametrize(
    "changed",
    [
        {"bias": np.zeros(1, np.float32)},
        {"chip_bias": np.zeros(3, np.int64)},
        {"codebook": np.zeros(4, np.float32)},
        {"integers": np.zeros(4, np.int16)},
        {"integers": np.array([0, 8192], np.int16)},
        {"code_bits": 9},
        {"value_bits": 17},
        {"accumulator_bits": 0},
    ],
)
def test_layers_whose_parts_do_not_fit_are_refused(changed: dict[str, object]) -> None:
    """Each part by itself; the layer as it is can be added."""
    good = rows([0, 2, 3], [0, 2, 1], [1, 1, 1])
    add_layer(good)
    with pytest.raises(ValueError, match="do not fit each other"):
        add_layer(good, **changed)


def test_codes_outside_the_codebook_are_refused() -> None:
    """They would be looked up beyond its end."""
    for code in (0, 2, 200):
        with pytest.raises(ValueError, match=f"^code {code} is not one of the codebook's, 1 to 1$"):
            add_layer(rows([0, 2, 3], [0, 2, 1], [1, code, 1]))


def test_a_network_without_layers_is_not_run() -> None:
    with pytest.raises(ValueError, match=r"^the network has no layers$"):
        _native.make_network("int16", 1).run(np.zeros(1, np.float32), np.zeros(1, np.float32), np.zeros(0, np.uint64))


def test_a_matrix_that_changes_after_validation_leads_nowhere() -> None:
    """Somebody who still can write to the arrays, or to a mapped file, gets an error, not somebody else's memory."""
    codes = np.random.default_rng(1).integers(0, 2, (40, 30))
    for part in ("entries", "pointers"):
        good = encode(codes, BOOK, n_pe=4)
        array = np.array(getattr(good, part))
        arrays = {"entries": good.entries, "pointers": good.pointers} | {part: array}
        matrix = InterleavedCSC(good.shape, 4, 4, 1, BOOK, arrays["entries"], arrays["pointers"])
        matrix.validate()
        array[array.nonzero()] = np.iinfo(array.dtype).max
        given = (arrays["entries"], arrays["pointers"])
        with pytest.raises(ValueError, match="has changed since it was validated"):
            _native.decode(*given, 40, 1, 4)
    with pytest.raises(ValueError, match="has changed since it was validated"):
        _native.workload(*given, 1, 1)


def test_scans_that_lead_outside_are_refused() -> None:
    """Columns, gaps, pointers and queue against the durations that they index."""
    matrix = encode(np.ones((4, 5), np.int64), BOOK, n_pe=2)
    durations, _ = _native.workload(matrix.entries, matrix.pointers, 1, 1)
    columns, gaps = np.arange(5, dtype=np.uint32), np.ones(5, np.uint32)

    def recurrence(columns=columns, gaps=gaps, pointers=matrix.pointers, queue_depth=8, credit_delay=0) -> None:
        _native.recurrence(durations, columns, gaps, pointers, queue_depth, credit_delay, "")

    recurrence()
    for changed, sentence in (
        ({"columns": columns + np.uint32(1)}, "column 5 is not one of the 5 inputs"),
        ({"gaps": gaps[:3]}, "there are 5 columns and 3 gaps, expected as many of both"),
        ({"pointers": matrix.pointers[:, :4].copy()}, "4 pointers do not fit durations of 5 columns"),
        ({"queue_depth": 1}, "queue_depth must be 2 to 1048576, not 1"),
        ({"queue_depth": 2**30}, "queue_depth must be 2 to 1048576, not 1073741824"),
        ({"credit_delay": -1}, "credit_delay must be 0 to 1048576, not -1"),
    ):
        with pytest.raises(ValueError) as error:  # noqa: PT011 - the sentence is looked at below
            recurrence(**changed)
        assert str(error.value) == sentence
    with pytest.raises(ValueError, match=r"^33 PEs do not fit durations of 32 lanes$"):
        _native.schedule(durations, columns, gaps, 33, 8, 0, "")
    with pytest.raises(ValueError, match=r"^column 5 is not one of the 5 inputs$"):
        _native.traffic(matrix.pointers.T.copy(), columns + np.uint32(1), 8)
