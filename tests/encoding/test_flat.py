"""The flat stream: the rule as it is read, and back to the same matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie.encoding.csc import encode_column
from eie.encoding.flat import FlatStream, flatten, unflatten
from eie.errors import InputError
from strategies import Case, layers


@given(case=layers(code_bits=(1, 8)), index_bits=st.integers(1, 8))
def test_a_flat_stream_is_one_long_column(case: Case, index_bits: int) -> None:
    """The rows in a row follow the rule of the chip's columns; unflattening gives the matrix."""
    stream = flatten(case.matrix, index_bits)
    codes, gaps = encode_column(case.codes.ravel(), index_bits)
    assert stream.codes.tolist() == codes
    assert stream.gaps.tolist() == gaps
    back = unflatten(stream, case.matrix.shape, case.matrix.codebook, case.matrix.n_pe, case.matrix.index_bits)
    assert np.array_equal(back.entries, case.matrix.entries)
    assert np.array_equal(back.pointers, case.matrix.pointers)


@given(codes=st.binary(max_size=40), gaps=st.binary(max_size=40))
def test_any_stream_is_a_matrix_or_a_sentence(codes: bytes, gaps: bytes) -> None:
    """Hostile streams never do more than raise."""
    stream = FlatStream(*(np.frombuffer(part, np.uint8) for part in (codes, gaps)))
    try:
        matrix = unflatten(stream, (20, 30), np.arange(256, dtype=np.float32), 4, 4)
    except InputError:
        return
    matrix.validate()
    assert matrix.nnz == sum(code != 0 for code in codes)


def test_refusals() -> None:
    """An entry past the end, and parts of two lengths."""
    book = np.arange(16, dtype=np.float32)
    with pytest.raises(InputError) as error:
        unflatten(FlatStream(np.ones(2, np.uint8), np.array([5, 0], np.uint8)), (2, 3), book, 1, 4)
    assert str(error.value) == "not a flat stream of 2 x 3 weights: entry 1 lies past the last of the matrix's 2 rows"
    with pytest.raises(InputError) as error:
        unflatten(FlatStream(np.ones(2, np.uint8), np.ones(1, np.uint8)), (2, 3), book, 1, 4)
    assert str(error.value) == (
        "not a flat stream of 2 x 3 weights: there are 2 codes and 1 relative indices, expected as many of both"
    )
