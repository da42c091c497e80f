"""Labelled data as files give them: validation data of one's own, and shapes that must agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eie.errors import InputError
from eie.workloads.data import load_data


def arrays(items: int, first: int, size: int = 3) -> tuple[np.ndarray, np.ndarray]:
    return np.full((items, size), first, np.float32), np.arange(items) % 2


def test_a_validation_set_of_ones_own_is_used(tmp_path: Path) -> None:
    """In one file or in a folder; then nothing of the training data is set apart."""
    x, y = arrays(20, 1)
    x_valid, y_valid = arrays(4, 2)
    x_test, y_test = arrays(3, 3)
    file = tmp_path / "data.npz"
    np.savez(file, x_train=x, y_train=y, x_valid=x_valid, y_valid=y_valid, x_test=x_test, y_test=y_test)
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, (inputs, labels) in {"train": (x, y), "valid": (x_valid, y_valid), "test": (x_test, y_test)}.items():
        np.savez(folder / f"{name}.npz", x=inputs, y=labels)
    for source in (file, folder):
        data = load_data(source)
        assert [len(one) for one in (data.x_train, data.x_valid, data.x_test)] == [20, 4, 3]
        assert (data.x_valid == 2).all()
        assert np.array_equal(data.y_valid, y_valid)
    np.savez(file, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    assert [len(one) for one in (load_data(file).x_train, load_data(file).x_valid)] == [18, 2]


def test_refusals(tmp_path: Path) -> None:
    """Half a validation set, and parts whose inputs differ in shape."""
    x, y = arrays(20, 1)
    file = tmp_path / "data.npz"
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y, x_valid=x)
    with pytest.raises(InputError, match="must have the arrays x_train, y_train, x_test, y_test, x_valid, y_valid"):
        load_data(file)
    np.savez(file, x_train=x, y_train=y, x_test=arrays(3, 1, 4)[0], y_test=y[:3])
    with pytest.raises(InputError) as error:
        load_data(file)
    assert str(error.value) == f"data {file}: inputs have the shapes (3,) and (4,), expected one"
