"""Weights outside the chip: the numbers by hand from bytes and bandwidth, and words that follow from them."""

from collections.abc import Iterator

import pytest

import eie
from eie.chip import Hardware
from eie.cost import load_external_memory, stream_matrix
from eie.paper import Study, external
from eie.paper.comparison import Reproduction
from eie.support.tables import shown
from eie.workloads.layers import Benchmark, draw, generate


@pytest.fixture(scope="module")
def found() -> Iterator[Reproduction]:
    """The reproduction with smaller layers in place of the language model's."""
    patch = pytest.MonkeyPatch()
    patch.setattr(external, "CHIPS", (Hardware(n_pe=8), Hardware(n_pe=16)))
    small = (Benchmark("LM-up", 2048, 8192, 0.5, 1.0, "", 1), Benchmark("LM-down", 8192, 2048, 0.5, 0.03, "", 2))
    patch.setattr(external, "LANGUAGE_MODEL", small)
    patch.setattr(external, "DENSITIES", (0.25, 0.6))
    patch.setattr(Study, "layer", lambda self, name: generate("Alex-8"))  # smaller than VGG-6, and too much for 8 PEs
    yield external.reproduce(Study())
    patch.undo()


def test_dense_machines_read_their_weights_and_nothing_else(found: Reproduction) -> None:
    """A dense layer of 2048 x 8192 at 4 bits is 8,388,608 bytes: over the bandwidth, and the latency."""
    dense_us = 0.1 + 2048 * 8192 / 2 / 256_000
    numbers = {(one.labels["case"], one.labels["rival"]): one for one in found.comparisons}
    layer = draw(external.LANGUAGE_MODEL[0])
    for n_pe in (8, 16):
        case = f"LM-up, hbm2, {n_pe} PEs"
        matrix = eie.encode(layer.codes, layer.codebook, n_pe=n_pe)
        one = stream_matrix(matrix, layer.activations, Hardware(n_pe=n_pe), load_external_memory("hbm2"))
        ratio = numbers[case, "dense 4-bit"]
        assert ratio.ours == pytest.approx(dense_us / one.latency_us)
        assert numbers[case, "dense 4-bit that skips zeros"].ours == ratio.ours  # all inputs are active
        assert ratio.note.startswith(f"{shown(one.latency_us)} µs, bound by ")


def test_the_words_follow_from_the_numbers(found: Reproduction) -> None:
    """What bounds each case is counted, PEs that a memory feeds worked out, and the end of the advantage bracketed."""
    notes = {one.labels["case"]: one.note for one in found.comparisons if " at " not in str(one.labels["case"])}
    bound = sum("bound by memory" in note for note in notes.values())
    assert found.verdict.startswith(f"In {bound} of {len(notes)} cases the memory bounds the time")
    assert "lpddr4 feeds 16, hbm2 feeds 320 PEs" in found.verdict
    assert external._end({0.1: 2.0, 0.4: 0.9}).startswith("Against a dense 4-bit machine that skips the same zeros")
    assert "between 10% and 40%" in external._end({0.1: 2.0, 0.4: 0.9})
    assert "behind" in external._end({0.1: 0.5})
    assert found.agreement is None
