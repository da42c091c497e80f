"""A network of one's own beside the peers: the same outputs, and verdicts that follow from the times."""

from __future__ import annotations

import numpy as np
import pytest

import eie
from eie.peers.networks import NetworkMeasurement, advice, measure_network
from networks import image_network, sequence_network

SWEEP = "eie bench --sweep shows from what density, activity and batch on a linear layer is quicker here"


def measured(contender: str, us: float, spread: float = 0.1) -> NetworkMeasurement:
    return NetworkMeasurement(contender, contender.startswith("eie"), us, (us - spread, us + spread), 0.0)


@pytest.mark.parametrize("batch", [1, 3])
def test_every_contender_computes_the_network(batch: int) -> None:
    """PyTorch and ONNX Runtime get the expanded weights: float32 agrees to rounding, 8 bits to theirs."""
    pytest.importorskip("onnxruntime", reason="the extra `bench` is not installed")
    x = np.random.default_rng(0).normal(size=(batch, 128)).astype(np.float32)
    network = eie.calibrate(image_network(winograd=False), x)
    found, missing = measure_network(network, x, seconds=0.01, kernel="columns")
    errors = {one.contender: one.error for one in found}
    assert missing == []
    assert list(errors) == [
        *("eie int16", "eie int8", "eie float32", "eie chip"),
        *("PyTorch float32", "ONNX Runtime float32", "ONNX Runtime int8"),
    ]
    assert errors["PyTorch float32"] < 1e-5
    assert errors["ONNX Runtime float32"] < 1e-5
    assert 0 < errors["ONNX Runtime int8"] < 0.2
    for one in found:
        assert 0 < one.quartiles_us[0] <= one.us <= one.quartiles_us[1]


def test_what_a_peer_cannot_run_is_said() -> None:
    """A network that is not written to ONNX is measured without the peers, and each says why."""
    network = sequence_network()
    x = np.random.default_rng(0).normal(size=(1, network.inputs)).astype(np.float32)
    found, missing = measure_network(network, x, seconds=0.01, kernel="columns")
    assert [one.contender for one in found] == ["eie int16", "eie int8", "eie float32"]
    assert [line.split(":")[0] for line in missing] == ["PyTorch float32", "ONNX Runtime float32", "ONNX Runtime int8"]
    assert all("which is not written to ONNX" in line for line in missing)
    assert advice(network, 1, found) == ["No peer could run this network, so there is nothing to compare with"]


def test_the_verdict_follows_from_the_times() -> None:
    """Faster, as fast, or slower; and where slower, what to do, from the network's own facts."""
    network = image_network(winograd=False)
    peer = measured("PyTorch float32", 10)
    assert advice(network, 1, [measured("eie int16", 5), peer]) == [
        "eie int16 is fastest: 2.0 times as fast as PyTorch float32"
    ]
    assert advice(network, 1, [measured("eie int16", 10.1, 1), peer]) == [
        "eie int16 and PyTorch float32 are as fast as each other: their quartiles overlap"
    ]
    slower, *lines = advice(network, 8, [measured("eie int16", 30), measured("eie int8", 25), peer])
    assert slower == "eie int8 is SLOWER than PyTorch float32 here: it takes 2.5 times as long"
    assert lines[0].startswith("compress dense too")
    assert lines[-3:] == [
        "measure --batch 1 too: a dense product reads its weights once for all 8 inputs",
        "or use PyTorch float32 for this network on this processor",
        SWEEP,
    ]
    (layer,) = (one for one in network.layers if one.name == "fc2")
    density = layer.matrix.nnz / (layer.outputs * layer.inputs)
    alone = advice(eie.Network((layer,)), 1, [measured("eie int16", 30), peer])[1:]
    further = f"prune further: {density:.0%} of the weights are kept, and zeros are what is skipped"
    use = "use PyTorch float32 for this network on this processor"
    assert alone == ([further, f"or {use}", SWEEP] if density > 0.3 else [use, SWEEP])
