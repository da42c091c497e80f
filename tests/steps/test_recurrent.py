"""LSTM and GRU cells: PyTorch's results, one product per time step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import eie
import eie.compress
from eie.errors import InputError
from eie.model.network import Layer
from eie.model.numerics import dequantise
from eie.model.reference import float_layer, formats_of
from eie.pytorch.recurrent import RecurrentCell, RecurrentLayer
from eie.pytorch.recurrent_and_winograd import lower_
from eie.pytorch.tracing import network_of
from eie.steps import Dense, Recurrent
from networks import carrying_network

GATES_OF_TWO = (np.zeros((8, 9), np.float32), np.zeros(8, np.float32))


class Model(nn.Module):
    """A recurrent layer and a linear one on what `take` picks of its results."""

    def __init__(self, recurrent: nn.Module, take: str, outputs: int) -> None:
        super().__init__()
        self.recurrent, self.take = recurrent, take
        self.fc = nn.Linear(outputs, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return three numbers."""
        states, last = self.recurrent(x)
        if self.take == "states":
            return self.fc(states.flatten(1))
        if self.take == "last of states":
            return self.fc(states[:, -1])
        return self.fc((last[0] if self.take == "last of two" else last)[-1])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("take", ["states", "last of states", "last"])
def test_a_recurrent_layer_is_pytorchs(kind: type[nn.Module], bias: bool, take: str) -> None:
    """In place of PyTorch's, as a module and as a network, whichever states the model goes on with."""
    torch.manual_seed(1)
    recurrent = kind(4, 6, batch_first=True, bias=bias)
    if take == "last" and kind is nn.LSTM:
        take = "last of two"  # its state is (h, c)
    model = Model(recurrent, take, 30 if take == "states" else 6)
    x = torch.randn(2, 5, 4)
    states, last = recurrent(x)
    picked = {"states": states.flatten(1), "last of states": states[:, -1]}.get(take)
    expected = model.fc((last[0] if kind is nn.LSTM else last)[-1] if picked is None else picked).detach()
    lower_(model, set())
    assert isinstance(model.recurrent, RecurrentLayer)
    assert torch.allclose(model(x), expected, atol=1e-6)
    network = network_of(model, (5, 4))
    step = network.steps[0]
    assert isinstance(step, Recurrent)
    assert step.last_only == (take != "states")
    found = eie.InferenceSession(network, numerics="float32").run(x.flatten(1).numpy())
    assert np.allclose(found, expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell])
def test_a_cell_is_pytorchs(kind: type[nn.Module]) -> None:
    """A cell that the user's own loop calls is replaced, with and without a state given."""
    torch.manual_seed(1)
    model = nn.ModuleDict({"cell": kind(4, 6)})
    x, h, c = torch.randn(2, 4), torch.randn(2, 6), torch.randn(2, 6)
    state = (h, c) if kind is nn.LSTMCell else h
    expected = [model["cell"](x), model["cell"](x, state)]
    lower_(model, set())
    assert isinstance(model["cell"], RecurrentCell)
    for before, after in zip(expected, [model["cell"](x), model["cell"](x, state)], strict=True):
        pairs = zip(before, after, strict=True) if isinstance(before, tuple) else [(before, after)]
        assert all(torch.allclose(mine, other, atol=1e-6) for mine, other in pairs)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_column_of_ones_is_the_bias(kind: str) -> None:
    """The form of NT-LSTM: features, state, and an input of 1.0 whose weights are the biases."""
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 16, (24, 4 + 6 + 1)).astype(np.uint8)
    book = np.concatenate(([0.0], rng.normal(size=15)))
    whole = Layer("cell", eie.encode(codes, book, n_pe=4))
    apart = Layer("cell", eie.encode(codes[:, :-1], book, n_pe=4), book.astype(np.float32)[codes[:, -1]])
    x = rng.normal(size=(2, 5 * 4))
    results = [
        Recurrent("cell", kind, 5, 4, layer).run(x, lambda layer, v: float_layer(layer, v))  # type: ignore[arg-type]
        for layer in (whole, apart)
    ]
    assert np.allclose(*results, atol=1e-12)


def test_compressed_on_the_chip() -> None:
    """Compressed and simulated: one run per step, and the engine in the chip's numerics gives the same states."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Identity(), Model(nn.LSTM(4, 6, batch_first=True), "states", 30))
    done = eie.compress_(model, eie.compress.Recipe.model_validate({"prune": {"density": 0.5}}))
    assert set(done.layers) == {"1.recurrent", "1.fc"}
    network = network_of(model, (5, 4), n_pe=4)
    x = np.random.default_rng(1).normal(size=20).astype(np.float32)
    network = eie.calibrate(network, x)
    layers = eie.simulate_network(network, x, eie.Hardware(n_pe=4))
    assert [layer.runs for layer in layers] == [5, 1]
    last = layers[-1]
    assert last.layer.formats is not None
    given = np.ldexp(last.outputs.astype(np.float64), -last.layer.formats.output_fraction).astype(np.float32)
    found = eie.InferenceSession(network, numerics="chip").run(x)
    assert np.allclose(found, given, atol=2.0 ** (2 - last.layer.formats.output_fraction))


def test_states_on_the_chip() -> None:
    """A state that goes in and out, in both directions: the simulated chip gives the bits of the engine's numerics."""
    network = carrying_network()
    x = np.random.default_rng(5).normal(size=network.inputs).astype(np.float32)
    network = eie.calibrate(network, x)
    layers = eie.simulate_network(network, x, eie.Hardware(n_pe=network.n_pe))
    assert [(layer.layer.name, layer.runs) for layer in layers] == [("lstm", 3), ("gru", 3), ("fc", 3)]
    last = layers[-1]
    given = dequantise(last.outputs, formats_of(last.layer).output_fraction).astype(np.float32)
    found = eie.InferenceSession(network, numerics="chip").run(x)
    np.testing.assert_array_equal(found[:6], given.ravel())  # what is before the state


def test_refusals() -> None:
    """Layers that are not one, sizes that do not fit."""
    with pytest.raises(InputError) as error:
        lower_(nn.Sequential(nn.LSTM(2, 3, proj_size=2)), set())
    assert str(error.value) == (
        "layer 0 has proj_size 2, expected 0: its state would be a product of its own, which a linear layer behind it "
        "can be"
    )
    with pytest.raises(InputError) as error:
        Recurrent("cell", "gru", 5, 3, Dense("cell", *GATES_OF_TWO), gives_memory=True)
    assert str(error.value) == "cell is a gru, which has no memory to give, expected an lstm"
    with pytest.raises(InputError) as error:
        lower_(nn.GRU(2, 3, batch_first=True), set())
    assert str(error.value) == "the model is a GRU alone: put it into a module of its own"
    with pytest.raises(InputError) as error:
        Recurrent("cell", "lstm", 5, 3, Dense("cell", *GATES_OF_TWO))
    assert str(error.value) == (
        "cell: its product must take 3 features, 2 hidden values and at most one bias input, without ReLU, not 9 inputs"
    )
