"""NumPy's files, whole and hostile."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from eie.errors import InputError
from eie.support.numpy_files import read_npy, read_npz


def test_arrays_come_back(tmp_path: Path) -> None:
    """By name, and alone."""
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=np.eye(2))
    np.save(tmp_path / "x.npy", np.arange(3))
    found = read_npz(tmp_path / "x.npz", "data")
    assert {name: array.tolist() for name, array in found.items()} == {"a": [0, 1, 2], "b": [[1, 0], [0, 1]]}
    assert read_npy(tmp_path / "x.npy", "input").tolist() == [0, 1, 2]


def test_the_other_order_of_bytes(tmp_path: Path) -> None:
    """What another processor wrote are the same numbers, in this one's order: PyTorch takes no other."""
    numbers = np.array([1, 2.5], ">f4")
    np.savez(tmp_path / "x.npz", a=numbers)
    np.save(tmp_path / "x.npy", numbers)
    for found in (read_npz(tmp_path / "x.npz", "data")["a"], read_npy(tmp_path / "x.npy", "input")):
        assert found.dtype == np.float32
        assert found.dtype.isnative
        assert found.tolist() == [1, 2.5]


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    """NumPy hands its bytes on; we refuse them."""
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a", b"text")
    with pytest.raises(InputError) as error:
        read_npz(tmp_path / "x.npz", "data")
    assert str(error.value) == f"data {tmp_path / 'x.npz'} is not a whole .npz file of numbers: a is no array"


@pytest.mark.parametrize("shape", ["(1,", "(10**9,)", "(99999999999999999999,)", "'a'", "(1.5,)", "[[" * 300])
def test_headers_that_trip_the_parser(tmp_path: Path, shape: str) -> None:
    """Python's own parser reads the header: whatever it raises is one sentence."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8))
    with pytest.raises(InputError) as error:
        read_npy(tmp_path / "x.npy", "input")
    assert str(error.value).startswith(f"input {tmp_path / 'x.npy'} is not a whole .npy file of numbers: ")
