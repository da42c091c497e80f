"""The authors' streams: the real ones, streams written from a random layer, and broken ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

import eie
from data_sets import DataSet
from eie.errors import InputError
from eie.importers.eie_simulator import read_eie_simulator
from strategies import Case, examples, layers


def write_streams(folder: Path, matrix: eie.InterleavedCSC, activations: np.ndarray) -> None:
    """Write a layer as the authors' simulator reads it."""
    for part in ("ptr", "spm"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for old in (folder / part).iterdir():
            old.unlink()
    activations.astype("<f4").tofile(folder / "act.dat")
    matrix.codebook.astype("<f4").tofile(folder / "arithm.dat")
    for pe in range(matrix.n_pe):
        part_of_pe = slice(*matrix.slice_starts[pe : pe + 2])
        pairs = np.stack([matrix.codes[part_of_pe], matrix.relative_indices[part_of_pe]], axis=1)
        pairs.astype("<u4").tofile(folder / "spm" / f"spm{pe}.dat")
        matrix.pointers[pe].astype("<u4").tofile(folder / "ptr" / f"ptr{pe}.dat")


@examples(30)
@given(case=layers(max_pe=6))
def test_streams_of_any_layer_come_back(tmp_path: Path, case: Case) -> None:
    """Written as the authors do and read again: the same codes, without trailing rows that have no weight."""
    write_streams(tmp_path, case.matrix, case.activations)
    network, activations = read_eie_simulator(tmp_path)
    rows = np.flatnonzero(case.codes.any(axis=1))
    expected = case.codes[: rows[-1] + 1] if len(rows) else case.codes[:1]
    assert np.array_equal(network.layers[0].matrix.decode(), expected)
    assert np.array_equal(activations, case.activations)
    assert read_eie_simulator(tmp_path, outputs=len(case.codes)).network.outputs == len(case.codes)


def test_the_real_layer(data_set: DataSet) -> None:
    """AlexNet's last layer: 4096 inputs and a bias column whose activation is 1."""
    network, activations = read_eie_simulator(data_set("eie-simulator-alex8"))
    layer = network.layers[0]
    assert (layer.inputs, layer.outputs, layer.matrix.n_pe, layer.matrix.nnz) == (4097, 1000, 64, 1051991)
    assert (activations.shape, activations[-1]) == ((4097,), 1.0)


def broken(name: str, content: bytes | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        if content is not None:
            (folder / name).write_bytes(content)

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (broken("act.dat", None), "stream {folder}/act.dat does not exist"),
        (broken("act.dat", b"123"), "{folder}/act.dat has 3 bytes, expected a multiple of 4: it is cut short"),
        (
            broken("act.dat", bytes(4)),
            "{folder}/act.dat holds 1 activations, expected 3, one per column, or 2 and a bias column",
        ),
        (
            broken("act.dat", np.array([1, np.nan, 0], "<f4").tobytes()),
            "inputs must be finite, but number 1 of input 0 is nan",
        ),
        (broken("arithm.dat", bytes(8)), "{folder}/arithm.dat holds 2 values, expected a codebook of 16"),
        (
            broken("ptr/ptr1.dat", None),
            "{folder} holds 1 pointer streams and 2 entry streams, expected one of each per PE",
        ),
        (broken("ptr/ptr1.dat", bytes(8)), "{folder}/ptr/ptr1.dat holds 2 pointers, expected 4 as for every PE"),
        (
            broken("spm/spm1.dat", None),
            "{folder} holds 2 pointer streams and 1 entry streams, expected one of each per PE",
        ),
        (
            broken("spm/spm0.dat", bytes(4)),
            "{folder}/spm/spm0.dat must hold pairs of a code and a relative index, each 0 to 15",
        ),
        (
            broken("spm/spm0.dat", np.array([99, 0], "<u4").tobytes()),
            "{folder}/spm/spm0.dat must hold pairs of a code and a relative index, each 0 to 15",
        ),
        (
            broken("ptr/ptr0.dat", np.array([0, 2, 1, 3], "<u4").tobytes()),
            "{folder}/spm/spm0.dat holds 6 entries, but its pointers end at 3",
        ),
        (
            broken("ptr/ptr0.dat", np.array([0, 7, 9, 6], "<u4").tobytes()),
            "{folder}/spm/spm0.dat holds 6 entries, but a column starts at 7",
        ),
        (
            broken("ptr/ptr0.dat", np.array([0, 4, 2, 6], "<u4").tobytes()),
            "{folder}: not a valid encoding: ",
        ),
    ],
)
def test_broken_streams(tmp_path: Path, change: Callable[[Path], None], sentence: str) -> None:
    """Each is one sentence naming the file."""
    matrix = eie.encode(np.ones((4, 3), np.uint8), np.arange(16), n_pe=2)
    write_streams(tmp_path, matrix, np.ones(3))
    change(tmp_path)
    with pytest.raises(InputError) as error:
        read_eie_simulator(tmp_path)
    assert str(error.value).startswith(sentence.format(folder=tmp_path))


def test_missing_folder(tmp_path: Path) -> None:
    """No folder, or one without streams."""
    with pytest.raises(InputError) as error:
        read_eie_simulator(tmp_path / "none")
    assert str(error.value) == f"folder {tmp_path / 'none'} does not exist"
