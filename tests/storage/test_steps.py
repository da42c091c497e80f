"""Networks of every kind of step in a model file, as they are and packed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import eie
from eie.errors import InputError
from eie.model.network import Network
from networks import image_network, sequence_network
from strategies import Case, examples, layers


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("make", [image_network, sequence_network])
def test_any_network_survives(tmp_path: Path, make: Any, packed: bool) -> None:
    """It computes the same, bit for bit, with the formats it had."""
    x = np.random.default_rng(1).normal(size=(3, make().inputs)).astype(np.float32)
    network = eie.calibrate(make(), x)
    eie.save(network, tmp_path / "model.safetensors", packed=packed)
    found = eie.load(tmp_path / "model.safetensors")
    assert found.name == network.name
    assert [type(step) for step in found] == [type(step) for step in network]
    assert [layer.formats for layer in found.layers] == [layer.formats for layer in network.layers]
    for before, after in zip(network.layers, found.layers, strict=True):
        assert np.array_equal(before.matrix.entries, after.matrix.entries)
    for numerics in ("float32", "chip"):
        runs = [eie.InferenceSession(which, numerics=numerics).run(x) for which in (network, found)]
        assert np.array_equal(*runs)


@given(case=layers(code_bits=(1, 8), index_bits=(1, 8)))
def test_any_layer_packs(tmp_path: Path, case: Case) -> None:
    """Empty layers, one weight, 8-bit codes: all come back as they were."""
    path = tmp_path / "layer.safetensors"
    eie.save(eie.Layer("layer", case.matrix), path, packed=True)
    matrix = eie.load(path).layers[0].matrix
    assert np.array_equal(matrix.entries, case.matrix.entries)
    assert np.array_equal(matrix.pointers, case.matrix.pointers)


def test_packed_is_small(tmp_path: Path) -> None:
    """A tenth of 300 x 784 weights takes about a byte each; shared biases a byte each too, and come back exactly."""
    rng = np.random.default_rng(1)
    codes = np.where(rng.random((300, 784)) < 0.1, rng.integers(1, 16, (300, 784)), 0).astype(np.uint8)
    book = np.concatenate(([0], rng.normal(size=15)))
    bias = rng.choice(rng.normal(size=15), 300).astype(np.float32)
    layer = eie.Layer("fc", eie.encode(codes, book), bias)
    eie.save(layer, tmp_path / "a.safetensors", packed=True)
    eie.save(layer, tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").stat().st_size < 1.1 * layer.matrix.nnz + 300 + 1500
    assert (tmp_path / "b.safetensors").stat().st_size > 4 * 64 * 784
    found = eie.load(tmp_path / "a.safetensors").layers[0]
    assert found.bias is not None
    assert np.array_equal(found.bias, bias)


def damage(path: Path, change: Any) -> None:
    with safetensors.safe_open(path, framework="numpy") as file:
        document = json.loads(file.metadata()["eie"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a file is no mapping
    change(document, tensors)
    path.write_bytes(safetensors.numpy.save(tensors, {"eie": json.dumps(document)}))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda d, t: d["layers"][5]["packed"].update(entries=10**7),
            "layer fc1: packed codes: 10000000 symbols do not fit ",
        ),
        (
            lambda d, t: t.update({"layers.5.codes": t["layers.5.codes"][:20]}),
            "layer fc1: packed codes: ",
        ),
        (lambda d, t: t["layers.5.gaps"].fill(1), "layer fc1: packed gaps: the code lengths are of no prefix code"),
        (
            lambda d, t: d["layers"][5].update(outputs=7),
            "layer fc1: not a flat stream of 7 x 20 weights: entry ",
        ),
        (
            lambda d, t: d["layers"][5].update(n_pe=1024, inputs=2**24),
            "loading and running it may take 68,719,493,060 bytes, more than the budget of 2,147,483,648: ",
        ),
        (
            lambda d, t: d["layers"][0]["image"].update(height=2**20, width=2**20),
            "layer conv1: an image must have 1 to 16777216 values, not 2 x 1048576 x 1048576",
        ),
        (
            lambda d, t: d["layers"][3]["formats"].pop(),
            "layers.3.winograd.formats in the 'eie' document is wrong: List should have at least 16 items",
        ),
        (
            lambda d, t: d["layers"][6].update(function="eval"),
            "layer tanh: activation tanh must be relu, sigmoid, tanh, softmax, log_softmax, not eval",
        ),
        (
            lambda d, t: t.update({"layers.7.weights": t["layers.7.weights"].astype(np.uint8)}),
            "tensor layers.7.weights must be float32, not uint8",
        ),
        (
            lambda d, t: d["layers"][2].update(kind="max pool"),
            "layers.2 in the 'eie' document is wrong: Input tag 'max pool' found using 'kind' does not match any of ",
        ),
    ],
)
def test_hostile_steps(tmp_path: Path, change: Any, sentence: str) -> None:
    """Each is refused in a sentence that names the file, the layer and the fault."""
    path = tmp_path / "model.safetensors"
    eie.save(image_network(), path, packed=True)
    damage(path, change)
    with pytest.raises(InputError) as error:
        eie.load(path)
    assert str(error.value).startswith(f"{path}: {sentence}")


@examples(150)
@given(data=st.data())
def test_any_damage_is_refused_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    """Bytes changed anywhere in a packed file never get further than a sentence or a valid network."""
    path = tmp_path / "model.safetensors"
    eie.save(Network(image_network(winograd=False).steps[:2], "two"), path, packed=True)
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    try:
        found = eie.load(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        for layer in found.layers:
            layer.matrix.decode()
