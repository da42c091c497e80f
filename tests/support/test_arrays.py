"""Arrays that no other code can write to: copied only if necessary."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eie
from eie.chip.timing import workload
from eie.steps import Affine, Dense
from eie.support.arrays import owned, sealed

MATRIX = eie.encode(np.arange(24).reshape(4, 6) % 16, np.arange(16), n_pe=2)


def writable_copies() -> dict[str, np.ndarray[Any, Any]]:
    return {name: getattr(MATRIX, name).copy() for name in ("codebook", "entries", "pointers")}


def built(**arrays: np.ndarray[Any, Any]) -> eie.InterleavedCSC:
    return eie.InterleavedCSC(MATRIX.shape, 2, 4, 4, **arrays)


@pytest.mark.parametrize(
    "view",
    [
        lambda array: array,
        lambda array: array[:],
        lambda array: np.broadcast_to(array, array.shape),  # read-only, its base is not
        lambda array: np.asarray(memoryview(array).toreadonly()),  # the same, through a buffer
        lambda array: np.asfortranarray(array),
    ],
)
def test_writing_to_what_was_given_changes_nothing(view: Callable[[Any], Any]) -> None:
    """A validated matrix decodes to the same codes whatever its maker does afterwards to the arrays he gave."""
    given = writable_copies()
    matrix = built(**{name: view(array) for name, array in given.items()})
    matrix.validate()
    for array in given.values():
        array[...] = array.max()
    assert np.array_equal(matrix.decode(), MATRIX.decode())
    assert np.array_equal(matrix.dense(), MATRIX.dense())


def test_an_array_made_read_only_by_its_owner_is_copied() -> None:
    """Its owner can make it writable again."""
    given = writable_copies()
    for array in given.values():
        array.flags.writeable = False
    matrix = built(**given)
    given["entries"].flags.writeable = True
    given["entries"][...] = 255
    assert np.array_equal(matrix.decode(), MATRIX.decode())


def arrays_of(thing: object) -> Iterator[np.ndarray[Any, Any]]:
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, tuple):
        for part in thing:
            yield from arrays_of(part)


def test_nothing_that_is_kept_can_be_written_through() -> None:
    """Arrays of matrices, layers, steps and prepared workloads stay read-only even for one who asks for more."""
    floats = np.ones(4, np.float32)
    layer = eie.Layer("a", MATRIX, floats)
    dense, affine = Dense("b", np.ones((4, 3), np.float32), floats), Affine("c", 2, floats, floats)
    kept = (
        *(MATRIX.codebook, MATRIX.entries, MATRIX.pointers, MATRIX.rows, MATRIX.slice_starts, MATRIX.counts),
        *(tuple(workload(MATRIX)), layer.bias, dense.weights, dense.bias, affine.scale, affine.shift),
    )
    found = list(arrays_of(kept))
    assert len(found) == 16
    for array in found:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
    floats[:] = np.nan
    assert layer.bias is not None
    assert all(np.isfinite(array).all() for array in (layer.bias, dense.bias, affine.scale, affine.shift))


def test_a_list_of_steps_is_taken_over() -> None:
    """What is added to it later is not in the network."""
    steps = [eie.Layer("a", MATRIX)]
    network = eie.Network(steps)  # type: ignore[arg-type]
    steps.append(eie.Layer("a", MATRIX))
    assert len(network.steps) == 1


@pytest.mark.parametrize("again", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_copies_are_as_safe(again: Callable[[Any], Any]) -> None:
    """Copied and unpickled layers are read-only too, and equal."""
    MATRIX.validate()
    layer = again(eie.Layer("a", MATRIX, np.ones(4, np.float32)))
    assert np.array_equal(layer.matrix.decode(), MATRIX.decode())
    for array in (layer.bias, layer.matrix.entries, layer.matrix.pointers, layer.matrix.codebook):
        assert not array.flags.writeable


def test_a_mapped_file_is_not_copied(tmp_path: Path) -> None:
    """Loading a model stays a mapping of its file."""
    eie.save(eie.Layer("a", MATRIX, np.ones(4, np.float32)), tmp_path / "a.safetensors")
    (layer,) = eie.load(tmp_path / "a.safetensors").layers
    assert layer.bias is not None
    for array in (layer.bias, layer.matrix.entries, layer.matrix.pointers, layer.matrix.codebook):
        base: Any = array
        while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap)


def test_what_is_owned_is_not_copied_again() -> None:
    """Views of it, parts of it and bytes are taken as they are."""
    once = owned(np.arange(8))
    for array in (once, once[2:5], sealed(np.arange(3)), np.frombuffer(b"\1\2\3\4", np.uint8)):
        assert owned(array) is array
    assert owned(once[::2]).flags.c_contiguous
    assert owned(np.zeros((0, 3))).shape == (0, 3)
