"""Compression beside a training loop of one's own: masks moved, weights shared and tied, results that are current."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import eie
import eie.nn
from eie.compress import Compression, Compressor, Recipe
from eie.errors import InputError
from eie.workloads.data import Data


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(OrderedDict(fc1=nn.Linear(12, 30), relu=nn.ReLU(), fc2=nn.Linear(30, 4)))


def recipe(**tables: Any) -> Recipe:
    return Recipe.model_validate(tables)


def kept(module: Any) -> int:
    return int(torch.count_nonzero(module.weight))


def test_weights_are_not_pruned_unasked() -> None:
    """Zeros stay where they are, also in training, and nothing else becomes zero."""
    model: Any = mlp()
    prune.l1_unstructured(model.fc1, "weight", 0.7)
    zeros = (model.fc1.weight == 0).clone()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 12)).astype(np.float32)
    y = rng.integers(0, 4, 40)
    data = Data(x, y, x, y, x, y)
    done = eie.compress_(model, recipe(train={"epochs": 2}, finetune={"epochs": 2}), data)
    assert torch.equal(model.fc1.weight == 0, zeros)
    assert [stage.name for stage in done.stages] == ["dense", "shared", "fine-tuned"]
    assert [stage.kept for stage in done.stages] == [round(0.3 * 360) + 120] * 3
    done = eie.compress_(model_of(done), recipe(layers={"fc2": {"density": 0.5}}))
    assert (done.layers["fc1"].matrix.nnz, done.layers["fc2"].matrix.nnz) == (108, 60)


def test_a_weight_that_regrows_begins_at_zero() -> None:
    """What was added to a pruned weight chooses it, and is no value for it; a weight kept throughout is left alone."""
    model: Any = nn.Sequential(OrderedDict(fc=nn.Linear(4, 1, bias=False)))
    with torch.no_grad():
        model.fc.weight.copy_(torch.tensor([[4.0, 3.0, 2.0, 1.0]]))
    compressor = Compressor(model, recipe(prune={"density": 0.5, "regrow": True}))
    compressor.prune(1.0)
    original = model.fc.parametrizations.weight.original
    assert original.tolist() == [[4, 3, 0, 0]]
    with torch.no_grad():
        original += torch.tensor([[0.0, 0.0, 9.0, 1.0]])
    assert model.fc.weight.tolist() == [[4, 3, 0, 0]]
    compressor.prune(1.0)
    assert original.tolist() == [[4, 0, 0, 0]]
    with torch.no_grad():
        original += torch.tensor([[0.0, 2.0, 1.0, 0.0]])
    assert model.fc.weight.tolist() == [[4, 0, 1, 0]]


def model_of(done: Any) -> nn.Module:
    """Return a plain model with the compressed weights."""
    model: Any = mlp()
    for name, layer in done.layers.items():
        getattr(model, name).weight.data = torch.from_numpy(np.array(layer.matrix.dense(), np.float32))
    return model


def test_a_layer_that_begins_at_zero_is_trained() -> None:
    """A weight matrix of zeros alone was not pruned by anyone."""
    model: Any = mlp()
    nn.init.zeros_(model.fc2.weight)
    Compressor(model)
    model(torch.randn(5, 12)).square().sum().backward()
    assert model.fc2.parametrizations.weight.original.grad.abs().sum() > 0


def test_ones_own_loop() -> None:
    """A regression with two inputs, any loss and optimiser: pruned, shared, trained on, encoded."""

    class TwoInputs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.out = nn.Linear(6, 16), nn.Linear(3, 16), nn.Linear(16, 2)

        def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
            return self.out(torch.relu(self.a(x) + self.b(z)))

    torch.manual_seed(0)
    model = TwoInputs()
    x, z = torch.randn(200, 6), torch.randn(200, 3)
    y = torch.stack((x[:, 0] * z[:, 1], x[:, 2] + z[:, 0]), dim=1)
    compressor = Compressor(model, recipe(prune={"density": 0.4}, share={"bits": 3}))

    def train(steps: int, prunes: bool) -> float:
        optimiser = torch.optim.RMSprop(model.parameters(), 3e-3)
        for step in range(steps):
            if prunes:
                compressor.prune(step / steps)
            optimiser.zero_grad()
            loss = nn.functional.smooth_l1_loss(model(x, z), y)
            loss.backward()
            optimiser.step()
        return float(loss.detach())

    train(150, prunes=True)
    compressor.share()
    first = train(1, prunes=False)
    assert train(100, prunes=False) < first
    done = compressor.encode()
    assert done.layers["a"].matrix.nnz == round(0.4 * 6 * 16)
    assert len(done.layers["a"].matrix.codebook) == 8
    with torch.no_grad():
        expected = model(x, z)
    eie.nn.convert_(model, done.layers, numerics="float32")
    with torch.no_grad():
        assert torch.allclose(model(x, z), expected, atol=1e-5)


def test_a_gradient_of_weights_does_not_stay_with_their_centroids() -> None:
    """A loop need not clear gradients before sharing: the result is traced all the same."""
    model: Any = mlp()
    compressor = Compressor(model)
    model(torch.ones(2, 12)).sum().backward()
    compressor.share()
    assert all(one.grad is None or one.grad.shape == one.shape for one in model.parameters())
    assert compressor.encode().network.outputs == 4


def test_what_is_asked_in_the_wrong_order() -> None:
    """Masks cannot move once weights are shared, and sharing is done once."""
    compressor = Compressor(mlp())
    compressor.share()
    for call, sentence in (
        (lambda: compressor.prune(0.5), "the weights are shared already, expected pruning before share()"),
        (compressor.share, "the weights are shared already, expected one call of share()"),
    ):
        with pytest.raises(InputError) as error:
            call()  # type: ignore[no-untyped-call]
        assert str(error.value) == sentence


def test_the_result_is_the_model_as_it_is_now() -> None:
    """After more training codebooks and biases are both new; a model whose layers were replaced has no network."""
    model: Any = mlp()
    done = eie.compress_(model, recipe(prune={"density": 0.5}))
    before = done.network
    assert done.network is before
    optimiser = torch.optim.Adam(model.parameters(), 0.05)
    x = torch.randn(32, 12)
    for _ in range(5):
        optimiser.zero_grad()
        model(x).square().sum().backward()
        optimiser.step()
    found = eie.InferenceSession(done.network, numerics="float32").run(x.numpy())
    assert np.allclose(found, model(x).detach().numpy(), atol=1e-5)
    assert not np.array_equal(before.layers[0].matrix.codebook, done.layers["fc1"].matrix.codebook)
    eie.nn.convert_(model, {"fc1": done.layers["fc1"]})
    with pytest.raises(InputError) as error:
        _ = done.network
    assert str(error.value) == "layer fc1 was replaced after the compression, expected its shared weights"


class Language(nn.Module):
    """An embedding and a head with one weight."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(20, 8)
        self.hidden = nn.Linear(8, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Return a score per word."""
        return self.head(torch.tanh(self.hidden(self.embedding(words))))


def test_tied_weights_stay_tied() -> None:
    """Pruned and shared once, trained as one, and the same in the embedding and in the head."""
    model: Any = Language()
    whole = model.embedding.weight.detach().clone()
    done = eie.compress_(model, recipe(prune={"density": 0.5}))
    assert torch.equal(model.embedding.weight, model.head.weight)
    assert (model.head.weight - whole)[model.head.weight != 0].abs().max() < 0.3
    assert kept(model.embedding) == 80 == done.layers["head"].matrix.nnz
    assert sum(one.numel() for one in model.parameters()) == 15 + 15 + 8
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    words = torch.arange(20)
    loss = nn.functional.cross_entropy(model(words), words)
    loss.backward()
    optimiser.step()
    assert torch.equal(model.embedding.weight, model.head.weight)
    assert nn.functional.cross_entropy(model(words), words).item() < loss.item()
    assert torch.equal(torch.from_numpy(done.layers["head"].matrix.dense()), model.embedding.weight.detach())


def test_ties_that_cannot_be_kept_are_refused() -> None:
    """One of them transposed, left in float, or compressed in another way."""
    ways: list[tuple[dict[str, Any], str]] = [
        ({"head": {"compress": False}}, "head.weight, which is not to be compressed"),
        ({"head": {"bits": 3}}, "first.weight, which the recipe compresses in another way"),
    ]
    for layers, sentence in ways:
        model: Any = Language()
        model.first = nn.Linear(8, 20, bias=False)
        model.first.weight = model.head.weight
        model.embedding.weight = nn.Parameter(torch.zeros(20, 8))
        with pytest.raises(InputError, match=sentence):
            eie.compress_(model, recipe(layers=layers))
    model = Language()
    model.head = nn.Linear(20, 8, bias=False)
    model.head.weight = nn.Parameter(model.embedding.weight.detach().t())
    with pytest.raises(
        InputError, match=r"the weights of head are also embedding.weight, which has the shape \(20, 8\)"
    ):
        eie.compress_(model)


def test_a_recurrent_layer_whose_weights_are_anothers() -> None:
    """It would become one matrix of its own: refused, and the model is as it was."""
    model = nn.ModuleDict({"a": nn.LSTMCell(3, 4), "b": nn.LSTMCell(3, 4), "fc": nn.Linear(4, 2)})
    model["b"].weight_hh = model["a"].weight_hh
    with pytest.raises(InputError) as error:
        eie.compress_(model)
    assert str(error.value) == (
        "a.weight_hh is also b.weight_hh, but is compressed in another form: give each its own weights"
    )
    assert type(model["a"]) is nn.LSTMCell


def test_what_is_not_to_be_compressed_is_left_alone() -> None:
    """A recurrent layer that is left keeps its class and its weights; the network has it in float32."""

    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.lstm, self.fc = nn.LSTM(3, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.lstm(x)[0][:, -1])

    model = Sequence()
    before = {name: tensor.clone() for name, tensor in model.lstm.state_dict().items()}
    done = eie.compress_(model, recipe(layers={"lstm": {"compress": False}}, input_shape=(4, 3)))
    assert type(model.lstm) is nn.LSTM
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.lstm.state_dict().items())
    assert [layer.name for layer in done.network.layers] == ["fc"]
    with pytest.raises(ValueError, match="has compress = false and winograd, expected nothing beside"):
        recipe(layers={"fc": {"compress": False, "winograd": True}})


def test_refusals() -> None:
    """Weights of half precision, computed ones, and labels that no output stands for."""
    with pytest.raises(InputError) as error:
        eie.compress_(mlp().half())
    assert str(error.value) == "the weights of fc1 are float16, expected float32: model.float() makes them so"
    model: Any = mlp()
    model.fc1 = torch.nn.utils.spectral_norm(model.fc1)
    with pytest.raises(InputError, match="the weights of fc1 are computed when it is called"):
        eie.compress_(model)
    x, y = np.zeros((30, 12), np.float32), np.full(30, 4)
    with pytest.raises(InputError) as error:
        eie.compress_(mlp(), recipe(train={"epochs": 1}), Data(x, y, x, y, x, y))
    assert str(error.value) == "the data have the label 4, but the model has 4 outputs, from 0"


@pytest.mark.parametrize("prunes", [True, False])
def test_mixed_precision_trains(prunes: bool) -> None:
    """Under autocast the products run in bfloat16; masks, centroids and their gradients stay float32."""
    torch.manual_seed(0)
    model: Any = mlp()
    compressor = Compressor(model, recipe(prune={"density": 0.4}))
    compressor.prune(1.0)
    if not prunes:
        compressor.share()
    x = torch.randn(64, 12)
    y = (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        with torch.autocast("cpu", torch.bfloat16):
            outputs = model(x)
            loss = nn.functional.cross_entropy(outputs, y)
        assert outputs.dtype == torch.bfloat16
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert model.fc1.weight.dtype == torch.float32
    assert kept(model.fc1) == round(0.4 * 360)
    compressor.encode()


class Rated(nn.Module):
    """A number from a user and what is known of an item: whole numbers and real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.users = nn.Embedding(7, 5)
        self.rating = nn.Sequential(nn.Linear(8, 20), nn.ReLU(), nn.Linear(20, 2))

    def forward(self, user: torch.Tensor, item: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return two numbers, each by itself."""
        found = self.rating(torch.cat((self.users(user), item), dim=1))
        return found[:, :1], found[:, 1:]


def test_a_model_of_several_inputs_ends_in_one_call() -> None:
    """The network's inputs are the model's, one after the other; it is held against the model and calibrated."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = Rated()
    users, items = rng.integers(0, 7, 40), rng.normal(size=(40, 3))
    done = Compressor(model, recipe(prune={"density": 0.5})).encode((users, items))
    network = done.network
    assert [port.size for port in network.inputs_as] == [1, 3]
    assert all(layer.formats is not None for layer in network.layers)
    found = eie.InferenceSession(network, numerics="float32").run(np.column_stack((users, items)).astype(np.float32))
    with torch.no_grad():
        expected = torch.cat(model(torch.from_numpy(users), torch.from_numpy(items).float()), dim=1).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    wrong = Compression(model, done.recipe, done.names, inputs=(users, items[:, :2].astype(np.float32)))
    with pytest.raises(InputError, match=r"the model does not run on inputs of \(1,\), \(1, 2\)"):
        _ = wrong.network
    with pytest.raises(InputError, match="the inputs have 40 and 39 items, expected as many of each"):
        Compressor(Rated()).encode((users, items[1:]))
