"""Every golden count, on every implementation that gives it."""

from __future__ import annotations

import pytest

import eie
from eie.chip.timing import simulate_matrix
from golden.layers import GENERATED, GoldenLayer, generated_layer, small_layers
from implementations import INSTRUCTION_SETS, readable_cycles, stepped_layer

SMALL_LAYERS = small_layers()


def check(golden: GoldenLayer, cycles: int, counts: eie.chip.Counts) -> None:
    found = {"cycles": cycles} | vars(counts)
    assert {name: found[name] for name in golden.counts} == golden.counts, golden.name


def check_recurrences(golden: GoldenLayer) -> None:
    """The readable recurrence gives the cycles; the native one, with each instruction set, all counts."""
    matrix = golden.layer.matrix
    assert readable_cycles(matrix, golden.activations, golden.hardware) == golden.counts["cycles"], golden.name
    for instruction_set in INSTRUCTION_SETS:
        result = simulate_matrix(matrix, golden.activations, golden.hardware, instruction_set=instruction_set)
        check(golden, result.cycles, result.counts)


def test_all_golden_layers_are_there() -> None:
    """Nine generated layers and two uneven ones; fifteen small ones, two of them in batches too."""
    assert (len(GENERATED), len(SMALL_LAYERS)) == (11, 17)


@pytest.mark.parametrize("golden", SMALL_LAYERS, ids=lambda layer: f"{layer.name}, R {layer.hardware.register_entries}")
def test_small_layers(golden: GoldenLayer) -> None:
    """Both recurrences, and the stepped chip with its outputs."""
    check_recurrences(golden)
    found = stepped_layer(golden.layer, golden.activations, golden.hardware)
    check(golden, found.cycles, found.counts)


@pytest.mark.parametrize("row", GENERATED, ids=lambda row: f"{row['layer']}-{row['seed']}")
def test_generated_layers(row: dict) -> None:
    """The layers of the paper's size, to the unit, on both recurrences."""
    check_recurrences(generated_layer(row))


@pytest.mark.slow
@pytest.mark.parametrize("row", GENERATED, ids=lambda row: f"{row['layer']}-{row['seed']}")
def test_generated_layers_stepped(row: dict) -> None:
    """The same on the stepped chip, in register files that hold the layer; every output is the reference's."""
    golden = generated_layer(row)
    matrix = golden.layer.matrix
    whole = -(-max(matrix.shape) // matrix.n_pe)
    hardware = eie.Hardware(**row["hardware"], register_entries=whole)
    found = stepped_layer(golden.layer, golden.activations, hardware)
    check(golden, found.cycles, found.counts)
