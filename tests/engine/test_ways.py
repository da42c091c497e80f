"""Two ways through a layer of int8 and int16: the choice is reported, can be limited, and changes no output."""

from __future__ import annotations

import numpy as np
import pytest

from eie.engine import InferenceSession
from eie.engine.int8 import int8_layer
from eie.engine.int16 import int16_layer
from eie.errors import InputError
from eie.model.network import Network
from engine.layers import random_inputs, random_layer

# Whichever kernels this processor has: with no input active, skipping columns takes next to no time, and with all of
# them, reading every weight in order is many times quicker.
LAYER = random_layer(np.random.default_rng(30), 1000, 1500, density=0.2, bias=True)
NETWORK = Network((LAYER,))


REFERENCES = {"int8": int8_layer, "int16": int16_layer}

EACH = pytest.mark.parametrize("numerics", REFERENCES)


def windows() -> bool:
    """Return whether this processor has a kernel that reads every weight: without one there is one way only."""
    return "window" in InferenceSession(NETWORK, numerics="float32").plan[0].kernel


@EACH
@pytest.mark.parametrize("threads", [1, 2])
def test_choice_changes_no_output(threads: int, numerics: str) -> None:
    """From no active input to all of them, in batches or alone, signed or not: the reference's outputs, to the bit."""
    rng = np.random.default_rng(31)
    session = InferenceSession(NETWORK, numerics=numerics, threads=threads)
    inputs = np.concatenate([random_inputs(rng, 3, 1500, active) for active in (0.0, 0.01, 0.1, 0.5, 1.0)])
    inputs[::2] = np.abs(inputs[::2])
    expected = np.array([REFERENCES[numerics](LAYER, vector).outputs for vector in inputs])
    np.testing.assert_array_equal(session.run(inputs), expected)
    np.testing.assert_array_equal([session.run(vector) for vector in inputs], expected)


@EACH
def test_both_ways_are_kept_where_each_is_quicker_somewhere(numerics: str) -> None:
    """The plan names both kernels, their bytes, and below how many active inputs the second is taken."""
    if not windows():
        pytest.skip("this processor has no window kernel, so there is one way only")
    (plan,) = InferenceSession(NETWORK, numerics=numerics).plan
    assert "window" in plan.kernel
    assert plan.few_kernel in ("bitmask-avx512", "dense-columns-avx512", "columns")
    assert 0 < plan.few_below < 1500
    assert plan.memory_bytes == plan.bytes + plan.few_bytes
    assert plan.few_bytes > plan.weights / 2


@EACH
def test_expected_activity_leaves_one_way(numerics: str) -> None:
    """Where no input will be active there is no use for a second layout that reads every weight."""
    (few,) = InferenceSession(NETWORK, numerics=numerics, activity=(0.0, 0.0)).plan
    (all_active,) = InferenceSession(NETWORK, numerics=numerics, activity=(1.0, 1.0)).plan
    assert (few.few_kernel, few.few_bytes, all_active.few_kernel) == ("", 0, "")
    assert "window" not in few.kernel
    assert "window" in all_active.kernel or not windows()


@EACH
def test_memory_can_be_capped(numerics: str) -> None:
    """A cap below what both layouts take leaves one; a cap below any layout is an error with both numbers."""
    (plan,) = InferenceSession(NETWORK, numerics=numerics).plan
    (capped,) = InferenceSession(NETWORK, numerics=numerics, weight_bytes=plan.bytes).plan
    assert capped.few_kernel == ""
    assert capped.memory_bytes <= plan.bytes
    with pytest.raises(InputError, match=r"^layer layer: the weights take \d+ bytes at least, but their share of"):
        InferenceSession(NETWORK, numerics=numerics, weight_bytes=1000)
    with pytest.raises(InputError, match=r"^layer layer: the kernel columns takes \d+ bytes, but its share of the"):
        InferenceSession(NETWORK, numerics=numerics, kernel="columns", weight_bytes=1000)


def test_a_cap_leaves_the_smaller_layout_for_few_inputs() -> None:
    """Where dense columns would be too much beside the windows, bitmasks are kept in their place."""
    names = ("window-avx512", "wide-window-avx512", "bitmask-avx512", "dense-columns-avx512")
    try:
        sessions = [InferenceSession(NETWORK, numerics="int8", kernel=name) for name in names]
    except InputError as error:
        pytest.skip(str(error))
    narrow, wide, bitmask, dense = (session.plan[0].bytes for session in sessions)
    cap = max(narrow, wide) + bitmask
    assert cap < min(narrow, wide) + dense
    (plan,) = InferenceSession(NETWORK, numerics="int8", weight_bytes=cap).plan
    assert plan.few_kernel == "bitmask-avx512"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activity": (0.5, 0.2)}, "activity must be a range within 0 to 1, such as (0.0, 0.2), not (0.5, 0.2)"),
        ({"activity": (0.0, 20.0)}, "activity must be a range within 0 to 1, such as (0.0, 0.2), not (0.0, 20.0)"),
        ({"weight_bytes": 0}, "weight_bytes must be a positive number of bytes, or None, not 0"),
    ],
)
def test_wrong_limits_are_named(arguments: dict, message: str) -> None:
    """Limits that cannot be meant are refused before any weight is laid out."""
    with pytest.raises(InputError) as caught:
        InferenceSession(NETWORK, numerics="int8", **arguments)
    assert str(caught.value) == message


def test_layer_with_few_weights_is_not_laid_out_in_dense_columns() -> None:
    """At a twentieth of the weights, 4 bits for each position would be more than three times what bitmasks take."""
    layer = random_layer(np.random.default_rng(33), 300, 700, density=0.05)
    (plan,) = InferenceSession(Network((layer,)), numerics="int8").plan
    assert not any(kernel.startswith("dense-columns") for kernel in plan.measured_us)


@EACH
def test_all_but_empty_layer_is_not_laid_out_in_bitmasks(numerics: str) -> None:
    """A bit for every position would be many times the weights: the second way, if any, is column by column."""
    layer = random_layer(np.random.default_rng(32), 300, 60_000, density=0.001)
    (plan,) = InferenceSession(Network((layer,)), numerics=numerics).plan
    assert not any(kernel.startswith("bitmask") for kernel in plan.measured_us)
