from __future__ import annotations

import numpy as np
import pytest

from eie.peers import measure
from eie.peers.libraries import PEERS, Call, Peer
from eie.peers.measure import Measurement, Settings, bandwidth_gb_per_s, measure_layer
from eie.peers.report import geometric_means, limits
from eie.workloads.layers import LayerData

SCIPY = next(peer for peer in PEERS if peer.name == "SciPy sparse CSR")


def layer() -> LayerData:
    """Return a small layer under a name of its own."""
    rng = np.random.default_rng(0)
    codes = np.where(rng.random((70, 90)) < 0.2, rng.integers(1, 16, (70, 90)), 0).astype(np.uint8)
    codebook = np.concatenate(([0], rng.normal(size=15))).astype(np.float32)
    return LayerData("small", codes, codebook, np.maximum(rng.normal(size=90), 0).astype(np.float32))


@pytest.mark.parametrize("numerics", ["int16", "int8", "chip", "float32"])
def test_ours_and_peers_are_measured_and_right(numerics: str) -> None:
    """Ours comes first, times are positive and within their quartiles, and the error is what the numerics allow."""
    measured, failed = measure_layer(layer(), [SCIPY], Settings(seconds=0.02, numerics=numerics))
    assert failed == []
    assert [m.contender for m in measured] == ["eie", "SciPy sparse CSR"]
    for m in measured:
        assert 0 < m.warm_quartiles_us[0] <= m.warm_us <= m.warm_quartiles_us[1]
        assert 0 < m.rotated_quartiles_us[0] <= m.rotated_us <= m.rotated_quartiles_us[1]
    assert (
        measured[0].error < {"int16": 1e-4, "int8": 1.5e-2, "chip": 3e-4, "float32": 5e-7}[numerics]
    )  # two to four times seen
    assert measured[1].error < 5e-7


def test_a_peer_that_fails_is_named_with_its_reason() -> None:
    """A library that cannot do a layer is a result, not the end of the run."""

    def refuse(weights: np.ndarray, activations: np.ndarray, threads: int) -> Call:
        raise RuntimeError("out of luck\nand more")

    peer = Peer("Unlucky", "none", 4, False, refuse)
    measured, failed = measure_layer(layer(), [peer], Settings(seconds=0.02))
    assert [m.contender for m in measured] == ["eie"]
    assert failed == ["Unlucky on small: out of luck"]


def test_a_peer_that_is_wrong_is_shown_as_wrong() -> None:
    """An error beyond the peer's number format, or NaN, is marked, and counts in no mean."""

    def with_product(value: float) -> Peer:
        return Peer(
            f"Gives {value}", "none", 4, False, lambda w, x, threads: lambda: np.full(len(w), value, np.float32)
        )

    peers = [SCIPY, with_product(0), with_product(float("nan"))]
    measured, _ = measure_layer(layer(), peers, Settings(seconds=0.02))
    assert [m.wrong for m in measured] == [False, False, True, True]
    assert list(geometric_means(measured)) == ["SciPy sparse CSR"]


def test_geometric_means_and_limits() -> None:
    """Ratios are per layer, their mean is geometric; the limit is bytes over bandwidth."""

    def measurement(layer: str, contender: str, warm: float, rotated: float) -> Measurement:
        return Measurement(layer, contender, warm, (warm, warm), rotated, (rotated, rotated), 3_000_000, 0.0)

    measurements = [
        measurement("a", "eie", 10, 20),
        measurement("a", "peer", 20, 20),
        measurement("b", "eie", 1, 2),
        measurement("b", "peer", 8, 8),
    ]
    assert geometric_means(measurements) == {"peer": pytest.approx((4.0, 2.0))}
    assert limits(measurements, 30.0) == {"a": pytest.approx(100.0), "b": pytest.approx(100.0)}


def test_bandwidth_is_that_of_the_fastest_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """2**26 floats in 20 ms at best are 13.4 GB/s, whatever the other readings took."""
    seconds = iter([0.03, 0.05, 0.02, 0.09, 0.04])
    monkeypatch.setattr(measure, "_seconds", lambda call: (next(seconds), 0.0))
    assert bandwidth_gb_per_s() == pytest.approx(2**28 / 0.02 / 1e9)
