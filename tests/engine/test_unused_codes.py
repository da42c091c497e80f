"""A codebook's value that no weight has is of no consequence, however large."""

from __future__ import annotations

import numpy as np
import pytest

import eie
from eie.encoding.csc import encode
from eie.engine import KERNELS, NUMERICS, InferenceSession
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.model.reference import formats_of
from engine.layers import random_inputs


@pytest.mark.parametrize("numerics", NUMERICS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("unused", [1e6, -1e30])
def test_an_unused_value_changes_nothing(numerics: str, kernel: str, unused: float) -> None:
    """Outputs are those of the layer with 0 in its place, to the bit, in every numerics and kernel."""
    rng = np.random.default_rng(1)
    codes = rng.choice([0, 1, 2], (70, 60), p=[0.5, 0.25, 0.25])
    inputs = random_inputs(rng, 3, 60)
    outputs = []
    for value in (0.0, unused):
        network = Network((Layer("layer", encode(codes, [0, 0.5, 1, value])),))
        try:
            session = InferenceSession(eie.calibrate(network, inputs), numerics=numerics, kernel=kernel)
        except InputError as error:
            if "has no numerics but" in str(error):
                return
            assert "needs" in str(error)
            pytest.skip(str(error))
        outputs.append(session.run(inputs))
    np.testing.assert_array_equal(outputs[1], outputs[0])
    assert np.count_nonzero(outputs[1]) > 100


def test_an_unused_value_sets_no_format() -> None:
    """Calibration gives the chip's codebook the finest format that holds the values in use."""
    codes = np.array([[1, 2], [2, 0]])
    inputs = np.array([[0.25, 0.5]], np.float32)
    for unused in (0.0, 1e6):
        network = Network((Layer("layer", encode(codes, [0, 0.5, 1, unused])),))
        (layer,) = eie.calibrate(network, inputs)
        assert isinstance(layer, Layer)
        assert formats_of(layer).codebook_fraction == 14
