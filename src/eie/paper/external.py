"""Beyond the paper: weights that do not fit the chip, read from an external memory, and where EIE's advantage ends.

The rivals are dense machines that read all weights from the same memory while they compute, at their best: computing
hides behind reading, so they are bounded by the memory alone. One of them skips the columns of inputs that are zero, as
EIE does. A weight of EIE's takes a byte, code and index; a dense one 4 or 16 bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from eie.chip import Hardware
from eie.cost import ExternalMemory, Stream, Technology, cost_with_streams, load_external_memory, stream_matrix
from eie.encoding.csc import encode
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.paper.study import Study
from eie.support.tables import Column, Provenance, shown
from eie.workloads.layers import Benchmark, LayerData, draw

__all__ = ["reproduce"]

MEMORIES = ("lpddr4", "hbm2")
CHIPS = (Hardware(), Hardware(n_pe=256))

# The feed-forward layers of OPT-6.7B (arXiv 2205.01068); half the weights kept as by SparseGPT (arXiv 2301.00774);
# 97 % of the second's inputs zero (LLM in a Flash, arXiv 2312.11514).
LANGUAGE_MODEL = (
    Benchmark("LM-up", 4096, 16384, 0.5, 1.0, "OPT-6.7B", 1),
    Benchmark("LM-down", 16384, 4096, 0.5, 0.03, "OPT-6.7B", 2),
)
# The same second layer pruned further and less, to find where the advantage ends.
DENSITIES = (0.1, 0.25, 0.4, 0.5)

LIKE_EIE = "dense 4-bit that skips zeros"
RIVALS = {  # bits of a weight, and whether columns of inputs that are zero are skipped
    "dense 16-bit": (16, False),
    "dense 4-bit": (4, False),
    LIKE_EIE: (4, True),
}


def reproduce(study: Study) -> Reproduction:
    """How much faster than dense machines EIE is where weights are outside; time, bound and energy are in the notes."""
    memories = [load_external_memory(name) for name in MEMORIES]
    streams: dict[str, Stream] = {}
    comparisons: list[Comparison] = []
    for layer, name in [
        (study.layer("VGG-6"), "VGG-6"),
        *((draw(one, exact=True), one.name) for one in LANGUAGE_MODEL),
    ]:
        for hardware in CHIPS:
            for memory, one in _streamed(layer, hardware, memories):
                streams[f"{name}, {memory.name}, {hardware.n_pe} PEs"] = one
                comparisons += _rows(f"{name}, {memory.name}, {hardware.n_pe} PEs", one, layer, study.technology)
    ends: dict[float, float] = {}
    down, chip, fastest = LANGUAGE_MODEL[-1], CHIPS[-1], memories[-1]
    for density in DENSITIES:
        layer = draw(replace(down, weight_density=density), exact=True)
        for memory, one in _streamed(layer, chip, [fastest]):
            rows = _rows(f"{down.name} at {density:.0%}, {memory.name}, {chip.n_pe} PEs", one, layer, study.technology)
            comparisons += rows
            ends[density] = next(row.ours or 0.0 for row in rows if row.labels["rival"] == LIKE_EIE)
    return Reproduction(
        name="external",
        title="Beyond the paper: weights outside the chip",
        source="none: the paper keeps all weights on the chip",
        labels=(Column("case", "layer, memory, chip"), Column("rival", "faster than")),
        comparisons=tuple(comparisons),
        scale=Scale.RATIO,
        verdict=f"{_bounds(streams)}{_enough(memories)}{_end(ends)}",
        plot=Plot(category="case", panel="rival", value_title="times as fast", logarithmic=True, line_at_one=True),
        conditions=(
            "Only columns of active inputs are read, while the chip computes; "
            + "; ".join(
                f"{one.title}: {one.bandwidth_gb_s:g} GB/s ({one.bandwidth_source}), "
                f"{one.energy_pj_per_bit:g} pJ a bit ({one.energy_source})"
                for one in memories
            )
            + ". LM: feed-forward layers of OPT-6.7B (arXiv 2205.01068), half the weights kept (arXiv 2301.00774) or "
            "as said, 3 % of the second's inputs active (arXiv 2312.11514), drawn at random. Dense machines are "
            "bounded by the memory alone."
        ),
    )


def _streamed(
    layer: LayerData, hardware: Hardware, memories: Sequence[ExternalMemory]
) -> Iterator[tuple[ExternalMemory, Stream]]:
    """The layer with its weights in each of the memories; nothing where they fit the chip."""
    matrix = encode(layer.codes, layer.codebook, n_pe=hardware.n_pe)
    for memory in memories:
        one = stream_matrix(matrix, layer.activations, hardware, memory)
        if isinstance(one, Stream):
            yield memory, one


def _rows(case: str, one: Stream, layer: LayerData, technology: Technology) -> list[Comparison]:
    """How many times as fast as each dense machine, and what EIE takes."""
    outside = one.energy_nj / cost_with_streams([one], technology).energy_nj
    note = f"{shown(one.latency_us)} µs, bound by {one.bound_by}; {outside:.0%} of the energy outside"
    return [
        Comparison({"case": case, "rival": rival}, dense_us / one.latency_us, None, Provenance.MODELLED, "x", note)
        for rival, dense_us in _dense_us(layer, one.memory).items()
    ]


def _dense_us(layer: LayerData, memory: ExternalMemory) -> dict[str, float]:
    """Each dense machine's time: the memory's latency, and its weights over the bandwidth."""
    outputs, inputs = layer.codes.shape
    active = int((layer.activations != 0).sum())
    return {
        name: memory.latency_ns / 1000 + memory.transfer_us((active if skips else inputs) * outputs * bits // 8)
        for name, (bits, skips) in RIVALS.items()
    }


def _bounds(streams: dict[str, Stream]) -> str:
    """What bounds how many of the cases."""
    computing = [case for case, one in streams.items() if one.bound_by != "memory"]
    text = f"In {len(streams) - len(computing)} of {len(streams)} cases the memory bounds the time, not the chip"
    return f"{text}; the chip does in {'; '.join(computing)}. " if computing else f"{text}. "


def _enough(memories: list[ExternalMemory]) -> str:
    """How many PEs, each with an entry of a byte a cycle, a memory feeds."""
    clock = Hardware().clock_mhz / 1000
    told = ", ".join(f"{one.name} feeds {one.bandwidth_gb_s / clock:.0f}" for one in memories)
    return f"At a byte a cycle for each PE at {Hardware().clock_mhz:g} MHz, {told} PEs; more of them wait. "


def _end(ends: dict[float, float]) -> str:
    """Between which densities EIE stops to be faster than a dense machine that skips zeros as it does."""
    ahead = [density for density, ratio in ends.items() if ratio > 1]
    behind = [density for density, ratio in ends.items() if ratio <= 1]
    if not ahead or not behind:
        where = "ahead of" if ahead else "behind"
        return f"At all densities tried EIE is {where} a dense 4-bit machine that skips zeros."
    return (
        f"Against a dense 4-bit machine that skips the same zeros the advantage ends between {max(ahead):.0%} and "
        f"{min(behind):.0%} of the weights kept: an entry takes a byte, a dense weight half of one."
    )
