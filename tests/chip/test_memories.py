"""The size that a layer needs of each memory of the chip, and the size that is available."""

from __future__ import annotations

import numpy as np
import pytest

import eie
from eie.chip import Hardware, capacity, require_capacity
from eie.errors import InputError
from eie.program.lowering import passes_of


def test_the_papers_own_layer_does_not_fit() -> None:
    """VGG-6's columns alone are more than the pointer memory holds."""
    matrix = eie.encode(np.ones((64, 25088), np.uint8), np.arange(16))
    needs = {requirement.memory: requirement for requirement in capacity(matrix, Hardware())}
    assert not needs["pointer memory"].fits
    assert str(needs["pointer memory"]) == "the pointer memory of PE 0 needs 25,089 pointers and has 16,384"
    assert needs["weight memory"].fits
    assert needs["activation memory"].needed == 392


def test_strict_names_every_memory_that_is_short() -> None:
    """One sentence says all that does not fit."""
    matrix = eie.encode(np.ones((4, 10), np.uint8), np.arange(16), n_pe=2)
    hardware = Hardware(n_pe=2, pointer_bits=4, spmat_bytes=10, pointer_bytes=4)
    with pytest.raises(InputError) as error:
        require_capacity(passes_of(matrix, hardware), hardware, "layer fc")
    assert str(error.value) == (
        "layer fc does not fit the chip: the pointer memory of PE 0 needs 11 pointers and has 8; "
        "the pointer range of PE 0 needs 20 entries and has 15; the weight memory of PE 0 needs 20 entries and has 10"
    )
