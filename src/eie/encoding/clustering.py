"""One-dimensional k-means: the centroids that many weights share, exact, or from the paper's three initialisations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

import eie._native as _native
from eie.errors import InputError

__all__ = ["METHODS", "Clusters", "Method", "assign", "cluster", "share"]

MOST_VALUES = 2**31  # the native sums are exact for up to this many values

Method = Literal["optimal", "linear", "density", "random"]
METHODS: tuple[Method, ...] = ("optimal", "linear", "density", "random")


@dataclass(frozen=True, eq=False)
class Clusters:
    """The result of a clustering.

    `centroids` are float32, ascending. `wcss` is the sum of squared distances of the values to their nearest
    centroid, right to float64's rounding. `iterations` are those of Lloyd's algorithm, 0 for the exact one.
    """

    centroids: npt.NDArray[np.float32] = field(repr=False)
    wcss: float
    iterations: int = 0


def cluster(
    values: npt.ArrayLike,
    clusters: int,
    method: Method = "optimal",
    *,
    seed: int = 0,
    most_iterations: int = 300,
    bucket_limit: int = 0,
) -> Clusters:
    """Return `clusters` centroids for the real numbers `values`, of any shape, by one-dimensional k-means.

    "optimal" has the least that float32 centroids can have, to float64's rounding: native/clustering.cpp tells how. The
    others are Lloyd's k-means begun as Deep Compression does (section 3.2): "linear" with centroids evenly over [min,
    max], "density" at even steps of the values' distribution, "random" at values chosen by `seed` (Forgy). Where there
    are fewer distinct values than clusters, the last centroid is repeated ("optimal"), or some stay where they began.
    `bucket_limit`, 0 for a good one, is how finely the exact algorithm first divides the values. Raises InputError for
    no values, for more than 2**31, for NaN and infinite ones, an unknown method, and clusters outside 1 to 255.
    """
    if np.size(values) > MOST_VALUES:
        raise InputError(f"values must be at most {MOST_VALUES}, but there are {np.size(values)}")
    array = np.ascontiguousarray(values, np.float32).ravel()
    if not 1 <= clusters <= 255:
        raise InputError(f"clusters must be 1 to 255, not {clusters}")
    if len(array) == 0:
        raise InputError("values must be one or more, but there are none")
    if not np.isfinite(array).all():
        raise InputError("values must be finite, but some are NaN or infinite")
    if method == "optimal":
        return Clusters(*_native.cluster_optimal(array, clusters, bucket_limit))
    if method == "linear":
        initial = np.linspace(float(array.min()), float(array.max()), clusters)
    elif method == "density":
        initial = np.quantile(array.astype(np.float64), (np.arange(clusters) + 0.5) / clusters)
    elif method == "random":
        if not 0 <= seed < 2**63:
            raise InputError(f"seed must be 0 to 2^63 - 1, not {seed}")
        random = np.random.default_rng(seed)
        initial = np.sort(random.choice(array, clusters, replace=len(array) < clusters)).astype(np.float64)
    else:
        raise InputError(f"method must be {', '.join(METHODS[:-1])} or {METHODS[-1]}, not {method}")
    return Clusters(*_native.cluster_lloyd(array, initial, most_iterations))


def assign(values: npt.ArrayLike, centroids: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Return for each value the index of the nearest of the ascending `centroids`, the lower one in a tie."""
    book = np.asarray(centroids, np.float64)
    places = np.searchsorted((book[:-1] + book[1:]) / 2, np.asarray(values, np.float64), side="left")
    return places.astype(np.uint8)


def share(
    weights: npt.ArrayLike, code_bits: int = 4, method: Method = "optimal", *, seed: int = 0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Share `weights`, an array of any shape in which a pruned weight is 0, through one codebook.

    Returns (codes, codebook). The codebook, float32 (2**code_bits,), is 0 followed by the centroids of the kept
    weights. The codes, uint8 and of the weights' shape, are 0 for a pruned weight and the index of the nearest
    centroid, 1 or above, for a kept one. Raises InputError for weights that are NaN or infinite, and for code_bits
    outside 1 to 8.
    """
    array = np.asarray(weights, np.float32)
    if not np.isfinite(array).all():
        raise InputError("weights must be finite, but some are NaN or infinite")
    if not 1 <= code_bits <= 8:
        raise InputError(f"code_bits must be 1 to 8, not {code_bits}")
    codes = np.zeros(array.shape, np.uint8)
    codebook = np.zeros(2**code_bits, np.float32)
    kept = array != 0
    if kept.any():
        codebook[1:] = cluster(array[kept], 2**code_bits - 1, method, seed=seed).centroids
        codes[kept] = assign(array[kept], codebook[1:]) + 1
    return codes, codebook
