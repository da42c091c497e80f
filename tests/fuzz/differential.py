"""Every implementation on the same awkward layers: `python -m tests.fuzz.differential --layers 1000000 --seed 1`.

Encoder and decoder, reference, kernels of every instruction set and numerics, schedule and recurrence, stepped chip;
with `--rtl`, the SystemVerilog instead, every signal of every cycle, on layers for the chips of RTL_CHIPS.
Layer number n of a seed is always the same: `--first n --layers 1` draws it alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from eie import _native
from eie.chip import Hardware
from eie.chip.stepped import Chip
from eie.chip.timing import schedule_reference, simulate_matrix, timed_scans, workload
from eie.encoding.csc import encode_column
from eie.engine import KERNELS
from eie.engine.chain import Chain
from eie.engine.int8 import int8_layer
from eie.engine.int16 import int16_layer
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.model.reference import float_layer
from eie.program.arithmetic import chip_layer
from eie.program.lowering import lower, passes_of
from eie.silicon import verify
from fuzz.layers import Case, awkward_layer

__all__ = ["check", "check_number", "check_rtl", "main"]

Check = Callable[[int, int], None]

SUBSETS = {"encoder": 32, "recurrence": 4, "stepped": 32}  # of so many layers one: these are slow
INSTRUCTION_SETS = ("portable", "avx2")  # held down to, beside what the processor has

RTL_CHIPS = (  # few, as each is built; one that runs in batches and passes, one whose sums wrap, one of odd sizes
    Hardware(n_pe=4, queue_depth=2, register_entries=4, spmat_width_bits=64),
    Hardware(n_pe=1, queue_depth=3, register_entries=24, spmat_width_bits=16, accumulator_bits=16),
    Hardware(n_pe=5, queue_depth=8, register_entries=16, spmat_width_bits=32, accumulator_bits=32),
)


def check_number(seed: int, number: int) -> None:
    """Draw layer `number` of `seed` and check it. Raises AssertionError, saying which, for a difference."""
    rng = np.random.default_rng([seed, number])
    try:
        check(awkward_layer(rng), number)
    except Exception as error:
        raise AssertionError(f"layer {number} of seed {seed}: {type(error).__name__}: {error}") from error


def check(case: Case, number: int) -> None:
    """Assert that all implementations agree on one layer; those of SUBSETS look at every so many-th `number`."""
    matrix = case.layer.matrix
    matrix.validate()
    assert np.array_equal(matrix.decode(), case.codes), "decode does not give what was encoded"
    if number % SUBSETS["encoder"] == 0:
        check_encoder(case)
    check_kernels(case, KERNELS[number % len(KERNELS)])
    check_cycles(case, number)


def check_encoder(case: Case) -> None:
    """Every PE's columns are those of the rule as it is read."""
    matrix = case.layer.matrix
    for pe in range(matrix.n_pe):
        own = matrix.pointers[pe].astype(np.int64) + matrix.slice_starts[pe]
        for column in range(matrix.inputs):
            part = slice(int(own[column]), int(own[column + 1]))
            found = (matrix.codes[part].tolist(), matrix.relative_indices[part].tolist())
            assert found == encode_column(case.codes[pe :: matrix.n_pe, column], matrix.index_bits), "encoder"


def check_kernels(case: Case, kernel: str) -> None:
    """Integers bit for bit with every kernel; float32 within what rounding can do with one."""
    layer, formats = case.layer, case.layer.formats
    assert formats is not None
    reference = [chip_layer(layer, vector) for vector in case.activations]
    expected = np.ldexp(np.array([one.values for one in reference], np.float64), -formats.output_fraction)
    vectors = np.ldexp(case.activations, -formats.activation_fraction).astype(np.float32)
    references = {"int8": int8_layer, "int16": int16_layer}
    integers = {n: np.array([of(layer, vector).outputs for vector in vectors]) for n, of in references.items()}
    for exact_kernel in KERNELS:
        out, overflows = run(layer, "chip", exact_kernel, vectors)
        if out is not None:
            assert np.array_equal(out, expected), f"chip numerics of {exact_kernel} differ from the reference"
            assert overflows == sum(each.overflows for each in reference), f"overflows of {exact_kernel} differ"
        for numerics, outputs in integers.items():
            out, _ = run(layer, numerics, exact_kernel, vectors)
            if out is not None:
                assert np.array_equal(out, outputs), f"{numerics} of {exact_kernel} differs from the reference"
    out, _ = run(layer, "float32", kernel, vectors)
    if out is None:
        return
    exact = float_layer(layer, vectors.astype(np.float64))
    weights = np.abs(layer.matrix.dense().astype(np.float64))
    absolute = np.abs(vectors).astype(np.float64)
    sums = absolute @ weights.T + (0 if layer.bias is None else np.abs(layer.bias))
    assert np.all(np.abs(out - exact) <= 2e-6 * sums + 1e-30), f"float32 of {kernel} differs from the reference"


def run(layer: Layer, numerics: str, kernel: str, vectors: np.ndarray) -> tuple[np.ndarray | None, int]:
    """Return outputs and overflows, or None where the kernel does not take the layer or this processor has it not."""
    overflows = np.zeros(1, np.uint64)
    out = np.empty((len(vectors), layer.outputs), np.float32)
    try:
        chain = Chain([layer], numerics, 1, kernel)
    except InputError:
        assert kernel != "columns", "columns takes every layer"
        return None, 0
    assert chain.run(vectors, out, overflows)
    return out, int(overflows[0])


def check_cycles(case: Case, number: int) -> None:
    """Cycles and counts with every instruction set; the schedule is the recurrence's, and all is the stepped chip's."""
    matrix, activations = case.layer.matrix, case.activations[0]
    entry_bytes = -(-(matrix.code_bits + matrix.index_bits) // 8)
    width = max(case.spmat_width_bits, 8 * entry_bytes)
    entries = -(-max(matrix.shape) // matrix.n_pe)
    hardware = Hardware(
        n_pe=matrix.n_pe, queue_depth=case.queue_depth, spmat_width_bits=width, register_entries=entries
    )
    held = INSTRUCTION_SETS[number % 2]
    expected = simulate_matrix(matrix, activations, hardware)
    again = simulate_matrix(matrix, activations, hardware, instruction_set=held)
    assert (again.cycles, again.counts) == (expected.cycles, expected.counts), f"cycles differ with {held}"
    if number % SUBSETS["recurrence"] == 0:
        (timed,) = timed_scans(passes_of(matrix, hardware)[0], activations, hardware)
        durations = workload(matrix).durations[timed.columns, : matrix.n_pe].astype(np.int64)
        read = schedule_reference(timed.scan.gaps, durations, case.queue_depth)
        fast = timed.schedule(hardware)
        assert np.array_equal(fast.broadcast, read.broadcast), "broadcasts differ from the recurrence's"
        assert np.array_equal(fast.enter, read.enter), "starts differ from the recurrence's"
    if number % SUBSETS["stepped"] == 0 and case.layer.formats is not None and case.layer.formats.value_bits == 16:
        program = lower(Network((case.layer,)), replace(hardware, batched=True))
        (stepped,) = Chip(hardware).run(program, activations)
        assert (stepped.cycles, stepped.counts) == (expected.cycles, expected.counts), "the stepped chip's cycles"
        assert np.array_equal(stepped.outputs, chip_layer(case.layer, activations).values), "the stepped chip's outputs"


def check_rtl(seed: int, number: int) -> None:
    """Draw a layer for one of RTL_CHIPS, and hold every cycle of the SystemVerilog to the stepped chip's."""
    hardware = RTL_CHIPS[number % len(RTL_CHIPS)]
    widths = {name: getattr(hardware, name) for name in ("n_pe", "value_bits", "accumulator_bits")}
    case = awkward_layer(np.random.default_rng([seed, number]), code_bits=4, index_bits=4, **widths)
    formats = case.layer.formats
    assert formats is not None
    vector = np.ldexp(case.activations[0], -formats.activation_fraction)
    found = verify(Network((case.layer,)), vector, hardware)
    assert found.equal, f"layer {number} of seed {seed}, RTL: {found.difference or found.assertion}"


def check_block(block: tuple[Check, int, range]) -> int:
    """Check a range of numbers, and return how many they are."""
    warnings.simplefilter("ignore", RuntimeWarning)
    check_one, seed, numbers = block
    for number in numbers:
        check_one(seed, number)
    return len(numbers)


def main() -> None:
    """Check as many layers as are asked for, and say how many there were without a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first layer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rtl", action="store_true", help="the SystemVerilog, verilated")
    arguments = parser.parse_args()
    end = arguments.first + arguments.layers
    check_one, block = (check_rtl, 10) if arguments.rtl else (check_number, 1000)
    starts = range(arguments.first, end, block)
    blocks = [(check_one, arguments.seed, range(start, min(start + block, end))) for start in starts]
    began, done = time.monotonic(), 0

    def report(counts: Iterable[int]) -> None:
        nonlocal done
        for count in counts:
            done += count
            rate = done / (time.monotonic() - began)
            print(f"\r{done:,} layers without a difference, seed {arguments.seed}, {rate:.0f} a second", end="")
            sys.stdout.flush()

    if arguments.workers == 1:
        report(map(check_block, blocks))
    else:
        with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
            report(pool.imap_unordered(check_block, blocks))
    print(f"\n{_native.instruction_set()}, kernels {', '.join(KERNELS)}")


if __name__ == "__main__":
    main()
