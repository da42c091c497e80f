"""Types of the native module; each function's meaning is told where Python calls it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]
Entries = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

def rows_from_dense(dense: U8) -> tuple[I64, U32, U8]: ...
def dense_from_rows(starts: I64, columns: U32, codes: U8, outputs: int, inputs: int, most_bytes: int) -> U8: ...
def encode(
    starts: I64,
    columns: U32,
    codes: U8,
    outputs: int,
    inputs: int,
    n_pe: int,
    code_bits: int,
    index_bits: int,
    most_bytes: int,
) -> tuple[Entries, U32]: ...
def decode(entries: Entries, pointers: U32, outputs: int, code_bits: int, index_bits: int) -> tuple[I64, U32, U8]: ...
def check(entries: Entries, pointers: U32, outputs: int, code_bits: int, index_bits: int) -> str: ...
def cluster_optimal(
    values: npt.NDArray[np.float32], clusters: int, bucket_limit: int
) -> tuple[npt.NDArray[np.float32], float]: ...
def cluster_lloyd(
    values: npt.NDArray[np.float32], initial: npt.NDArray[np.float64], most_iterations: int
) -> tuple[npt.NDArray[np.float32], float, int]: ...
def flat_encode(
    starts: I64, columns: U32, codes: U8, inputs: int, index_bits: int, most_bytes: int
) -> tuple[U8, U8]: ...
def flat_decode(codes: U8, gaps: U8, outputs: int, inputs: int) -> tuple[I64, U32, U8]: ...
def huffman_encode(symbols: U8, lengths: U8) -> U8: ...
def huffman_decode(bytes: U8, lengths: U8, count: int) -> U8: ...
def workload(entries: Entries, pointers: U32, code_bits: int, arithmetic_units: int) -> tuple[U8 | U32, I64]: ...
def recurrence(
    durations: U8 | U32,
    columns: U32,
    gaps: U32,
    pointers: U32,
    queue_depth: int,
    credit_delay: int,
    instruction_set: str,
) -> tuple[int, I64, I64]: ...
def schedule(
    durations: U8 | U32,
    columns: U32,
    gaps: U32,
    n_pe: int,
    queue_depth: int,
    credit_delay: int,
    instruction_set: str,
) -> tuple[I64, I64]: ...
def traffic(pointers: U32, columns: U32, entries_per_row: int) -> tuple[I64, I64, I64]: ...
def instruction_set() -> str: ...
def compiler() -> str: ...

class LayerReport:
    kernel: str
    bytes: int
    few_kernel: str
    few_bytes: int
    few_below: int
    measured: list[tuple[str, float]]

class Network:
    def use_threads(self, threads: int) -> None: ...
    def add_layer(
        self,
        inputs: int,
        starts: I64,
        columns: U32,
        codes: U8,
        code_bits: int,
        codebook: npt.NDArray[np.float32],
        integers: npt.NDArray[np.int16],
        unit: float,
        bias: npt.NDArray[np.float32],
        chip_bias: I64,
        relu: bool,
        activation_fraction: int,
        output_fraction: int,
        value_bits: int,
        accumulator_bits: int,
        kernel: str,
        activity: tuple[float, float],
        most_bytes: int,
    ) -> LayerReport: ...
    def run(
        self, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32], overflows: npt.NDArray[np.uint64] | None
    ) -> bool: ...

Pair = tuple[int, int]
Sources = list[int]

class Plan:
    layers: int
    cache: int
    def use_threads(self, threads: int) -> None: ...
    def __init__(self, inputs: list[int], threads: int) -> None: ...
    def add_layers(self, sources: Sources, network: Network) -> int: ...
    def add_convolution(
        self,
        sources: Sources,
        numerics: str,
        image: tuple[int, int, int],
        kernel: Pair,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
        starts: I64,
        columns: U32,
        reals: npt.NDArray[np.float32],
        integers: npt.NDArray[np.int16],
        unit: float,
        bias: npt.NDArray[np.float32],
        chip_bias: I64,
        relu: bool,
        activation_fraction: int,
        output_fraction: int,
        value_bits: int,
        accumulator_bits: int,
        most_numbers: int,
    ) -> tuple[int, str, int]: ...
    def add_pooling(
        self, sources: Sources, image: tuple[int, int, int], kernel: Pair, stride: Pair, padding: Pair, largest: bool
    ) -> int: ...
    def add_affine(
        self, sources: Sources, rows: int, pixels: int, scale: npt.NDArray[np.float32], shift: npt.NDArray[np.float32]
    ) -> int: ...
    def add_function(self, sources: Sources, name: str, size: int, rows: int) -> int: ...
    def add_combination(self, sources: Sources, size: int, terms: int, sum: bool) -> int: ...
    def add_gather(self, sources: Sources, size: int, index: npt.NDArray[np.signedinteger]) -> int: ...
    def add_matmul(self, sources: Sources, count: int, rows: int, inner: int, columns: int) -> int: ...
    def add_attention(
        self, sources: Sources, rows: int, heads: int, width: int, capacity: int, scale: float
    ) -> int: ...
    def add_normalisation(self, sources: Sources, rows: int, size: int, epsilon: float, centred: bool) -> int: ...
    def add_reduction(self, sources: Sources, rows: int, size: int, function: str) -> int: ...
    def add_embedding(
        self,
        sources: Sources,
        places: int,
        starts: I64,
        rows: U32,
        codes: U8,
        book: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
    ) -> int: ...
    def add_dense_embedding(
        self, sources: Sources, places: int, table: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]
    ) -> int: ...
    def add_rows(self, sources: Sources, rows: int, network: Network) -> int: ...
    def add_dense_rows(
        self, sources: Sources, rows: int, weights: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], relu: bool
    ) -> int: ...
    def add_dense(
        self, sources: Sources, weights: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], relu: bool
    ) -> int: ...
    def add_recurrent(
        self,
        sources: Sources,
        lstm: bool,
        steps: int,
        features: int,
        last_only: bool,
        takes_state: bool,
        gives_memory: bool,
        network: Network,
    ) -> int: ...
    def add_dense_recurrent(
        self,
        sources: Sources,
        lstm: bool,
        steps: int,
        features: int,
        last_only: bool,
        takes_state: bool,
        gives_memory: bool,
        weights: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
    ) -> int: ...
    def finish(self, outputs: list[int], most_bytes: int) -> None: ...
    def run(
        self,
        x: Sequence[npt.NDArray[np.float32]],
        y: Sequence[npt.NDArray[np.float32]],
        overflows: npt.NDArray[np.uint64],
        cache: npt.NDArray[np.float32] | None = None,
        first: int = 0,
    ) -> int: ...

def function_names() -> list[str]: ...

PLAN_DONE: int
PLAN_BAD_INPUT: int

def make_network(numerics: str, threads: int) -> Network: ...
def kernel_names() -> list[str]: ...
