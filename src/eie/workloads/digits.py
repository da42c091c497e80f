"""The handwritten digits that come with scikit-learn: 1,797 images of 8 x 8 pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import sklearn.datasets
import sklearn.model_selection

__all__ = ["SEED", "Digits", "digits"]

PIXEL_MAXIMUM = 16.0
SEED = 2016

Floats = npt.NDArray[np.float32]


class Digits(NamedTuple):
    """scikit-learn's digits: x float32 (digits, 64) from 0 to 1, y their values; seven tenths to train on."""

    x_train: Floats
    x_test: Floats
    y_train: npt.NDArray[np.int64]
    y_test: npt.NDArray[np.int64]


def digits() -> Digits:
    """Return the digits, split the same way every time."""
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    split = sklearn.model_selection.train_test_split(
        (images / PIXEL_MAXIMUM).astype(np.float32), labels, test_size=0.3, random_state=SEED, stratify=labels
    )
    return Digits(*split)
