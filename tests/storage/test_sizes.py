"""What a layer takes to store: uncoded and coded, each with its own best relative index."""

import numpy as np

from data_sets import DataSet
from eie.encoding.csc import encode
from eie.encoding.flat import flatten
from eie.importers.eie_simulator import read_eie_simulator
from eie.model.network import Layer
from eie.storage.sizes import layer_size


def test_uncoded_and_coded_have_each_their_best_index() -> None:
    """A weight every 40 places: uncoded, 4 + 7 bits once take less than 4 + 6 with fillers or 4 + 8 without."""
    codes = np.zeros((40, 50), np.uint8)
    codes[20] = 1
    matrix = encode(codes, np.arange(16, dtype=np.float32))
    size = layer_size(Layer("a", matrix))
    uncoded = {bits: len(flatten(matrix, bits).codes) * (4 + bits) for bits in range(1, 9)}
    assert size.code_bits + size.gap_bits == min(uncoded.values())
    assert size.weight_bits_pq == 4
    assert size.index_bits_pq == min(uncoded, key=lambda bits: uncoded[bits])
    assert size.index_bits_pqh < size.index_bits_pq


def test_the_published_alex_8_is_not_counted_with_a_wide_index(data_set: DataSet) -> None:
    """3 bits an index and some fillers, 1.017 MB, take less uncoded than 4 bits, 1.063, or the 6 of Huffman."""
    streams = read_eie_simulator(data_set("eie-simulator-alex8"), outputs=1000)
    size = layer_size(streams.network.layers[0])
    assert size.index_bits_pq == 3
    assert round((size.code_bits + size.gap_bits) / 8e6, 3) == 1.017
    assert size.entries > size.coded_entries
    assert size.bytes_pqh < size.bytes_pq
