"""What an encoded matrix takes in memory at most, known from its sizes before it is made."""

from __future__ import annotations

__all__ = ["matrix_bytes"]

_ROW_BYTES = 8  # of the weights by row: where a row starts,
_ROW_WEIGHT_BYTES = 5  # and each weight's column and code


def matrix_bytes(
    outputs: int, inputs: int, n_pe: int, code_bits: int, index_bits: int, weights: int, entries: int | None = None
) -> int:
    """Return the bytes of pointers, entries and weights by row; `entries` is how many there are, where that is known.

    A gap of g zeros takes g / 2^index_bits entries of padding. All gaps together are no longer than the matrix, and
    none is longer than a PE's rows.
    """
    if entries is None:
        gaps = min(outputs * inputs, weights * -(-outputs // n_pe))
        entries = weights + gaps // 2**index_bits
    entry_bytes = 1 if code_bits + index_bits <= 8 else 2
    by_row = _ROW_BYTES * (outputs + 1) + _ROW_WEIGHT_BYTES * weights
    return 4 * n_pe * (inputs + 1) + entry_bytes * entries + by_row
