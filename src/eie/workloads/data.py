"""Labelled data for training and tests: arrays in memory, read from files or from scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eie.errors import InputError
from eie.support.numpy_files import read_npz
from eie.support.output_files import existing_file

__all__ = ["Data", "load_data"]

PIXEL_SCALE = 256  # a power of two, so that a byte is exact in fixed point
VALIDATION = 0.1  # of the training data
DIGITS = "digits"
_VALIDATION = ("x_valid", "y_valid")


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs, float32 (items, ...), and labels, int64 (items,), for training, validation and test."""

    x_train: npt.NDArray[np.float32]
    y_train: npt.NDArray[np.int64]
    x_valid: npt.NDArray[np.float32]
    y_valid: npt.NDArray[np.int64]
    x_test: npt.NDArray[np.float32]
    y_test: npt.NDArray[np.int64]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.x_train.shape[1:]


def load_data(source: str | Path, shape: tuple[int, ...] | None = None, seed: int = 0) -> Data:
    """Return the data of `source`, each input reshaped to `shape` where one is given.

    `source` is "digits" (scikit-learn's, 8 x 8 pixels), an .npz file with x_train, y_train, x_test and y_test, or a
    folder with train.npz and test.npz, each with x and y, or images and labels. Bytes become x / 256. The validation
    data are x_valid and y_valid, or valid.npz, where they are there; otherwise a tenth of the training data, chosen by
    `seed`. Raises InputError for any other source.
    """
    if str(source) == DIGITS:
        parts = _digits()
        what = "the digits"
    else:
        what = f"data {source}"
        parts = _read(Path(source), what)
    inputs = [_inputs(x, shape, what) for x in parts[::2]]
    x_train, x_test = inputs[:2]
    y_train, y_test = (_labels(y, len(x), what) for y, x in ((parts[1], x_train), (parts[3], x_test)))
    for other in inputs[1:]:
        if other.shape[1:] != x_train.shape[1:]:
            raise InputError(f"{what}: inputs have the shapes {x_train.shape[1:]} and {other.shape[1:]}, expected one")
    if len(inputs) == 3:
        if min(len(one) for one in inputs) == 0:
            raise InputError(f"{what} must have one item or more to train, to validate and to test on")
        return Data(x_train, y_train, inputs[2], _labels(parts[5], len(inputs[2]), what), x_test, y_test)
    order = np.random.default_rng(seed).permutation(len(x_train))
    valid, train = np.split(order, [round(len(order) * VALIDATION)])
    if len(valid) == 0 or len(x_test) == 0:
        raise InputError(
            f"{what} must have 10 items or more to train on and one to test, not {len(order)} and {len(x_test)}"
        )
    return Data(x_train[train], y_train[train], x_train[valid], y_train[valid], x_test, y_test)


def _digits() -> tuple[npt.NDArray[Any], ...]:
    from eie.workloads.digits import digits  # scikit-learn takes long to import

    found = digits()
    return found.x_train, found.y_train, found.x_test, found.y_test


def _read(source: Path, what: str) -> tuple[npt.NDArray[Any], ...]:
    if not source.is_dir():
        return _arrays(existing_file(source, "data"), ("x_train", "y_train", "x_test", "y_test"), _VALIDATION)
    parts: list[npt.NDArray[Any]] = []
    for part in ("train.npz", "test.npz", "valid.npz"):
        if part == "valid.npz" and not (source / part).exists():
            continue
        path = existing_file(source / part, "data")
        try:
            parts += _arrays(path, ("x", "y"))
        except InputError:
            parts += _arrays(path, ("images", "labels"))
    return tuple(parts)


def _arrays(path: Path, names: tuple[str, ...], more: tuple[str, ...] = ()) -> tuple[npt.NDArray[Any], ...]:
    """Return the arrays `names` of a file, and after them those of `more` where the file has any of these."""
    arrays = read_npz(path, "data")
    if set(more) & set(arrays):
        names = (*names, *more)
    if not set(names) <= set(arrays):
        raise InputError(f"data {path} must have the arrays {', '.join(names)}, not {', '.join(arrays) or 'none'}")
    return tuple(arrays[name] for name in names)


def _inputs(x: npt.NDArray[Any], shape: tuple[int, ...] | None, what: str) -> npt.NDArray[np.float32]:
    if x.dtype.kind not in "fiu" or x.ndim < 2:
        raise InputError(f"{what}: inputs must be numbers of shape (items, ...), not {x.dtype} of shape {x.shape}")
    values = x.astype(np.float32)
    if x.dtype == np.uint8:
        values /= PIXEL_SCALE
    if not np.isfinite(values).all():
        raise InputError(f"{what}: inputs must be finite, but some are NaN or infinite")
    if shape is None:
        return values
    if int(np.prod(shape)) != int(np.prod(x.shape[1:])):
        raise InputError(f"{what}: inputs of shape {x.shape[1:]} cannot be reshaped to {shape}")
    return values.reshape(len(x), *shape)


def _labels(y: npt.NDArray[Any], items: int, what: str) -> npt.NDArray[np.int64]:
    if y.dtype.kind not in "iu" or y.shape != (items,) or y.min(initial=0) < 0:
        raise InputError(
            f"{what}: labels must be integers from 0, one for each of {items} inputs, not {y.dtype} of shape {y.shape}"
        )
    return y.astype(np.int64)
