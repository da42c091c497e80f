"""Steps of networks that are no chains, each against PyTorch, and a network of them through engine, chip and file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import eie
from eie.engine.plan import together
from eie.engine.saturation import saturation
from eie.errors import InputError
from eie.model.network import Batch, Network, Step
from eie.model.numerics import dequantise
from eie.model.reference import float_layer, formats_of
from eie.steps import (
    Activation,
    Affine,
    Dense,
    Embedding,
    Gather,
    Matmul,
    Normalisation,
    Product,
    Reduction,
    Rows,
    Sum,
)
from eie.steps.gather import ZERO, Strides, strided
from eie.storage.sizes import layer_size
from networks import graph_network
from strategies import examples


def in_float64(what: Step | Network, vectors: Batch) -> Batch:
    return what.run(vectors.astype(np.float64), lambda layer, x: float_layer(layer, x))


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def test_grouped_layers_count_only_their_groups() -> None:
    """A block of weights per group: the same outputs dense and compressed, and no weight counted that cannot be."""
    rng = np.random.default_rng(1)
    blocks = rng.integers(1, 4, (3, 2, 4)).astype(np.uint8)
    codes = np.zeros((3, 2, 3, 4), np.uint8)
    codes[np.arange(3), :, np.arange(3)] = blocks
    codebook = np.array([0, 1, -2, 3], np.float32)
    layer = eie.Layer("fc", eie.encode(codes.reshape(6, 12), codebook, n_pe=2), groups=3)
    dense = Dense("fc", codebook[blocks].reshape(6, 4), np.zeros(6, np.float32), groups=3)
    x = rng.normal(size=(2, 12))
    assert np.allclose(in_float64(layer, x), in_float64(dense, x))
    assert np.allclose(in_float64(layer, x), x @ layer.matrix.dense().T)
    assert (layer_size(layer).weights, layer_size(layer).kept) == (24, 24)
    with pytest.raises(InputError) as error:
        eie.Layer("fc", eie.encode(np.ones((6, 12), np.uint8), codebook, n_pe=2), groups=3)
    assert str(error.value) == "layer fc: row 0 has a weight in column 4, outside its group of 3"
    with pytest.raises(InputError) as error:
        eie.Layer("fc", layer.matrix, groups=5)
    assert str(error.value) == "layer fc: its 6 outputs and 12 inputs must be equal groups, not 5"


def test_sums_and_products_are_numbers() -> None:
    """Of three vectors, number by number."""
    x = normal(2, 3, 5)
    assert np.allclose(in_float64(Sum("sum", 5, 3), x.reshape(2, 15)), x.sum(axis=1))
    assert np.allclose(in_float64(Product("product", 5, 3), x.reshape(2, 15)), x.prod(axis=1))


def test_matmul_is_pytorchs() -> None:
    """Several products of two matrices that are both inputs."""
    a, b = normal(2, 3, 4, 5), normal(2, 3, 5, 6)
    x = np.concatenate((a.reshape(2, -1), b.reshape(2, -1)), axis=1)
    expected = torch.matmul(torch.from_numpy(a), torch.from_numpy(b)).flatten(1).numpy()
    assert np.allclose(in_float64(Matmul("matmul", 3, 4, 5, 6), x), expected)


@pytest.mark.parametrize(
    ("function", "module"),
    [
        ("gelu", torch.nn.GELU()),
        ("gelu_tanh", torch.nn.GELU("tanh")),
        ("silu", torch.nn.SiLU()),
        ("hardsigmoid", torch.nn.Hardsigmoid()),
        ("hardswish", torch.nn.Hardswish()),
        ("relu6", torch.nn.ReLU6()),
        ("elu", torch.nn.ELU()),
        ("softplus", torch.nn.Softplus()),
        ("erf", torch.erf),
        ("exp", torch.exp),
        ("log", torch.log),
        ("square", torch.square),
        ("sqrt", torch.sqrt),
        ("reciprocal", torch.reciprocal),
        ("absolute", torch.abs),
        ("positive", lambda x: (x > 0).to(x.dtype)),
        ("cos", torch.cos),
        ("sin", torch.sin),
    ],
)
def test_activations_are_pytorchs(function: str, module: Any) -> None:
    """Each function by its name, where it has no real value as well; in the precision of what it is given."""
    x = np.concatenate((normal(2, 4) * 5, [[0.0], [-7.0]]), axis=1)
    found = in_float64(Activation("f", 5, function), x)
    assert np.allclose(found, module(torch.from_numpy(x)).numpy(), equal_nan=True)
    assert Activation("f", 5, function).run(x.astype(np.float32), lambda layer, x: x).dtype == np.float32


def test_softmax_runs_over_each_row() -> None:
    """Of four rows each by itself."""
    x = normal(2, 20)
    expected = torch.softmax(torch.from_numpy(x.reshape(2, 4, 5)), dim=2).flatten(1).numpy()
    assert np.allclose(in_float64(Activation("softmax", 20, "softmax", rows=4), x), expected)


@pytest.mark.parametrize("centred", [True, False])
def test_normalisation_is_pytorchs(centred: bool) -> None:
    """Layer normalisation, and with an affine step what it scales by; and that by the root mean square."""
    x, scale, shift = normal(2, 12), normal(4), normal(4) if centred else np.zeros(4)
    rows, weights = torch.from_numpy(x.reshape(2, 3, 4)), torch.from_numpy(scale)
    if centred:
        expected = torch.nn.functional.layer_norm(rows, (4,), weights, torch.from_numpy(shift), 1e-3)
    else:
        expected = torch.nn.functional.rms_norm(rows, (4,), weights, 1e-3)
    step = Affine("affine", 1, scale.astype(np.float32), shift.astype(np.float32), rows=3)
    found = in_float64(step, in_float64(Normalisation("norm", 3, 4, 1e-3, centred), x))
    assert np.allclose(found, expected.flatten(1).numpy(), atol=1e-6)


@pytest.mark.parametrize("function", ["mean", "sum", "max"])
def test_reductions_are_numpys(function: str) -> None:
    """One number of each row."""
    x = normal(2, 12)
    assert np.allclose(in_float64(Reduction("r", 3, 4, function), x), getattr(np, function)(x.reshape(2, 3, 4), axis=2))


@pytest.mark.parametrize("compressed", [True, False])
def test_rows_and_embeddings_are_pytorchs(compressed: bool) -> None:
    """A linear layer over positions, and columns looked up."""
    layer = graph_network().layers[0]
    weights = layer.matrix.dense()
    product = layer if compressed else Dense("dense", weights, np.zeros(8, np.float32))
    x, ids = normal(2, 21), np.array([[0, 6, 3], [2, 2, 5]])
    assert np.allclose(in_float64(Rows("rows", 3, product), x), (x.reshape(2, 3, 7) @ weights.T).reshape(2, 24))
    found = in_float64(Embedding("embedding", 3, product), ids)
    expected = torch.nn.functional.embedding(torch.from_numpy(ids), torch.from_numpy(weights.T))
    assert np.allclose(found, expected.flatten(1).numpy())
    for wrong in (7, -1, 0.5):
        with pytest.raises(InputError) as error:
            in_float64(Embedding("embedding", 3, product), np.array([[0, 1, wrong]]))
        assert str(error.value) == f"embedding looks up whole numbers from 0 to 6, not {wrong}"


@examples(100)
@given(data=st.data())
def test_regular_indices_take_few_numbers(data: st.DataObject) -> None:
    """Transposed, sliced, flipped and repeated arrays are found to be regular, and come back as they were."""
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    index = np.arange(np.prod(shape)).reshape(shape).transpose(data.draw(st.permutations(range(len(shape)))))
    for axis in range(index.ndim):
        step = data.draw(st.sampled_from([1, 1, -1, 2]))
        index = index[(slice(None),) * axis + (slice(None, None, step),)]
    if data.draw(st.booleans()):
        index = np.broadcast_to(index[..., None], (*index.shape, 3))
    found = strided(index.ravel())
    assert found is not None
    assert np.array_equal(found.places(), index.ravel())
    assert len(found.shape) <= index.ndim


def test_irregular_indices_are_not_regular() -> None:
    """Zeros among them, or no order at all."""
    for index in ([0, 1, 3], [0, 1, 2, 4, 5, 6, 7, 8, 9], [ZERO, 0, 1, 2, ZERO], [0, 1, 5, 6, 2, 3]):
        assert strided(np.array(index)) is None
    assert strided(np.array([2, 1, 0, ZERO])) == Strides(2, (4,), (-1,))


def test_gather_fills_up_with_zeros() -> None:
    """Where the index says so."""
    x = normal(2, 3)
    found = in_float64(Gather("pad", 3, np.array([ZERO, 2, 0, ZERO])), x)
    assert np.array_equal(found, np.stack([[0, a[2], a[0], 0] for a in x]))


def test_a_graph_through_engine_chip_and_file(tmp_path: Path) -> None:
    """The engine agrees with the reference, in the chip's numerics with the chip, after saving as before."""
    network = graph_network()
    x = np.array([[0, 6, 3], [2, 2, 5]])
    expected = in_float64(network, x)
    for numerics, tolerance in (("float32", 1e-5), ("int16", 2e-2)):
        session = eie.InferenceSession(network, numerics=numerics)
        assert np.allclose(session.run(x), expected, atol=tolerance)
        assert np.array_equal(session.run(x[1]), session.run(x)[1])
    assert [plan.name for plan in session.plan] == ["tokens", "query", "fc1", "fc2", "fc3"]
    network = eie.calibrate(network, x)
    for packed in (False, True):
        eie.save(network, tmp_path / "graph.safetensors", packed=packed)
        found = eie.load(tmp_path / "graph.safetensors")
        assert found.sources == network.sources
        runs = [eie.InferenceSession(which, numerics="chip").run(x) for which in (network, found)]
        assert np.array_equal(*runs)
    layers = eie.simulate_network(found, x[0], eie.Hardware(n_pe=4))
    assert [layer.runs for layer in layers] == [3, 3, 1, 1, 1]
    last = layers[-1]
    given = dequantise(last.outputs, formats_of(last.layer).output_fraction)
    assert np.array_equal(runs[0][0], given.astype(np.float32))
    assert [counted.inputs for counted in saturation(network, x)] == [42, 48, 16, 12, 20]


def test_linear_layers_that_branch_are_no_native_chain() -> None:
    """A layer that two steps read gives its outputs to both; those that follow alone run in one call."""
    rng = np.random.default_rng(1)

    def layer(name: str, outputs: int, inputs: int) -> eie.Layer:
        codes = rng.integers(0, 16, (outputs, inputs)).astype(np.uint8)
        return eie.Layer(name, eie.encode(codes, np.arange(16) / 16 - (np.arange(16) > 0), n_pe=2))

    steps = (layer("a", 4, 3), layer("b", 5, 4), layer("c", 4, 5), Sum("sum", 4), layer("d", 2, 4), layer("e", 2, 2))
    network = Network(steps, sources=((-1,), (0,), (1,), (0, 2), (3,), (4,)))
    session = eie.InferenceSession(network, numerics="float32")
    assert together(network, range(6)) == [[0], [1, 2], [3], [4, 5]]
    x = rng.normal(size=(5, 3))
    assert np.allclose(session.run(x), in_float64(network, x), atol=1e-4)
    calibrated = eie.calibrate(network, x)
    a, b = calibrated.steps[0].layers[0], calibrated.steps[1].layers[0]
    assert formats_of(b).activation_fraction == formats_of(a).output_fraction
    expected = eie.simulate_network(calibrated, x[0], eie.Hardware(n_pe=2))[-1]
    found = eie.InferenceSession(calibrated, numerics="chip").run(x[0])
    assert np.array_equal(found, dequantise(expected.outputs, formats_of(expected.layer).output_fraction))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Sum("s", 0), "s must combine 2 or more vectors of 1 or more numbers, 16777216 in all, not 2 of 0"),
        (
            lambda: Product("s", 2**24),
            "s must combine 2 or more vectors of 1 or more numbers, 16777216 in all, not 2 of",
        ),
        (lambda: Matmul("m", 1, 2**13, 1, 2**13), "m must multiply matrices with 1 to 16777216 values in all, not 1 "),
        (lambda: Gather("g", 3, np.array([0, 3])), "g: index must be -1 to 2, the last input, not 0 to 3"),
        (lambda: Gather("g", 3, np.array([2**40])), "g: index must be -1 to 2, the last input, not 1099511627776 to "),
        (lambda: Gather("g", 3, np.zeros(2)), "g: index must be 1 to 16777216 integers in one dimension, not float64"),
        (lambda: Strides(0, (2**13, 2**13), (1, 1)), "an index must have a stride for each side of its shape, and 1 "),
        (lambda: Strides(0, (2, 2), (1, 2**40)), "an index must have offset and strides within 16777216, not Strides"),
        (lambda: Normalisation("n", 2, 3, 0.0), "n: epsilon must be above 0, not 0.0"),
        (lambda: Reduction("r", 2, 3, "median"), "reduction r must be mean, sum, max, not median"),
        (lambda: Reduction("r", 0, 3), "r must have rows with 1 to 16777216 values in all, not 0 of 3"),
        (lambda: Activation("f", 6, "softmax", 4), "activation f must have 1 row, or, a softmax, as many as its 6 "),
        (lambda: Activation("f", 6, "relu", 2), "activation f must have 1 row, or, a softmax, as many as its 6 values"),
        (
            lambda: Affine("a", 2**20, np.ones(3, np.float32), np.ones(3, np.float32), 6),
            "a must have 1 row or more and 16777216 values at most, not 6 of 3145728",
        ),
    ],
)
def test_refusals(make: Any, sentence: str) -> None:
    """What does not fit is named, with its sizes."""
    with pytest.raises(InputError, match=re.escape(sentence)):
        make()
