"""Timing contenders in turns, so that other load on the machine affects all of them alike.

Warm times use the same weights in every call. Rotated times cycle through more copies of the weights than the caches
hold, so that the weights are read from memory, as for one layer of a large network.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eie.encoding.csc import encode
from eie.engine import InferenceSession
from eie.model.network import Layer, Network
from eie.peers.libraries import Call, Peer
from eie.workloads.layers import LayerData

__all__ = [
    "Contender",
    "Measurement",
    "Settings",
    "bandwidth_gb_per_s",
    "measure_layer",
    "quartiles",
    "reason_of",
    "rounds",
    "times",
]

OURS = "eie"
_COPIES_BYTES = 128 * 2**20  # well past the largest cache of a desktop or a server core's share
_MOST_COPIES = 40
_BURST = 4


@dataclass(frozen=True)
class Settings:
    """How to measure: threads of every contender, seconds per layer and kind, numerics and kernel of ours."""

    threads: int = 1
    seconds: float = 2.0
    numerics: str = "int16"
    kernel: str | None = None


@dataclass(frozen=True)
class Contender:
    """One way to compute a layer: a call per copy of its weights, the bytes each reads, and how far off it may be."""

    name: str
    calls: tuple[Call, ...]
    bytes_read: int
    tolerance: float = float("inf")


@dataclass(frozen=True)
class Measurement:
    """One contender on one layer: medians with quartiles in microseconds, error relative to the largest output.

    `wrong` where the error is more than the peer's number format explains: its times are then no times of this product.
    """

    layer: str
    contender: str
    warm_us: float
    warm_quartiles_us: tuple[float, float]
    rotated_us: float
    rotated_quartiles_us: tuple[float, float]
    bytes_read: int
    error: float
    wrong: bool = False


def measure_layer(data: LayerData, peers: Sequence[Peer], settings: Settings) -> tuple[list[Measurement], list[str]]:
    """Measure ours and `peers` on one layer; return the measurements, ours first, and who failed with the reason."""
    weights = data.codebook[data.codes]
    expected = weights.astype(np.float64) @ data.activations.astype(np.float64)
    contenders = [_ours(data, settings)]
    failed = []
    dense = [weights.copy() for _ in range(_copies(weights.nbytes))]
    for peer in peers:
        try:
            bytes_read = peer.bytes_read(weights)
            sources = [dense[i % len(dense)] for i in range(_copies(bytes_read))]
            calls = tuple(peer.make(source, data.activations[None], settings.threads) for source in sources)
            calls[0]()
        except Exception as error:  # a peer that fails, with any error, is a result to report
            failed.append(f"{peer.name} on {data.name}: {reason_of(error)}")
            continue
        contenders.append(Contender(peer.name, calls, bytes_read, peer.tolerance))
    largest = float(np.abs(expected).max()) or 1.0
    errors = {c.name: float(np.abs(c.calls[0]().ravel() - expected).max()) / largest for c in contenders}
    warm = times(contenders, settings.seconds, rotate=False)
    rotated = times(contenders, settings.seconds, rotate=True)
    return [
        Measurement(
            data.name,
            c.name,
            float(np.median(warm[c.name])),
            quartiles(warm[c.name]),
            float(np.median(rotated[c.name])),
            quartiles(rotated[c.name]),
            c.bytes_read,
            errors[c.name],
            wrong=not errors[c.name] <= c.tolerance,  # a NaN is wrong, too
        )
        for c in contenders
    ], failed


def bandwidth_gb_per_s() -> float:
    """Return what one thread reads from memory in GB/s: the dot product of 256 MB with themselves, the best of five."""
    values = np.ones(2**26, np.float32)
    best = min(_seconds(lambda: np.dot(values, values))[0] for _ in range(5))
    return values.nbytes / best / 1e9


def reason_of(error: Exception) -> str:
    """Return why a library failed: the first line of its error, or the error's name."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _ours(data: LayerData, settings: Settings) -> Contender:
    network = Network((Layer(data.name, encode(data.codes, data.codebook)),), data.name)
    if settings.numerics == "chip":
        from eie.model.reference import calibrate

        network = calibrate(network, data.activations)

    def load(kernel: str | None) -> InferenceSession:
        return InferenceSession(network, numerics=settings.numerics, threads=settings.threads, kernel=kernel)

    first = load(settings.kernel)
    plan = first.plan[0]
    active = int(np.count_nonzero(data.activations))
    few = active < plan.few_below
    kernel, bytes_read = (plan.few_kernel, plan.few_bytes) if few else (plan.kernel, plan.bytes)
    if "columns" in kernel or "bitmask" in kernel:  # which read those of active inputs
        bytes_read = bytes_read * active // network.inputs
    sessions = [first, *(load(kernel) for _ in range(_copies(bytes_read) - 1))]
    out = np.zeros(network.outputs, np.float32)
    calls = tuple(lambda one=one: one.run(data.activations, out=out) for one in sessions)
    return Contender(OURS, calls, bytes_read)


def _copies(bytes_read: int) -> int:
    return int(np.clip(_COPIES_BYTES // max(bytes_read, 1) + 1, 2, _MOST_COPIES))


def times(contenders: Sequence[Contender], seconds: float, rotate: bool) -> dict[str, list[float]]:
    """Return each contender's times in microseconds, in turns for `seconds`; with `rotate` over its calls' copies."""
    found = rounds(contenders, seconds, rotate)
    return {name: [second * 1e6 for second, _ in turns] for name, turns in found.items()}


def rounds(
    contenders: Sequence[Contender], seconds: float, rotate: bool = False, fewest: int = 6
) -> dict[str, list[tuple[float, float]]]:
    """Return each contender's calls as seconds by the clock and on a core, in turns for `seconds`, `fewest` at least.

    The contenders' lists are of one length, and calls at one place in them were made close together.
    """
    # Each turn is a burst of calls; the first is not timed, as it reloads code that the other turns evicted.
    found: dict[str, list[tuple[float, float]]] = {c.name: [] for c in contenders}
    for c in contenders:
        for call in c.calls:  # the first use of a copy pays for page faults and cold tables
            call()
    end, turn = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or turn < fewest * _BURST:
        for c in contenders:
            burst = [_seconds(c.calls[(turn + i) % len(c.calls) if rotate else 0]) for i in range(_BURST)]
            found[c.name].extend(burst[1:])
        turn += _BURST
    return found


def _seconds(call: Call) -> tuple[float, float]:
    # A library's threads count: some do all their work in one of their own.
    start_on_core, start = time.process_time(), time.perf_counter()
    call()
    end = time.perf_counter()
    return end - start, time.process_time() - start_on_core


def quartiles(times: list[float]) -> tuple[float, float]:
    """Return the 25th and the 75th percentile."""
    low, high = np.percentile(np.asarray(times, np.float64), [25, 75])
    return float(low), float(high)
