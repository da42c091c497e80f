"""Layers and networks as plain data."""

from __future__ import annotations

import numpy as np
import pytest

import eie
from eie.errors import InputError

MATRIX = eie.encode(np.ones((3, 2), np.uint8), np.arange(16), n_pe=1)


def test_sizes_must_chain() -> None:
    """A layer takes as many inputs as the one before has outputs."""
    with pytest.raises(InputError) as error:
        eie.Network((eie.Layer("a", MATRIX), eie.Layer("b", MATRIX)))
    assert str(error.value) == "layer a has 3 outputs, but b after it has 2 inputs"


def test_a_network_has_layers_of_different_names() -> None:
    """None at all, or two of one name, are refused."""
    with pytest.raises(InputError) as error:
        eie.Network(())
    assert str(error.value) == "network network has no layers, expected at least one"
    square = eie.Layer("a", eie.encode(np.ones((2, 2), np.uint8), np.arange(16), n_pe=1))
    with pytest.raises(InputError) as error:
        eie.Network((square, square))
    assert str(error.value) == "network network has 2 layers called a, expected one"


def test_bias_must_fit() -> None:
    """One finite float32 per output."""
    with pytest.raises(InputError) as error:
        eie.Layer("a", MATRIX, np.zeros(2, np.float32))
    assert str(error.value) == "layer a: bias must be float32 of shape (3,), not float32 of (2,)"
    with pytest.raises(InputError) as error:
        eie.Layer("a", MATRIX, np.full(3, np.nan, np.float32))
    assert str(error.value) == "layer a: bias must be finite, but some of it is NaN or infinite"
