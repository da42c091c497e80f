"""Clustering of any finite float32 values, however far apart, beside every partition in exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eie.encoding.clustering import METHODS, Method, assign, cluster
from eie.errors import InputError

LEAST = float(np.float32(2.0**-149))
LARGEST = float(np.finfo(np.float32).max)

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
# Neighbours in float32, far apart in size: where sums and squares of float64 lose most.
clumps = st.builds(
    lambda base, steps: [float(np.float32(base) + np.spacing(np.float32(base)) * np.float32(step)) for step in steps],
    st.floats(-(2.0**126), 2.0**126, width=32),
    st.lists(st.integers(0, 5), min_size=1, max_size=3),
)
hostile = st.one_of(
    st.lists(finite, min_size=1, max_size=8),
    st.lists(clumps, min_size=1, max_size=3).map(lambda parts: [value for part in parts for value in part]),
)


def exact_error(part: list[Fraction], centroid: float) -> Fraction:
    return sum(((value - Fraction(centroid)) ** 2 for value in part), Fraction(0))


def least_error(part: list[Fraction]) -> Fraction:
    """Return the least sum of squared distances to one float32 number."""
    near = np.float32(float(sum(part) / len(part)))
    with np.errstate(over="ignore"):
        around = [near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))]
    return min(exact_error(part, float(centroid)) for centroid in around if np.isfinite(centroid))


def least_of_all(values: np.ndarray, clusters: int) -> Fraction:
    """Try every way to cut the sorted values into runs."""
    ordered = [Fraction(float(value)) for value in np.sort(values)]
    cuts = combinations(range(1, len(ordered)), min(clusters, len(ordered)) - 1)
    return min(sum(least_error(ordered[a:b]) for a, b in pairwise((0, *cut, len(ordered)))) for cut in cuts)


def nearest_error(values: np.ndarray, centroids: np.ndarray) -> Fraction:
    return sum(
        (min((Fraction(float(value)) - Fraction(float(centroid))) ** 2 for centroid in centroids) for value in values),
        Fraction(0),
    )


def assert_sane(values: np.ndarray, centroids: np.ndarray, wcss: float) -> None:
    """Centroids ascend, and the error claimed is theirs, `assign` giving each value the nearest."""
    assert np.all(np.diff(centroids.astype(np.float64)) >= 0)
    assert wcss == pytest.approx(float(nearest_error(values, centroids)), rel=1e-13, abs=0)
    own = sum(
        ((Fraction(float(value)) - Fraction(float(centroids[place]))) ** 2)
        for value, place in zip(values, assign(values, centroids), strict=True)
    )
    assert float(own) == pytest.approx(wcss, rel=1e-12, abs=0)


@settings(max_examples=300, deadline=None)
@given(numbers=hostile, clusters=st.integers(1, 4), bucket_limit=st.integers(0, 4))
@example([1e38, 1.0, 2.0, 3.0, 4.0], 3, 0)
@example([-1e38, 1.0, 2.0, 3.0, 4.0], 3, 0)
@example([1e9, 1.0, 1.5, 2.0, -1.0], 3, 0)
@example([0, 0, 0, 8, 8, 17, 17, 17, -4.5e-33], 3, 0)
@example([LEAST, 2 * LEAST, 5 * LEAST, 7 * LEAST, -LEAST], 2, 0)
@example([LARGEST, -LARGEST, LARGEST, 0.0, -0.0], 2, 0)
@example([1.0] * 7 + [1.0 + 2.0**-23] * 2 + [1.0 - 2.0**-24], 2, 0)
@example([LARGEST, 1e-30, 1.0, 1.0 + 2.0**-23, -1e-40], 4, 1)
def test_optimal_is_exact_for_any_float32(numbers: list[float], clusters: int, bucket_limit: int) -> None:
    """The error is the least that float32 centroids can have, to float64's rounding, whatever the values."""
    values = np.array(numbers, np.float32)
    found = cluster(values, clusters, bucket_limit=bucket_limit)
    assert found.wcss == pytest.approx(float(least_of_all(values, clusters)), rel=1e-13, abs=0)
    assert_sane(values, found.centroids, found.wcss)


@settings(max_examples=100, deadline=None)
@given(numbers=hostile, clusters=st.integers(1, 5))
@example([1e9, 1.0, 1.5, 2.0, -1.0], 3)
def test_lloyds_error_is_that_of_its_centroids(numbers: list[float], clusters: int) -> None:
    """From all of the paper's beginnings: ascending centroids, and an error that is neither hidden nor invented."""
    values = np.array(numbers, np.float32)
    least = float(least_of_all(values, clusters))
    for method in METHODS[1:]:
        found = cluster(values, clusters, method)
        assert_sane(values, found.centroids, found.wcss)
        assert found.wcss >= least * (1 - 1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_far_away_hides_nothing(method: Method) -> None:
    """One value at 1e38 leaves the error of the others as it is."""
    near = np.random.default_rng(1).normal(size=3000).astype(np.float32)
    with_far = np.append(near, np.float32(1e38))
    found = cluster(with_far, 9, method)
    assert found.centroids[-1] == np.float32(1e38)
    assert found.wcss == pytest.approx(float(nearest_error(with_far, found.centroids)), rel=1e-12)
    if method == "optimal":
        assert found.wcss == pytest.approx(cluster(near, 8).wcss, rel=1e-12)


def test_many_of_one_value_do_not_hide_its_neighbour() -> None:
    """A million equal values and a few next to them: sums of squares about zero would need 126 bits."""
    values = np.full(1_000_003, 1.0, np.float32)
    values[:3] += np.float32(2.0**-23)
    assert cluster(values, 1).wcss == 3 * 2.0**-46
    assert cluster(values, 2).wcss == 0


def test_more_values_than_the_sums_hold_are_refused() -> None:
    """Counts are 32 bits wide where squares are summed."""
    values = np.broadcast_to(np.float32(1), 2**31 + 1)
    with pytest.raises(InputError) as error:
        cluster(values, 3)
    assert str(error.value) == "values must be at most 2147483648, but there are 2147483649"
