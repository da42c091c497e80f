"""Types of the native module; each function's meaning is told where Python calls it."""

from typing import Any

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]
Entries = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

def rows_from_dense(dense: U8) -> tuple[I64, U32, U8]: ...
def dense_from_rows(starts: I64, columns: U32, codes: U8, outputs: int, inputs: int) -> U8: ...
def encode(
    starts: I64, columns: U32, codes: U8, outputs: int, inputs: int, n_pe: int, code_bits: int, index_bits: int
) -> tuple[Entries, U32]: ...
def decode(entries: Entries, pointers: U32, outputs: int, code_bits: int, index_bits: int) -> tuple[I64, U32, U8]: ...
def check(entries: Entries, pointers: U32, outputs: int, code_bits: int, index_bits: int) -> str: ...
def recurrence(
    durations: npt.NDArray[Any], columns: U32, gaps: U32, last_active: npt.NDArray[np.int64], queue_depth: int,
    instruction_set: str,
) -> tuple[int, I64, I64]: ...
