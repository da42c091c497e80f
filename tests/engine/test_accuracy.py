"""The part of the inputs whose largest output is the right one."""

from __future__ import annotations

import numpy as np

import eie
from eie.engine.accuracy import top1_accuracy


def test_inputs_of_any_shape_are_counted() -> None:
    """Of images each is one vector; three labels of four are right."""
    same = eie.encode(np.eye(4, dtype=np.uint8), np.arange(2), n_pe=2)
    images = np.eye(4, dtype=np.float32).reshape(4, 2, 2)
    session = eie.InferenceSession(same, numerics="float32")
    assert top1_accuracy(session, images, np.array([0, 1, 2, 0])) == 0.75
