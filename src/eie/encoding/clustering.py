"""One-dimensional k-means: the centroids that many weights share, exact, or from the paper's three initialisations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from eie.errors import InputError

__all__ = ["METHODS", "Clusters", "Method", "assign", "cluster", "share"]

MOST_VALUES = 2**31  # for which the native sums are exact

Method = Literal["optimal", "linear", "density", "random"]
METHODS: tuple[Method, ...] = ("optimal", "linear", "density", "random")


@dataclass(frozen=True, eq=False)
class Clusters:
    """`centroids`, float32, ascending; `wcss`, the sum of squared distances to them; Lloyd's `iterations` if any.

    `wcss` is that of the float32 centroids, each value going to the nearest, and right to float64's rounding.
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
    """Return `clusters` centroids for the real numbers `values`, of any shape, with little sum of squared distances.

    "optimal" has the least that float32 centroids can have (to float64's rounding): native/clustering.cpp tells how. The
    others are Lloyd's k-means begun as Deep Compression does (section 3.2): "linear" with centroids evenly over [min,
    max], "density" at even steps of the values' distribution, "random" at values chosen by `seed` (Forgy). Where there
    are fewer distinct values than clusters, the last centroid is repeated ("optimal"), or some stay where they began.
    `bucket_limit`, 0 for a good one, is how finely the exact algorithm first divides the values. Raises InputError for
    no values, for more than 2**31, for NaN and infinite ones, an unknown method, and clusters outside 1 to 255.
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
