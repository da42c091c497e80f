"""Huffman codes: the least bits, back to the same symbols, and no harm from any bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie import _native
from eie.storage import huffman

symbols = st.lists(st.integers(0, 15), max_size=200).map(lambda values: np.array(values, np.uint8))


def bits(symbols: np.ndarray, lengths: np.ndarray) -> str:
    """The canonical code as it is defined: in order of length and symbol, each code one more than the one before."""
    codes, code, before = {}, 0, 0
    for symbol in sorted(np.flatnonzero(lengths), key=lambda s: (lengths[s], s)):
        code <<= int(lengths[symbol]) - before
        before = int(lengths[symbol])
        codes[symbol] = f"{code:0{before}b}"
        code += 1
    return "".join(codes[symbol] for symbol in symbols)


@given(values=symbols)
def test_symbols_come_back(values: np.ndarray) -> None:
    """Whatever they are, none or one kind of them too; and the bits are those of the canonical code."""
    data = huffman.encode(values, 16)
    assert np.array_equal(huffman.decode(data, 16, len(values)), values)
    text = "".join(f"{byte:08b}" for byte in data[16:])
    expected = bits(values, data[:16])
    assert text[: len(expected)] == expected
    assert huffman.coded_bits(np.bincount(values, minlength=16)) == len(expected)
    assert len(text) - len(expected) < 8


@given(counts=st.lists(st.integers(0, 1000), min_size=2, max_size=40))
def test_within_a_bit_of_the_entropy(counts: list[int]) -> None:
    """Huffman's bound, and Kraft's equality: nothing is wasted."""
    lengths = huffman.code_lengths(counts).astype(int)
    often = np.array(counts)
    assert np.array_equal(lengths > 0, often > 0)
    if np.count_nonzero(often) < 2:
        return
    part = often[often > 0] / often.sum()
    entropy = float(-(part * np.log2(part)).sum())
    assert entropy <= (lengths @ often) / often.sum() < entropy + 1
    assert np.sum(2.0 ** -lengths[often > 0]) == 1


def test_no_code_is_too_long() -> None:
    """Counts that are Fibonacci numbers make the longest codes; their length is limited to what the decoder accepts."""
    counts = [1, 1]
    while len(counts) < 60:
        counts.append(counts[-1] + counts[-2])
    lengths = huffman.code_lengths(counts)
    assert lengths.max() == huffman.LONGEST
    assert np.sum(2.0 ** -lengths.astype(float)) <= 1
    values = np.arange(60, dtype=np.uint8)
    assert np.array_equal(_native.huffman_decode(_native.huffman_encode(values, lengths), lengths, 60), values)


@given(data=st.binary(max_size=60), count=st.integers(0, 500))
def test_any_bytes_are_symbols_or_an_error(data: bytes, count: int) -> None:
    """A hostile code or stream never does more than raise."""
    try:
        found = huffman.decode(np.frombuffer(data, np.uint8), 16, count)
    except ValueError:
        return
    assert len(found) == count
    assert found.max(initial=0) < 16


def test_bytes_past_the_last_symbol_are_refused() -> None:
    """Nothing else may be in a file."""
    data = huffman.encode(np.array([1, 2, 1], np.uint8), 16)
    with pytest.raises(ValueError, match="there are 18 bytes, expected 17"):
        huffman.decode(np.append(data, np.uint8(0)), 16, 3)


@pytest.mark.parametrize(
    ("lengths", "data", "count", "sentence"),
    [
        ([1, 1, 1], [0], 1, "the code lengths are of no prefix code"),
        ([25, 1], [0], 1, "the code of symbol 0 has 25 bits, expected at most 24"),
        ([1, 2], [0], 9, "9 symbols do not fit 1 bytes"),
        ([1, 2], [0xFF], 1, "the bits end, or have no meaning, before the last symbol"),
        ([0, 0], [0xFF], 1, "the bits end, or have no meaning, before the last symbol"),
    ],
)
def test_refusals(lengths: list[int], data: list[int], count: int, sentence: str) -> None:
    """What is no prefix code, or ends too early, is said."""
    with pytest.raises(ValueError, match=sentence):
        _native.huffman_decode(np.array(data, np.uint8), np.array(lengths, np.uint8), count)
