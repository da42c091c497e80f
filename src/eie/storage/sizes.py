"""Storage size of each layer, as Deep Compression's Tables 2 to 5 count it: bits per weight, bytes, ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from eie.encoding.flat import flat_counts
from eie.model.network import Layer
from eie.storage import huffman
from eie.storage.packing import best_index_bits

__all__ = ["LayerSize", "layer_size", "size_optimal", "total"]

FLOAT_BITS = 32


@dataclass(frozen=True)
class LayerSize:
    """One layer's weights, or several layers' together. P is pruning, Q weight sharing, H Huffman coding.

    Bits are of all entries of the flat stream, fillers included; each codebook and bias is counted as float32. P+Q and
    P+Q+H have each the bits of a relative index that are best for it, and so their own number of fillers.
    """

    name: str
    weights: int
    kept: int
    entries: int  # uncoded
    coded_entries: int
    code_bits: int  # of all entries together, as are the three below
    coded_code_bits: int
    gap_bits: int
    coded_gap_bits: int
    table_bits: int  # the Huffman codes themselves
    other_bits: int  # codebook and bias
    dense_bits: int  # weights and bias as float32

    @property
    def density(self) -> float:
        """Weights kept over weights."""
        return self.kept / self.weights

    @property
    def bytes_pq(self) -> float:
        """Bytes after pruning and sharing: codes, relative indices, codebook, bias."""
        return (self.code_bits + self.gap_bits + self.other_bits) / 8

    @property
    def bytes_pqh(self) -> float:
        """Bytes with codes and relative indices Huffman-coded."""
        return (self.coded_code_bits + self.coded_gap_bits + self.table_bits + self.other_bits) / 8

    @property
    def dense_bytes(self) -> float:
        """Bytes as float32."""
        return self.dense_bits / 8

    @property
    def weight_bits_pq(self) -> float:
        """Bits of an entry's code, uncoded."""
        return self.code_bits / max(self.entries, 1)

    @property
    def weight_bits_pqh(self) -> float:
        """Bits of an entry's code, Huffman-coded."""
        return self.coded_code_bits / max(self.coded_entries, 1)

    @property
    def index_bits_pq(self) -> float:
        """Bits of an entry's relative index, uncoded."""
        return self.gap_bits / max(self.entries, 1)

    @property
    def index_bits_pqh(self) -> float:
        """Bits of an entry's relative index, Huffman-coded."""
        return self.coded_gap_bits / max(self.coded_entries, 1)


def layer_size(layer: Layer) -> LayerSize:
    """Return what `layer` takes, uncoded and coded, each with the relative index of the bits that are best for it."""
    matrix = layer.matrix
    counts = flat_counts(matrix, range(1, 9))
    index_bits = min(counts, key=lambda bits: counts[bits].entries * (matrix.code_bits + bits))
    coded_index_bits = best_index_bits(matrix)
    found, coded = counts[index_bits], counts[coded_index_bits]
    biases = 0 if layer.bias is None else layer.bias.size
    weights = matrix.outputs * matrix.inputs // layer.groups
    return LayerSize(
        name=layer.name,
        weights=weights,
        kept=matrix.nnz,
        entries=found.entries,
        coded_entries=coded.entries,
        code_bits=found.entries * matrix.code_bits,
        coded_code_bits=huffman.coded_bits(coded.codes),
        gap_bits=found.entries * index_bits,
        coded_gap_bits=huffman.coded_bits(coded.gaps),
        table_bits=8 * (2**matrix.code_bits + 2**coded_index_bits),
        other_bits=FLOAT_BITS * (matrix.codebook.size + biases),
        dense_bits=FLOAT_BITS * (weights + biases),
    )


def total(sizes: Sequence[LayerSize]) -> LayerSize:
    """Return several layers' sizes as one."""
    names = [name for name in vars(sizes[0]) if name != "name"]
    return LayerSize("total", **{name: sum(getattr(size, name) for size in sizes) for name in names})


def size_optimal(layer: Layer) -> Layer:
    """Return `layer` encoded with the relative index, 1 to 8 bits, for which its entries have the fewest bits."""
    matrices = [layer.matrix.interleave(index_bits=bits) for bits in range(1, 9)]
    smallest = min(matrices, key=lambda matrix: matrix.n_entries * matrix.entry_bits)
    return replace(layer, matrix=smallest)
