"""Steps of transformers in native code: each equal to its readable reference, as are the caches of decoders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eie
from eie import _native
from eie.engine.plan import is_native
from eie.errors import InputError
from eie.model.network import Batch, Network, Step
from eie.model.reference import float_layer
from eie.steps import Attention, Dense, Embedding, Matmul, Normalisation, Reduction
from engine.layers import random_layer
from networks import graph_network
from strategies import examples

REAL = ("float32", "int16", "int8")


def run(step: Step, x: np.ndarray, numerics: str = "float32") -> Batch:
    return eie.InferenceSession(Network((step,)), numerics=numerics).run(x)


def normal(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_no_step_of_a_transformer_is_left_to_numpy() -> None:
    """Of a whole graph, but in the chip's numerics, whose bits are NumPy's around the chip's products."""
    for numerics in REAL:
        assert all(is_native(step, numerics) for step in graph_network())


@examples(40)
@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 40), st.integers(1, 70)),
    seed=st.integers(0, 100),
)
def test_products_of_matrices_are_numpys(sizes: tuple[int, int, int, int], seed: int) -> None:
    """Any sides, those that fill no vector or tile among them."""
    step = Matmul("matmul", *sizes)
    x = normal(2, step.inputs, seed=seed)
    bound = 1e-6 * sizes[2] * np.abs(x).max() ** 2
    np.testing.assert_allclose(run(step, x), step.run(x.astype(np.float64), float_layer), rtol=0, atol=bound)


@examples(40)
@given(
    rows=st.integers(1, 5),
    heads=st.integers(1, 3),
    width=st.integers(1, 40),
    spare=st.integers(0, 20),
    seed=st.integers(0, 100),
)
def test_attention_is_its_reference(rows: int, heads: int, width: int, spare: int, seed: int) -> None:
    """Of some tokens, and of others after them; one sequence or some; and the caches, too."""
    step = Attention("attention", rows, heads, width, 2 * rows + spare, 0.3)
    x = normal(2, 3, step.inputs, seed=seed)
    session = eie.InferenceSession(step, numerics="int8")
    expected = step.run(x[0].astype(np.float64), float_layer)
    np.testing.assert_allclose(session.run(x[0]), expected, rtol=0, atol=2e-6)
    cache, reference = session.new_cache(3), np.zeros((3, step.cache))
    for vectors in x:
        found = session.run(vectors, cache=cache)
        np.testing.assert_allclose(
            found, step.resume(vectors.astype(np.float64), float_layer, reference), rtol=0, atol=2e-6
        )
    np.testing.assert_array_equal(cache, reference)
    one = session.new_cache()
    assert session.run(x[0, 1], cache=one).shape == (step.outputs,)
    np.testing.assert_array_equal(session.run(x[1, 1], cache=one), found[1])


def test_tokens_one_by_one_are_the_whole_sequence() -> None:
    """A token sees those before it, and no other."""
    whole = Attention("attention", 6, 2, 5, 6, 0.4)
    one = replace(whole, rows=1)
    x = normal(whole.inputs)
    expected = run(whole, x).reshape(6, -1)
    session = eie.InferenceSession(one)
    cache = session.new_cache()
    each = x.reshape(3, 6, -1).transpose(1, 0, 2).reshape(6, -1)
    np.testing.assert_array_equal([session.run(token, cache=cache) for token in each], expected)
    with pytest.raises(InputError, match=r"^attention has room for 6 tokens, and its cache has 6 already$"):
        session.run(each[0], cache=cache)


@pytest.mark.parametrize("count", [-1.0, 0.5, np.nan, np.inf, 1e30])
@pytest.mark.parametrize("numerics", ["float32", "chip"])
def test_what_is_no_cache_is_refused(count: float, numerics: str) -> None:
    """Whatever wrote its number of tokens, in native code and NumPy."""
    step = Attention("attention", 1, 2, 3, 4, 0.5)
    session = eie.InferenceSession(step, numerics=numerics)
    cache = session.new_cache()
    cache[0] = count
    sentence = r"^the cache of attention must begin with a whole number from 0 to 4, not "
    with pytest.raises(InputError, match=sentence):
        session.run(normal(18), cache=cache)


def test_caches_that_do_not_fit_are_refused() -> None:
    """Of another shape, type or order, or of a network that keeps nothing."""
    session = eie.InferenceSession(Attention("attention", 1, 2, 3, 4, 0.5))
    x = normal(2, 18)
    for cache in (session.new_cache(), session.new_cache(3), session.new_cache(2)[:, :-1], np.zeros((2, 49))):
        with pytest.raises(
            InputError, match=r"^the cache must be a writable, contiguous float32 array of shape \(2, 49"
        ):
            session.run(x, cache=cache)
    other = eie.InferenceSession(Reduction("mean", 2, 3))
    for call in (other.new_cache, lambda: other.run(x[:, :6], cache=np.zeros((2, 0), np.float32))):
        with pytest.raises(InputError, match=r"^network \w+ keeps nothing from call to call, expected a decoder$"):
            call()


def test_a_cache_within_a_network() -> None:
    """Steps before and after it, in any numerics; the batch is split where many sequences run at once."""
    network = graph_network()
    x = np.random.default_rng(5).integers(0, 7, (40, 3)).astype(np.float32)
    short = x[:, ::-1].copy()
    for numerics, bound in (("float32", 1e-5), ("int16", 2e-2), ("chip", 0.5)):
        session = eie.InferenceSession(eie.calibrate(network, x), numerics=numerics)
        cache = session.new_cache(40)
        first, reference = session.run(x, cache=cache), np.zeros((40, network.cache))
        np.testing.assert_array_equal(first, session.run(x))
        network.resume(x.astype(np.float64), float_layer, reference)
        np.testing.assert_allclose(cache, reference, rtol=0, atol=bound)
        cache[:, 0] = reference[:, 0] = 1
        expected = network.resume(short.astype(np.float64), float_layer, reference)
        np.testing.assert_allclose(session.run(short, cache=cache), expected, rtol=0, atol=bound)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("size", [1, 5, 16, 100])
def test_normalisations_are_their_reference(centred: bool, size: int) -> None:
    """Rows that fill vectors and rows that do not, far from zero too."""
    step = Normalisation("norm", 3, size, 1e-5, centred)
    x = normal(2, 3 * size) + 3
    expected = step.run(x.astype(np.float64), float_layer)
    np.testing.assert_allclose(run(step, x), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("function", ["mean", "sum", "max"])
@pytest.mark.parametrize("size", [1, 15, 33])
def test_reductions_are_their_reference(function: str, size: int) -> None:
    """The largest to the bit, the others within rounding."""
    step = Reduction("reduction", 4, size, function)
    x = normal(3, 4 * size) - 2
    np.testing.assert_allclose(run(step, x), step.run(x.astype(np.float64), float_layer), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("numerics", ["float32", "int16", "int8", "chip"])
@pytest.mark.parametrize("compressed", [True, False])
def test_lookups_are_their_reference(numerics: str, compressed: bool) -> None:
    """A column and the bias, exact in all numerics but the chip's, which multiplies; what is none is named."""
    layer = random_layer(np.random.default_rng(2), 20, 30, name="words", density=0.4, bias=True)
    product = layer if compressed else Dense("words", layer.matrix.dense().astype(np.float32), layer.bias)
    network = eie.calibrate(Network((Embedding("words", 4, product),)), np.array([0, 29, 3, 3]))
    x = np.random.default_rng(3).integers(0, 30, (5, 4)).astype(np.float32)
    session = eie.InferenceSession(network, numerics=numerics)
    expected = network.run(x, float_layer).astype(np.float32)
    exact = numerics != "chip" or not compressed
    assert is_native(network.steps[0], numerics) == exact
    np.testing.assert_allclose(session.run(x), expected, rtol=0, atol=0 if exact else 1e-2)
    assert [plan.name for plan in session.plan] == ["words"] * compressed
    for wrong in (30, -1, 2.5, 1e30):
        x[4, 2] = wrong
        with pytest.raises(InputError) as error:
            session.run(x)
        assert str(error.value) == f"words looks up whole numbers from 0 to 29, not {np.float32(wrong):g}"


def test_lookups_count_as_memory() -> None:
    """Of compressed entries those that are kept."""
    layer = random_layer(np.random.default_rng(2), 20, 30, name="words", density=0.4)
    step = Embedding("words", 4, layer)
    (plan,) = eie.InferenceSession(step).plan
    assert (plan.kernel, plan.bytes, plan.weights) == ("lookup", 8 * 31 + 5 * layer.matrix.nnz, layer.matrix.nnz)
    with pytest.raises(
        InputError, match=r"^layer words: the weights take \d+ bytes at least, but their share .* is 20$"
    ):
        eie.InferenceSession(step, weight_bytes=20)


LOOKUP = {
    "sources": [0],
    "places": 4,
    "starts": np.array([0, 1, 3], np.int64),
    "rows": np.array([1, 0, 2], np.uint32),
    "codes": np.array([1, 1, 1], np.uint8),
    "book": np.array([0, 2], np.float32),
    "bias": np.zeros(3, np.float32),
}


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda plan: plan.add_embedding(**LOOKUP | {"places": 0}), "rows must have 1 to 16777216"),
        (lambda plan: plan.add_embedding(**LOOKUP | {"places": 2**40}), "rows must have 1 to 16777216"),
        (lambda plan: plan.add_embedding(**LOOKUP | {"starts": np.zeros(1, np.int64)}), "there are no column starts"),
        (lambda plan: plan.add_embedding(**LOOKUP | {"starts": np.array([0, 4, 3], np.int64)}), "before the row above"),
        (lambda plan: plan.add_embedding(**LOOKUP | {"codes": np.zeros(2, np.uint8)}), "there are 2 codes and 3 rows"),
        (lambda plan: plan.add_embedding(**LOOKUP | {"codes": np.full(3, 2, np.uint8)}), "code 2 is not below 2"),
        (lambda plan: plan.add_embedding(**LOOKUP | {"bias": np.zeros(2, np.float32)}), "row 2 is not below 2"),
        (lambda plan: plan.add_embedding(**LOOKUP | {"bias": np.zeros(0, np.float32)}), "rows must have 1 to 16777216"),
        (lambda plan: plan.add_dense_embedding([0], 4, normal(3, 2), normal(3)), "a bias for each output"),
        (lambda plan: plan.add_dense_embedding([0], 4, normal(0, 2), normal(2)), "rows must have 1 to 16777216"),
        (lambda plan: plan.add_matmul([0], 1, 1, 2, 0), "sides of 1 to 16777216"),
        (lambda plan: plan.add_matmul([0], 2**63, 2, 1, 1), "sides of 1 to 16777216"),
        (lambda plan: plan.add_matmul([0], 2**24, 2**24, 2**24, 2**24), "16777216 numbers in all"),
        (lambda plan: plan.add_matmul([0], 1, 2**12, 2**12, 2**24), "16777216 numbers in all"),
        (lambda plan: plan.add_matmul([0], 1, 2, 2, 2), "a step of 8 inputs was given 4"),
        (lambda plan: plan.add_attention([0], 0, 1, 1, 1, 1.0), "sides of 1 to 16777216"),
        (lambda plan: plan.add_attention([0], 2, 1, 1, 1, 1.0), "room for its own tokens"),
        (lambda plan: plan.add_attention([0], 1, 2**12, 2**12, 2, 1.0), "16777216 numbers in all"),
        (lambda plan: plan.add_attention([0], 1, 2**24, 2**24, 2**24, 1.0), "16777216 numbers in all"),
        (lambda plan: plan.add_attention([0], 1, 1, 1, 1, np.inf), "finite scale"),
        (lambda plan: plan.add_normalisation([0], 2**62, 4, 1.0, True), "rows must have 1 to 16777216"),
        (lambda plan: plan.add_normalisation([0], 1, 4, np.nan, True), "0 or above"),
        (lambda plan: plan.add_reduction([0], 4, 0, "max"), "rows must have 1 to 16777216"),
        (lambda plan: plan.add_reduction([0], 1, 4, "least"), "there is no native reduction least"),
    ],
)
def test_what_leads_outside_is_refused(call: Callable[[_native.Plan], object], sentence: str) -> None:
    """By native code itself, whoever calls it."""
    _native.Plan([4], 1).add_embedding(**LOOKUP)
    with pytest.raises(ValueError, match=sentence):
        call(_native.Plan([4], 1))


def test_a_plans_cache_is_within_what_is_given() -> None:
    """Neither past its end, nor of another number of vectors."""
    plan = _native.Plan([3], 1)
    plan.finish([plan.add_attention([0], 1, 1, 1, 4, 1.0)], 1000)
    assert plan.cache == 9
    x, y, none = normal(2, 3), np.zeros((2, 1), np.float32), np.zeros(0, np.uint64)
    assert plan.run([x], [y], none, np.zeros((2, 12), np.float32), 3) == _native.PLAN_DONE
    for cache, first in ((np.zeros((2, 12)), 4), (np.zeros((1, 9)), 0), (np.zeros((2, 12)), 2**63), (np.zeros(0), 0)):
        with pytest.raises(ValueError, match="inputs, outputs and cache do not fit the plan"):
            plan.run([x], [y], none, cache.astype(np.float32), first)
