"""The table of layers: runs of the stepped chip beside the layers' own cycles and outputs; words; what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import eie
from eie.chip.stepped import run_from_table
from eie.errors import InputError
from eie.program import layer_table
from eie.program.host import HostWords
from eie.program.lowering import lower, lower_run
from eie.program.table import LayerTable, StepKind
from eie.silicon.host_words import counted, run_words, table_words
from eie.silicon.parameters import Parameters
from silicon.networks import random_network

# Layers and hardware: in the files alone; through the SRAM; the first in the file and the next ones stored; one PE.
RUNS = [
    ([12, 9, 5, 7], {"n_pe": 3, "register_entries": 4}),
    ([30, 15, 7], {"n_pe": 3, "register_entries": 4}),
    ([8, 8, 8, 8], {"n_pe": 4, "register_entries": 1, "queue_depth": 2}),
    ([5, 20, 3, 14], {"n_pe": 2, "register_entries": 4, "broadcast_stages": 2}),
    ([5, 9, 3], {"n_pe": 1, "register_entries": 3}),
]


def network_of(layers: list[int], n_pe: int) -> tuple[eie.Network, np.ndarray]:
    x = np.random.default_rng(len(layers)).normal(size=layers[0])
    return eie.calibrate(random_network(1, layers, n_pe), x), x


def table_of(layers: list[int], sizes: dict[str, int]) -> LayerTable:
    network, _ = network_of(layers, sizes["n_pe"])
    return layer_table(lower(network, eie.Hardware(**sizes, batched=True)))


@pytest.mark.parametrize(("layers", "sizes"), RUNS)
def test_a_run_is_its_layers(layers: list[int], sizes: dict[str, int]) -> None:
    """Outputs are the reference's; cycles are those of the layers' scans, and what L3 adds for each step."""
    network, x = network_of(layers, sizes["n_pe"])
    hardware = eie.Hardware(**sizes, batched=True)
    alone = eie.simulate_network(network, x, hardware)
    run = run_from_table(network, x, hardware)
    assert np.array_equal(run.outputs, alone[-1].outputs)
    added = 0
    for layer in alone:
        passes = layer.lowered.passes
        several = len(passes) > 1
        added += 2 + 2**layer.layer.matrix.code_bits
        for part in passes:
            rows = -(-part.matrix.outputs // sizes["n_pe"])
            added += (2 + rows) * (1 + several) + 2 * len(part.batches)
            added += part.batches[0].rows if len(part.batches) > 1 else 0
    assert run.table.extra_cycles == added
    assert run.cycles == sum(layer.simulation.cycles for layer in alone) + added


@pytest.mark.parametrize(("layers", "sizes"), RUNS)
def test_words_are_those_that_go_to_the_chip(layers: list[int], sizes: dict[str, int]) -> None:
    """Counted by the rule, and one by one."""
    table = table_of(layers, sizes)
    parameters = Parameters.of(table.program, table)
    loaded = sum(map(len, table_words(table, parameters)))
    words = b"".join(some.tobytes() for some in run_words(table, np.zeros(layers[0], np.int64), parameters))
    assert table.host_words() == replace(counted(words, parameters), model=loaded)


@pytest.mark.parametrize(("layers", "sizes"), RUNS)
def test_nothing_in_the_sram_is_written_over(layers: list[int], sizes: dict[str, int]) -> None:
    """A row is read as it was written: by the host, or by the latest store; stores stay off the constants."""
    table = table_of(layers, sizes)
    written = dict.fromkeys(range(table.first_constant, table.needs.words), "constant")
    if not table.inputs_in_file:
        written |= dict.fromkeys(range(-(-layers[0] // sizes["n_pe"])), "fc0")
    number = -1
    for step in table.steps:
        rows = range(step.first_word, step.first_word + (step.codes or step.rows))
        number += step.kind is StepKind.CODEBOOK
        if step.kind is StepKind.STORE:
            assert rows.stop <= table.first_constant
            written |= dict.fromkeys(rows, f"fc{number + 1}")
        elif step.kind is not StepKind.SCAN:
            assert {written[word] for word in rows} == {"constant"}
        elif step.load:
            assert {written[word] for word in rows} == {f"fc{number}"}


def test_equal_constants_lie_there_once() -> None:
    """Three layers of one codebook without bias: it, and one row of zeros."""
    matrix = eie.encode(np.ones((4, 4), int), np.arange(16) / 16, 4)
    layer = eie.Layer("a", matrix, formats=eie.Formats(0, 15))
    chain = eie.Network((layer, replace(layer, name="b"), replace(layer, name="c")))
    table = layer_table(lower(chain, eie.Hardware(n_pe=4, batched=True)))
    assert len(table.constants) == 16 + 1
    assert table.host_words() == HostWords(
        model=3 * 5 * 4 + 3 * 4 + 17 * 4 + 9 * 5, inputs=4, presets=0, settings=2, reads=4
    )


@pytest.mark.parametrize(
    ("hardware", "sentence"),
    [
        (
            eie.Hardware(n_pe=2, arithmetic_units=2),
            "a table of layers follows the paper's rules, and arithmetic_units is 2",
        ),
        (
            eie.Hardware(n_pe=2, value_bits=8, accumulator_bits=16),
            "the bias of layer fc0 reaches",
        ),
    ],
)
def test_what_cannot_run_is_refused(hardware: eie.Hardware, sentence: str) -> None:
    """In one sentence, before anything runs."""
    network = random_network(2, [6, 4], 2)
    bias = replace(network.layers[0], bias=np.full(4, 300.0, np.float32))
    wide = eie.Network(
        (
            replace(
                bias, formats=eie.Formats(0, hardware.value_bits - 1, hardware.value_bits, hardware.accumulator_bits)
            ),
        )
    )
    with pytest.raises(InputError, match=sentence):
        run_from_table(wide, np.ones(6), hardware)


def test_layers_of_different_codes_are_refused() -> None:
    """The chip has one width of codes."""
    one = eie.Layer("a", eie.encode(np.ones((4, 4), int), np.arange(16) / 16, 2))
    other = eie.Layer("b", eie.encode(np.ones((4, 4), int), np.arange(8) / 8, 2))
    run = lower_run(eie.Network((one, other)), np.ones(4), eie.Hardware(n_pe=2))
    with pytest.raises(InputError, match="a table of layers has one code_bits, not 3 and 4"):
        layer_table(run.program)
