"""One-dimensional clustering beside scikit-learn's k-means: time and error, as a table.

python benchmarks/clustering.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sklearn
import sklearn.cluster
import threadpoolctl

from eie.compress import cluster
from eie.encoding.clustering import METHODS, Method
from eie.support.output_files import atomic_write
from eie.support.processor import processor

RESULTS = Path(__file__).parent / "results" / "clustering.md"
CLUSTERS = 15  # a 16-entry codebook without its zero
SIZES = {5_000: 7, 400_000: 5, 4_000_000: 3}  # weights: rounds
ALONE = 100_000_000
PRUNED = 1.5  # standard deviations; what magnitude pruning to an eighth leaves has two humps


def weights(count: int) -> np.ndarray:
    """Return `count` normal numbers without the small ones."""
    rng = np.random.default_rng(2016)
    found = np.empty(0, np.float32)
    while len(found) < count:
        numbers = rng.standard_normal(min(8 * count, 50_000_000), dtype=np.float32)
        found = np.concatenate((found, numbers[np.abs(numbers) > PRUNED]))
    return found[:count]


def scikit_learn(values: np.ndarray, starts: int) -> float:
    """Return the sum of squared distances that KMeans reaches, its best of `starts` starts."""
    model = sklearn.cluster.KMeans(CLUSTERS, n_init=starts, random_state=0)
    return float(model.fit(values.astype(np.float64)[:, None]).inertia_)


def ours(method: Method, values: npt.NDArray[np.float32]) -> float:
    """Return the sum of squared distances of our clustering."""
    return cluster(values, CLUSTERS, method).wcss


def main() -> None:
    """Measure and write benchmarks/results/clustering.md."""
    contenders: dict[str, Callable[[npt.NDArray[np.float32]], float]] = {
        **{f"ours, {method}": partial(ours, method) for method in METHODS},
        "scikit-learn, 1 start": lambda v: scikit_learn(v, 1),
        "scikit-learn, 10 starts": lambda v: scikit_learn(v, 10),
    }
    lines = [
        f"# {CLUSTERS} centroids for pruned weights",
        "",
        f"Measured here on {processor()}, one thread, scikit-learn {sklearn.__version__}. Weights are normal numbers "
        f"beyond {PRUNED} standard deviations. Contenders take turns; times are medians. The error is the sum of "
        "squared distances over that of ours, optimal, which is the least there is.",
        "",
        "| weights | method | seconds | times ours, optimal | error over the least |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    with threadpoolctl.threadpool_limits(1):
        for count, rounds in SIZES.items():
            values = weights(count)
            times: dict[str, list[float]] = {name: [] for name in contenders}
            errors = {}
            for _ in range(rounds):
                for name, call in contenders.items():
                    start = time.perf_counter()
                    errors[name] = call(values)
                    times[name].append(time.perf_counter() - start)
            medians = {name: statistics.median(found) for name, found in times.items()}
            best = "ours, optimal"
            for name in contenders:
                lines.append(
                    f"| {count:,} | {name} | {medians[name]:.4f} | {medians[name] / medians[best]:.1f} | "
                    f"{errors[name] / errors[best]:.4f} |"
                )
        values = weights(ALONE)
        for clusters in (CLUSTERS, 255):
            start = time.perf_counter()
            cluster(values, clusters)
            lines.append(
                f"| {ALONE:,} | ours, optimal, {clusters} centroids | {time.perf_counter() - start:.1f} | | 1 |"
            )
    text = "\n".join(lines) + "\n"
    with atomic_write(RESULTS) as temporary:
        temporary.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
