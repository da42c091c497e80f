"""One-dimensional k-means: the exact one against every other way there is, Lloyd's against its own definition."""

from __future__ import annotations

from itertools import combinations_with_replacement, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie.encoding.clustering import METHODS, Method, assign, cluster, share
from eie.errors import InputError
from strategies import examples

floats = st.floats(-100, 100, width=32)
values = st.one_of(st.lists(floats, min_size=1, max_size=9), st.lists(st.integers(-2, 2), min_size=1, max_size=9))


def cost(part: np.ndarray) -> float:
    return float(((part - part.mean()) ** 2).sum()) if len(part) else 0.0


def least_cost(numbers: np.ndarray, clusters: int) -> float:
    """Try every way to cut the sorted numbers into runs."""
    ordered = np.sort(numbers.astype(np.float64))
    n = len(ordered)
    return min(
        sum(cost(ordered[a:b]) for a, b in pairwise((0, *cut, n)))
        for cut in combinations_with_replacement(range(n + 1), clusters - 1)
    )


@examples(300)
@given(numbers=values, clusters=st.integers(1, 4), bucket_limit=st.integers(0, 4))
def test_optimal_is_the_least_there_is(numbers: list[float], clusters: int, bucket_limit: int) -> None:
    """As good as the best of all partitions: ties, duplicates, fewer values than clusters; any number of buckets."""
    array = np.array(numbers, np.float32)
    found = cluster(array, clusters, bucket_limit=bucket_limit)
    assert found.wcss == pytest.approx(least_cost(array, clusters), rel=1e-9, abs=1e-7)
    assert np.all(np.diff(found.centroids) >= 0)
    nearest = found.centroids[assign(array, found.centroids)]
    assert ((array.astype(np.float64) - nearest) ** 2).sum() == pytest.approx(found.wcss, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("clusters", [3, 15, 64, 255])
@pytest.mark.parametrize("kind", ["normal", "two humps", "few values"])
def test_narrowing_loses_nothing(kind: str, clusters: int) -> None:
    """With few buckets at first, many times over, the result is that of the whole dynamic programme."""
    random = np.random.default_rng(5)
    numbers = random.normal(size=20_000)
    if kind == "two humps":  # what pruning leaves
        numbers = numbers[np.abs(numbers) > 1.2]
    if kind == "few values":
        numbers = np.round(numbers, 2)
    whole = cluster(numbers, clusters, bucket_limit=10**9)
    for bucket_limit in (16, 200, 3000):
        assert cluster(numbers, clusters, bucket_limit=bucket_limit).wcss == pytest.approx(whole.wcss, rel=1e-12)
    for method in METHODS:
        assert cluster(numbers, clusters, method).wcss >= whole.wcss * (1 - 1e-12)


def lloyd(numbers: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """K-means as it is defined, until nothing moves."""
    while True:
        places = assign(numbers, centroids)
        moved = np.array(
            [numbers[places == k].mean() if (places == k).any() else centroid for k, centroid in enumerate(centroids)]
        )
        if np.array_equal(moved, centroids):
            return moved
        centroids = moved


def test_lloyd_from_the_papers_beginnings() -> None:
    """Linear and density initialisation end where plain k-means from the same centroids does."""
    numbers = np.random.default_rng(1).normal(size=400).astype(np.float32).astype(np.float64)
    beginnings: dict[Method, np.ndarray] = {
        "linear": np.linspace(numbers.min(), numbers.max(), 7),
        "density": np.quantile(numbers, (np.arange(7) + 0.5) / 7),
    }
    for method, beginning in beginnings.items():
        found = cluster(numbers, 7, method)
        assert np.allclose(found.centroids, lloyd(numbers, beginning), atol=1e-6)
        assert found.iterations > 1
    assert cluster(numbers, 7, "random", seed=1).wcss != cluster(numbers, 7, "random", seed=2).wcss


def test_fewer_values_than_clusters() -> None:
    """Each value is its own centroid; the last stands for the rest."""
    found = cluster([3.0, -1.0, 3.0], 4)
    assert found.centroids.tolist() == [-1.0, 3.0, 3.0, 3.0]
    assert found.wcss == 0


def test_a_tie_goes_to_the_lower() -> None:
    """A value in the middle belongs to the smaller centroid."""
    assert assign([0.0, 1.0, 2.0], [0.0, 2.0]).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([], 3), "values must be one or more, but there are none"),
        (([1.0, np.nan], 3), "values must be finite, but some are NaN or infinite"),
        (([1.0], 0), "clusters must be 1 to 255, not 0"),
        (([1.0], 256), "clusters must be 1 to 255, not 256"),
        (([1.0], 3, "best"), "method must be optimal, linear, density or random, not best"),
    ],
)
def test_refusals(arguments: tuple, sentence: str) -> None:
    """Each is one sentence."""
    with pytest.raises(InputError) as error:
        cluster(*arguments)
    assert str(error.value) == sentence


@given(seed=st.integers(0, 2**32 - 1), code_bits=st.integers(1, 8))
def test_share_gives_every_kept_weight_the_nearest_value(seed: int, code_bits: int) -> None:
    """Pruned weights get code 0; the others a code from 1, of the nearest of the best values there are."""
    rng = np.random.default_rng(seed)
    weights = np.where(rng.random((7, 9)) < 0.5, rng.normal(size=(7, 9)), 0).astype(np.float32)
    codes, codebook = share(weights, code_bits)
    assert len(codebook) == 2**code_bits
    assert np.array_equal(codes == 0, weights == 0)
    kept = weights[weights != 0]
    if len(kept):
        distances = np.abs(codebook[1:, None] - kept)
        assert np.abs(codebook[codes[weights != 0]] - kept) == pytest.approx(distances.min(axis=0), abs=1e-6)
        best = cluster(kept, 2**code_bits - 1).wcss
        assert ((codebook[codes] - weights) ** 2).sum() == pytest.approx(best, rel=1e-4, abs=1e-6)


def test_nothing_to_share() -> None:
    """A layer without a weight has a codebook of zeros."""
    codes, codebook = share(np.zeros((2, 3)))
    assert not codes.any()
    assert not codebook.any()


def test_share_refuses() -> None:
    """What is not finite, and codes of other widths."""
    with pytest.raises(InputError) as error:
        share(np.array([[np.nan, 1.0]]))
    assert str(error.value) == "weights must be finite, but some are NaN or infinite"
    with pytest.raises(InputError) as error:
        share(np.ones((2, 2)), 9)
    assert str(error.value) == "code_bits must be 1 to 8, not 9"


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_that_are_none(seed: int) -> None:
    """A seed below 0 or above what fits is one sentence."""
    with pytest.raises(InputError) as error:
        cluster([1.0, 2.0], 1, "random", seed=seed)
    assert str(error.value) == f"seed must be 0 to 2^63 - 1, not {seed}"
