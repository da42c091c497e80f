"""The encoding of docs/hardware.md, E1 to E9: against its rule, its worked examples, and hostile arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eie
from eie.encoding.csc import encode_column
from eie.errors import InputError
from strategies import Case, layers

CODEBOOK = np.arange(16, dtype=np.float32)


def small() -> eie.InterleavedCSC:
    """A matrix with a padding entry: rows 0 and 20 of one column on one PE, and an empty column after it."""
    codes = np.zeros((21, 2), np.uint8)
    codes[[0, 20], 0] = 5
    return eie.encode(codes, CODEBOOK, n_pe=1)


def test_worked_example_of_the_paper() -> None:
    """PE 0 of 4 in the paper's Figures 2 and 3."""
    codes = np.zeros((16, 8), np.uint8)
    for column, rows in enumerate([[0, 8, 12], [4], [0, 12], [], [0, 4], [0, 12], [0], [8, 12]]):
        codes[rows, column] = 1
    matrix = eie.encode(codes, CODEBOOK, n_pe=4)
    assert matrix.relative_indices[:13].tolist() == [0, 1, 0, 1, 0, 2, 0, 0, 0, 2, 0, 2, 0]
    assert matrix.pointers[0].tolist() == [0, 3, 4, 6, 6, 8, 10, 11, 13]
    assert matrix.slice_starts.tolist() == [0, 13, 13, 13, 13]


def test_long_gap_is_bridged_by_padding() -> None:
    """The column 0 0 1 2, eighteen zeros, 3 has codes 1 2 0 3 and indices 2 0 15 2."""
    column = np.array([0, 0, 1, 2] + [0] * 18 + [3], np.uint8)
    matrix = eie.encode(column[:, None], CODEBOOK, n_pe=1)
    assert matrix.codes.tolist() == [1, 2, 0, 3]
    assert matrix.relative_indices.tolist() == [2, 0, 15, 2]
    assert encode_column(column) == ([1, 2, 0, 3], [2, 0, 15, 2])
    assert matrix.entries.tolist() == [0x21, 0x02, 0xF0, 0x23]


@given(layers(code_bits=(1, 8), index_bits=(1, 8)))
def test_encoding_is_the_rule_column_by_column(case: Case) -> None:
    """Every PE's column is what the readable rule makes of its rows, and decoding gives the codes back."""
    matrix = case.matrix
    matrix.validate()
    codes, indices = matrix.codes, matrix.relative_indices
    for pe in range(matrix.n_pe):
        for column in range(matrix.inputs):
            first, end = matrix.slice_starts[pe] + matrix.pointers[pe, column : column + 2].astype(int)
            expected = encode_column(case.codes[pe :: matrix.n_pe, column], matrix.index_bits)
            assert (codes[first:end].tolist(), indices[first:end].tolist()) == expected
    assert np.array_equal(matrix.decode(), case.codes)
    assert matrix.nnz == np.count_nonzero(case.codes)
    assert np.array_equal(matrix.dense(), case.codebook[case.codes])


@given(layers(), st.integers(1, 70), st.integers(1, 8))
def test_interleaving_again_is_encoding_anew(case: Case, n_pe: int, index_bits: int) -> None:
    """Another number of PEs or width of index gives the arrays that encoding would have given."""
    again = case.matrix.interleave(n_pe, index_bits)
    anew = eie.encode(case.codes, case.codebook, n_pe, index_bits)
    assert np.array_equal(again.entries, anew.entries)
    assert np.array_equal(again.pointers, anew.pointers)


@given(layers(), st.integers(1, 50))
def test_row_blocks_are_the_rows(case: Case, rows: int) -> None:
    """Blocks of rows, each encoded by itself, put together are the matrix."""
    blocks = list(case.matrix.row_blocks(rows))
    assert np.array_equal(np.concatenate([block.decode() for block in blocks]), case.codes)
    assert all(block.outputs <= rows for block in blocks)


@given(layers(code_bits=(2, 4)), st.data())
def test_damage_is_found_or_harmless(case: Case, data: st.DataObject) -> None:
    """Arrays with one value changed either break a rule, which is said, or are another valid matrix that decodes."""
    matrix = case.matrix
    entries, pointers = matrix.entries.copy(), matrix.pointers.copy()
    if len(entries) and data.draw(st.booleans()):
        entries[data.draw(st.integers(0, len(entries) - 1))] = data.draw(st.integers(0, 255))
    else:
        place = data.draw(st.integers(0, pointers.size - 1))
        pointers.flat[place] = data.draw(st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 20)))
    damaged = replace(matrix, entries=entries, pointers=pointers)
    try:
        damaged.validate()
    except InputError as error:
        assert str(error).startswith("not a valid encoding: ")
        with pytest.raises(InputError, match="not a valid encoding"):
            damaged.decode()
        return
    again = eie.encode(damaged.decode(), matrix.codebook, matrix.n_pe, matrix.index_bits)
    assert np.array_equal(again.entries, entries)
    assert np.array_equal(again.pointers, pointers)


@pytest.mark.parametrize(
    ("entries", "pointers", "sentence"),
    [
        ([0x05, 0xF0, 0x35], [[1, 3, 3]], "pointer 0 of PE 0 is 1, expected 0"),
        ([0x05, 0xF0, 0x35], [[0, 4, 3]], "pointer 1 of PE 0 is 4, past the PE's last entry, 3"),
        ([0x05, 0xF0, 0x35], [[0, 3, 2]], "pointer 1 of PE 0 is 3, past the PE's last entry, 2"),
        ([0x05, 0xF0, 0x35], [[0, 3, 9]], "pointer 2 of PE 0 is 9, past the 3 entries that are left"),
        (
            [0x05, 0xF0],
            [[0, 2, 2]],
            "entry 1 of PE 0, column 0, is padding and the last of its column, expected a weight",
        ),
        ([0x05, 0x50, 0x35], [[0, 3, 3]], "entry 1 of PE 0, column 0, is padding with relative index 5, expected 15"),
        ([0x05, 0xF0, 0x45], [[0, 3, 3]], "entry 2 of PE 0, column 0, is at local row 21, but the PE has 21 rows"),
        ([0x05, 0xF0, 0x35, 1], [[0, 3, 3]], "1 entries lie past the last PE's last pointer"),
    ],
)
def test_validate_names_the_first_fault(entries: list[int], pointers: list[list[int]], sentence: str) -> None:
    """Each rule that a hostile file can break has its own sentence."""
    matrix = replace(small(), entries=np.array(entries, np.uint8), pointers=np.array(pointers, np.uint32))
    with pytest.raises(InputError) as error:
        matrix.validate()
    assert str(error.value) == f"not a valid encoding: {sentence}"


def test_pointers_that_run_backwards() -> None:
    """A later pointer below an earlier one is refused."""
    matrix = replace(small(), pointers=np.array([[0, 3, 3]], np.uint32))
    matrix = eie.InterleavedCSC((21, 3), 1, 4, 4, CODEBOOK, matrix.entries, np.array([[0, 2, 1, 3]], np.uint32))
    with pytest.raises(InputError) as error:
        matrix.validate()
    assert str(error.value) == (
        "not a valid encoding: entry 1 of PE 0, column 0, is padding and the last of its column, expected a weight"
    )
    matrix = replace(matrix, pointers=np.array([[0, 3, 1, 3]], np.uint32))
    with pytest.raises(InputError) as error:
        matrix.validate()
    assert str(error.value) == "not a valid encoding: pointer 2 of PE 0 is 1, less than the one before it, 3"


@pytest.mark.parametrize(
    ("codes", "codebook", "options", "sentence"),
    [
        (
            np.zeros((2, 2), np.uint8),
            np.arange(5),
            {},
            "codebook must have 2, 4, 8, ... or 256 values, not the shape (5,)",
        ),
        (np.zeros((2, 2), np.uint8), np.arange(1, 17), {}, "codebook entry 0 must be 0, the pruned weight, not 1.0"),
        (
            np.zeros((2, 2), np.uint8),
            np.array([0, np.nan]),
            {},
            "codebook must be finite, but some of its values are NaN or infinite",
        ),
        (np.full((2, 2), 16), CODEBOOK, {}, "codes must be 0 to 15, the codebook's places, not 16"),
        (np.full((2, 2), -1), CODEBOOK, {}, "codes must be 0 to 15, the codebook's places, not -1"),
        (np.zeros((2, 2)), CODEBOOK, {}, "codes must be integers, not float64"),
        (
            np.zeros(4, int),
            CODEBOOK,
            {},
            "codes must be an (outputs, inputs) array with at least one of each, not (4,)",
        ),
        (
            np.zeros((0, 4), int),
            CODEBOOK,
            {},
            "codes must be an (outputs, inputs) array with at least one of each, not (0, 4)",
        ),
        (np.zeros((2, 2), int), CODEBOOK, {"n_pe": 0}, "n_pe must be an integer from 1 to 1024, not 0"),
        (np.zeros((2, 2), int), CODEBOOK, {"n_pe": 2000}, "n_pe must be an integer from 1 to 1024, not 2000"),
        (np.zeros((2, 2), int), CODEBOOK, {"index_bits": 9}, "index_bits must be an integer from 1 to 8, not 9"),
    ],
)
def test_encode_refuses(codes: np.ndarray, codebook: np.ndarray, options: dict[str, int], sentence: str) -> None:
    """What cannot be encoded is named with its value and what was expected."""
    with pytest.raises(InputError) as error:
        eie.encode(codes, codebook, **options)
    assert str(error.value) == sentence


def test_arrays_of_the_wrong_kind_are_refused() -> None:
    """A matrix put together by hand is checked for types and shapes before anything reads it."""
    with pytest.raises(InputError) as error:
        replace(small(), entries=np.zeros(3, np.int64))
    assert str(error.value) == "entries must be uint8, not int64"
    with pytest.raises(InputError) as error:
        replace(small(), pointers=np.zeros((2, 3), np.uint32))
    assert str(error.value) == "pointers must have shape (1, 3), not (2, 3)"


def test_encoded_arrays_cannot_be_changed() -> None:
    """What was validated stays valid."""
    with pytest.raises(ValueError, match="read-only"):
        small().entries[0] = 1


@given(case=layers(code_bits=(1, 8)), blocks=st.integers(1, 5))
def test_stacking_is_the_inverse_of_blocks(case: Case, blocks: int) -> None:
    """A matrix cut into blocks of rows and stacked again is the same."""
    rows = max(1, case.matrix.outputs // blocks)
    again = eie.InterleavedCSC.stack(list(case.matrix.row_blocks(rows)))
    assert again.shape == case.matrix.shape
    assert np.array_equal(again.entries, case.matrix.entries)
    assert np.array_equal(again.pointers, case.matrix.pointers)
