"""Layers and networks as plain data."""

from __future__ import annotations

import numpy as np
import pytest

import eie
from eie.errors import InputError
from eie.steps import Sum

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
    assert str(error.value) == "network network has no steps, expected at least one"
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


def square(name: str, side: int = 2) -> eie.Layer:
    return eie.Layer(name, eie.encode(np.ones((side, side), np.uint8), np.arange(16), n_pe=1))


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        (((-1,), (0,)), "network network has sources for 2 steps, expected them for its 3"),
        (((-1,), (1,), (0, 1)), "b is step 1 and reads step 1, expected -1, the network's input, or a step before it"),
        (((-1,), (-2,), (0, 1)), "b is step 1 and reads step -2, expected -1, the network's input, or a step before "),
        (((-1,), (), (0, 1)), "b has no source, expected at least one"),
        (((-1,), (0,), (0, 0)), "no step reads b, expected only the last step to be unread"),
        (((-1,), (0,), (0, 1, 1)), "sum reads 2 + 2 + 2 values, but has 4 inputs"),
        (((-1,), (0,), (1,)), "layer b has 2 outputs, but sum after it has 4 inputs"),
        (((-1, -1), (0,), (0, 1)), None),
    ],
)
def test_sources_fit(sources: tuple[tuple[int, ...], ...], sentence: str | None) -> None:
    """A step reads earlier ones, all that it needs; what no step reads is no part of a network."""
    steps = (square("a"), square("b"), Sum("sum", 2))
    if sentence is None:
        assert eie.Network(steps, sources=sources).inputs == 1
        return
    with pytest.raises(InputError) as error:
        eie.Network(steps, sources=sources)
    assert str(error.value).startswith(sentence)


def test_a_chain_is_a_chain_however_it_is_said() -> None:
    """Sources that say nothing new are left out; a graph of linear layers is refused as a chain."""
    steps = (square("a"), square("b"))
    assert eie.Network(steps, sources=((-1,), (0,))).sources is None
    graph = eie.Network((*steps, square("c", 4)), sources=((-1,), (-1,), (0, 1)))
    assert graph.sources is not None
    with pytest.raises(InputError) as error:
        graph.chain()
    assert str(error.value) == "b of network network does not read the layer before it alone, expected a chain here"


def test_only_what_is_still_needed_is_kept() -> None:
    """At the sum there are its inputs and outputs, and of what is kept for it nothing twice."""
    steps = (square("a"), square("b"), square("c"), Sum("sum", 2))
    assert eie.Network(steps[:3]).working_values == 2 + 2 + 2
    assert eie.Network(steps, sources=((-1,), (0,), (1,), (0, 2))).working_values == 2 + 2 + 4 + 2


def test_what_is_no_network_is_refused() -> None:
    """A path, too: with a hint."""
    with pytest.raises(InputError) as error:
        eie.simulate("model.safetensors", [1.0])  # type: ignore[arg-type]
    assert str(error.value) == ("expected a network, a layer or a matrix, not a str: read a model file with eie.load")
