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
from eie.steps import ACTIVATIONS
from networks import carrying_network, graph_network, image_network, sequence_network
from strategies import Case, examples, layers


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("make", [image_network, sequence_network, carrying_network])
def test_any_network_survives(tmp_path: Path, make: Any, packed: bool) -> None:
    """It computes the same, bit for bit, with the formats it had."""
    x = np.random.default_rng(1).normal(size=(3, make().inputs)).astype(np.float32)
    network = eie.calibrate(make(), x)
    eie.save(network, tmp_path / "model.safetensors", packed=packed)
    found = eie.load(tmp_path / "model.safetensors")
    assert (found.name, found.state, found.sources) == (network.name, network.state, network.sources)
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
            f"layer tanh: activation tanh must be {', '.join(ACTIVATIONS)}, not eval",
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


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda d, t: d["layers"][5].update(sources=[5]),
            "keys is step 5 and reads step 5, expected -1, the network's ",
        ),
        (
            lambda d, t: d["layers"][5].update(sources=[-2]),
            "layers.5.gather.sources.0 in the 'eie' document is wrong: ",
        ),
        (lambda d, t: d["layers"][5].update(sources=[]), "keys has no source, expected at least one"),
        (
            lambda d, t: d["layers"][20].update(sources=[17]),
            "no step reads gelu, expected only the last step to be unread",
        ),
        (lambda d, t: d["layers"][6].update(sources=[4, 5, 5]), "scores reads 24 + 24 + 24 values, but has 48 inputs"),
        (lambda d, t: d["layers"][0]["product"].update(sources=[0]), "layers.0.embedding.product in the 'eie' docum"),
        (lambda d, t: d["layers"][13].update(size=2**24, terms=2**24), "layer residual: residual must combine 2 or "),
        (lambda d, t: d["layers"][4]["strides"].update(offset=2**70), "layer query.heads: an index must have offset "),
        (lambda d, t: d["layers"][4]["strides"].update(offset=20), "layer query.heads: query.heads: index must be -1 "),
        (lambda d, t: d["layers"][4]["strides"].update(shape=[2**12, 2**13, 2, 2]), "loading and running it may take "),
        (lambda d, t: d["layers"][4].update(strides=None), "layer query.heads: the tensor layers.4.index is missing"),
        (
            lambda d, t: t.update({"layers.14.index": t["layers.14.index"].astype(np.float32)}),
            "layer shuffled: tensor layers.14.index must be uint32, not float32",
        ),
        (lambda d, t: t["layers.14.index"].fill(2**31), "layer shuffled: shuffled: index must be -1 to 23, the last "),
        (lambda d, t: d["layers"][1].update(epsilon=-1.0), "layer norm: norm: epsilon must be above 0, not -1.0"),
        (lambda d, t: d["layers"][6].update(inner=2**24), "layer scores: scores must multiply matrices with 1 to 167"),
        (
            lambda d, t: d["layers"][12].update(capacity=2**24),
            "layer causal: causal must have 1 to 16777216 values in ",
        ),
        (lambda d, t: d["layers"][12].update(capacity=2), "layer causal: causal must have room for its own 3 tokens, "),
        (lambda d, t: d["layers"][0]["product"].update(relu=True), "layer tokens: tokens: its product must have no Re"),
        (lambda d, t: d.update(format_version=1), "layer tokens needs format_version 2, not 1"),
    ],
)
def test_hostile_graphs(tmp_path: Path, change: Any, sentence: str) -> None:
    """Steps that read what is not there yet, or too much of it; and each new kind with sizes that do not add up."""
    path = tmp_path / "model.safetensors"
    eie.save(graph_network(), path, packed=True)
    damage(path, change)
    with pytest.raises(InputError) as error:
        eie.load(path, budget_bytes=2**24)
    assert str(error.value).startswith(f"{path}: {sentence}")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda d, t: d.update(state=17),
            "network carrying has 17 inputs and 17 outputs, of which 17 cannot be a state",
        ),
        (lambda d, t: d.update(state=-1), "state in the 'eie' document is wrong: "),
        (lambda d, t: d["layers"][3].update(gives_memory=True), "layer gru: gru is a gru, which has no memory to give"),
        (
            lambda d, t: d["layers"][2].update(takes_state=False),
            "layer lstm.order has 14 outputs, but lstm ",
        ),
        (lambda d, t: d["layers"][2].update(steps=2**24), "layer lstm.order has 14 outputs, but lstm after it has "),
    ],
)
def test_hostile_states(tmp_path: Path, change: Any, sentence: str) -> None:
    """States that are more than there is, and cells that take and give what they have not."""
    path = tmp_path / "model.safetensors"
    eie.save(carrying_network(), path)
    damage(path, change)
    with pytest.raises(InputError) as error:
        eie.load(path)
    assert str(error.value).startswith(f"{path}: {sentence}")


def test_a_state_needs_the_second_version(tmp_path: Path) -> None:
    """A chain with a state, too."""
    path = tmp_path / "model.safetensors"
    network = Network(sequence_network().steps, "chain", state=1)
    eie.save(network, path)
    assert eie.load(path).state == 1
    damage(path, lambda d, t: d.update(format_version=1))
    with pytest.raises(InputError, match="a network with a state or inputs of its own needs format_version 2, not 1"):
        eie.load(path)


def test_a_chain_has_the_first_version(tmp_path: Path) -> None:
    """Programs of before read it; what needs graphs, or a later function, says so."""
    path = tmp_path / "model.safetensors"
    network = image_network()
    gelu = Network((*network.steps, eie.steps.Activation("gelu", 4, "gelu")))
    for which, version in (
        (network, 1),
        (sequence_network(), 1),
        (graph_network(), 2),
        (carrying_network(), 2),
        (gelu, 2),
    ):
        eie.save(which, path)
        with safetensors.safe_open(path, framework="numpy") as file:
            document = json.loads(file.metadata()["eie"])
        assert document["format_version"] == version
        assert any("sources" in layer for layer in document["layers"]) == (which.sources is not None)
