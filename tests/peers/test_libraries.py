from __future__ import annotations

import numpy as np
import pytest

from eie.peers.libraries import PEERS, Peer, available, set_threads


def data(batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sparse weights (60, 96) and activations (batch, 96), half of them zero."""
    rng = np.random.default_rng(0)
    weights = (rng.normal(size=(60, 96)) * (rng.random((60, 96)) < 0.2)).astype(np.float32)
    activations = np.maximum(rng.normal(size=(batch, 96)), 0).astype(np.float32)
    return weights, activations


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize(
    "peer",
    [pytest.param(peer, id=peer.name, marks=[pytest.mark.slow] * ("compiled" in peer.name)) for peer in PEERS],
)
def test_every_peer_computes_the_product(peer: Peer, batch: int) -> None:
    """What is measured is the same product as ours, within the peer's number format."""
    if peer not in available()[0]:
        pytest.skip(f"{peer.name} needs the package {peer.package}")
    set_threads(1)
    weights, activations = data(batch)
    expected = activations.astype(np.float64) @ weights.astype(np.float64).T
    if "compiled" in peer.name and batch > 1:
        with pytest.raises(RuntimeError, match="one vector"):
            peer.make(weights, activations, 1)
        return
    call = peer.make(weights, activations, 1)
    for _ in range(2):
        np.testing.assert_allclose(call(), expected, rtol=0, atol=peer.tolerance * np.abs(expected).max())


def test_sparse_peers_read_non_zeros_only() -> None:
    """Bytes read are 8 a non-zero for float32 CSR, and the whole matrix in its format for dense peers."""
    weights, _ = data(1)
    bytes_read = {peer.name: peer.bytes_read(weights) for peer in PEERS}
    assert bytes_read["MKL sparse CSR"] == 8 * np.count_nonzero(weights)
    assert bytes_read["MKL dense"] == 4 * weights.size
    assert bytes_read["ONNX Runtime int8"] == weights.size


def test_missing_peers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer whose package is not installed is named with the package."""
    monkeypatch.setattr("eie.peers.libraries._installed", lambda package: package != "mkl")
    there, missing = available()
    assert missing == ["MKL dense (package mkl)", "MKL sparse CSR (package mkl)"]
    assert len(there) == len(PEERS) - 2
