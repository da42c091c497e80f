"""The chip's sizes for odd hardware and networks: every memory, sum and setting fits the ports it goes through."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import eie
from eie.program.lowering import lower
from eie.silicon.parameters import Parameters


def network(inputs: int, outputs: int, n_pe: int) -> eie.Network:
    codes = np.ones((outputs, inputs), np.uint8)
    layer = eie.Layer("fc", eie.encode(codes, np.arange(16) / 16, n_pe))
    return eie.calibrate(eie.Network((layer,)), np.ones(inputs))


def address_bits(count: int) -> int:
    return max(1, int(np.ceil(np.log2(count))))


SWEEP = list(itertools.product((1, 63, 64, 65, 200), (1, 7, 70), (1, 3), (1, 5, 64), (8, 64)))


@pytest.mark.parametrize("small", [False, True])
def test_every_width_holds_what_it_must(small: bool) -> None:
    """63 inputs with small memories have 64 pointers: their number is as wide as the host's address."""
    for inputs, outputs, n_pe, registers, width in SWEEP:
        memories = {"pointer_bytes": 2, "spmat_bytes": 1, "activation_bytes": 0, "pointer_bits": 1} if small else {}
        hardware = eie.Hardware(n_pe=n_pe, register_entries=registers, spmat_width_bits=width, **memories)
        p = Parameters.of(lower(network(inputs, outputs, n_pe), replace(hardware, batched=True)))
        memory_words = (2 * p.pointer_words, p.spmat_rows, p.sram_words, p.register_entries, 2**p.code_bits)
        assert all(p.host_address_bits >= address_bits(words) for words in memory_words), p
        assert p.host_address_bits >= max(p.column_bits, 3), p
        assert 2**p.column_bits >= 2 * p.pointer_words > inputs, p
        assert 2**p.pointer_bits > outputs * inputs // n_pe, p
        settings = (p.column_bits, int(p.register_entries).bit_length(), address_bits(p.sram_words), 3)
        words = (p.entries_per_row * p.entry_bits, p.accumulator_bits, p.pointer_bits)
        assert p.data_bits >= max(*settings, *words), p
        assert min(p.spmat_rows, p.sram_words, p.pointer_words) >= 1, p
