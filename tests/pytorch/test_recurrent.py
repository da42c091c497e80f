"""Stacked and bidirectional LSTM and GRU: PyTorch's results, as modules, as networks, and after compression."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import eie
import eie.compress
from eie.errors import InputError
from eie.model.reference import float_layer
from eie.pytorch.recurrent import RecurrentLayer, RecurrentStack
from eie.pytorch.recurrent_and_winograd import lower_
from eie.pytorch.sensitivity import sensitivity
from eie.pytorch.tracing import network_of
from eie.steps import Recurrent
from eie.workloads.data import Data

KINDS = (nn.LSTM, nn.GRU)


class Tagger(nn.Module):
    """A recurrent module, and a linear layer on the outputs of every step; the state goes in and out."""

    def __init__(self, recurrent: nn.RNNBase, outputs: int = 3) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.fc = nn.Linear(recurrent.hidden_size * (2 if recurrent.bidirectional else 1), outputs)

    def forward(self, x: torch.Tensor, state: Any = None) -> Any:
        """Return (batch, steps, outputs), and the state."""
        every, state = self.recurrent(x, state)
        return self.fc(every), state


class Last(Tagger):
    """The same on the last step alone."""

    def forward(self, x: torch.Tensor, state: Any = None) -> torch.Tensor:
        """Return (batch, outputs)."""
        every, _ = self.recurrent(x, state)
        return self.fc(every[:, -1])


def flat(results: Any) -> list[torch.Tensor]:
    return [results] if isinstance(results, torch.Tensor) else [one for result in results for one in flat(result)]


def of_items(results: Any) -> np.ndarray:
    """Return (batch, numbers): all that is of each item; states have the batch second."""
    first, *states = flat(results)
    parts = [first.flatten(1), *(state.transpose(0, 1).flatten(1) for state in states)]
    return torch.cat(parts, dim=1).detach().numpy()


def state_of(recurrent: nn.RNNBase, batch: int) -> Any:
    """Return a random state of PyTorch's shape."""
    shape = (recurrent.num_layers * (2 if recurrent.bidirectional else 1), batch, recurrent.hidden_size)
    return (torch.randn(shape), torch.randn(shape)) if isinstance(recurrent, nn.LSTM) else torch.randn(shape)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "two"), [(1, False), (1, True), (2, False), (3, True)])
def test_modules_are_pytorchs(kind: Any, layers: int, two: bool) -> None:
    """With a state and without, in every layout of the inputs, of awkward sizes; the weights' gradients too."""
    torch.manual_seed(layers)
    # batch_first, bias, hidden, steps, batch
    sizes = ((False, True, 5, 4, 3), (True, False, 1, 4, 3), (False, False, 5, 1, 0), (True, True, 1, 1, 1))
    for batch_first, bias, hidden, steps, batch in sizes:
        module = kind(2, hidden, layers, bidirectional=two, batch_first=batch_first, bias=bias)
        model = nn.ModuleDict({"lstm": module})
        lower_(model)
        assert type(model["lstm"]) is (RecurrentStack if layers > 1 or two else RecurrentLayer)
        x = torch.randn((batch, steps, 2) if batch_first else (steps, batch, 2))
        for state in (None, state_of(module, batch)):
            for found, expected in zip(flat(model["lstm"](x, state)), flat(module(x, state)), strict=True):
                torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
        alone, first = torch.randn(steps, 2), state_of(module, 1)
        single = tuple(one[:, 0] for one in first) if isinstance(first, tuple) else first[:, 0]
        for found, expected in zip(flat(model["lstm"](alone, single)), flat(module(alone, single)), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)


def test_the_zeros_of_a_gru_stay() -> None:
    """Its matrix has blocks that PyTorch's has not: no gradient reaches them."""
    model = nn.ModuleDict({"gru": nn.GRU(3, 4, batch_first=True)})
    lower_(model)
    model["gru"](torch.randn(2, 5, 3))[0].sum().backward()
    gradient = model["gru"].weight.grad
    assert (gradient[8:12, 3:] == 0).all()
    assert (gradient[12:, :3] == 0).all()
    assert (gradient[:8] != 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "two", "hidden", "steps"), [(1, False, 1, 1), (2, True, 3, 4), (3, False, 5, 2)])
def test_networks_carry_a_state(kind: Any, layers: int, two: bool, hidden: int, steps: int, tmp_path: Path) -> None:
    """One native plan; its state goes in and out, also through a file; each layer and direction has a name."""
    torch.manual_seed(layers)
    recurrent = kind(2, hidden, layers, bidirectional=two, batch_first=True)
    model = Tagger(recurrent).eval()
    network = network_of(model, (torch.zeros(1, steps, 2), state_of(recurrent, 1)), state=True)
    names = [step.name for step in network if isinstance(step, Recurrent)]
    ends = [f"l{layer}{way}" for layer in range(layers) for way in ("", "_reverse")[: 1 + two]]
    assert names == (["recurrent"] if ends == ["l0"] else [f"recurrent.{end}" for end in ends])
    eie.save(network, tmp_path / "model.safetensors")
    session = eie.InferenceSession(tmp_path / "model.safetensors", numerics="float32")
    assert len(session._stages) == 1
    x, state = torch.randn(3, steps, 2), state_of(recurrent, 3)
    for given in (None, state):
        expected = of_items(model(x, given))
        before = None if given is None else of_items((torch.zeros(3, 0), given))
        outputs, after = session.run_with_state(x.numpy(), before)
        np.testing.assert_allclose(np.concatenate((outputs, after), axis=1), expected, rtol=0, atol=3e-6)
        reference = network.run(
            np.concatenate((x.flatten(1).numpy(), np.zeros_like(after) if before is None else before), axis=1).astype(
                np.float64
            ),
            float_layer,
        )
        np.testing.assert_allclose(reference, expected, rtol=0, atol=3e-6)
        alone = session.run_with_state(x[1].flatten().numpy(), None if before is None else before[1])
        np.testing.assert_allclose(np.concatenate(alone), expected[1], rtol=0, atol=3e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_two_pieces_are_the_whole(kind: Any) -> None:
    """To the bit, in every numerics: what a step computes depends on its inputs and the state before it alone."""
    torch.manual_seed(3)
    recurrent = kind(4, 6, 2, batch_first=True)
    model = Tagger(recurrent).eval()
    layers = eie.compress_(model, eie.compress.Recipe.model_validate({"prune": {"density": 0.6}})).layers
    assert set(layers) == {"recurrent.l0", "recurrent.l1", "fc"}
    x = np.random.default_rng(1).normal(size=(2, 8, 4)).astype(np.float32)
    whole, half = (
        network_of(model, (torch.zeros(1, steps, 4), state_of(recurrent, 1)), layers=layers, state=True)
        for steps in (8, 4)
    )
    rows = np.concatenate((x.reshape(2, -1), np.zeros((2, whole.state), np.float32)), axis=1)
    whole = eie.calibrate(whole, rows)
    formats = {layer.name: layer for layer in whole.layers}
    half = half.map_layers(lambda layer: formats[layer.name])
    with torch.no_grad():
        outputs = of_items(model(torch.from_numpy(x)))
    for numerics, bound in {"float32": 5e-6, "int16": 5e-3, "int8": 0.1, "chip": 0.1}.items():
        session = eie.InferenceSession(whole, numerics=numerics)
        assert len(session._stages) == 1 or numerics == "chip"  # one native call
        expected, last = session.run_with_state(x)
        pieces = session.like(half)
        first, carried = pieces.run_with_state(x[:, :4])
        second, end = pieces.run_with_state(x[:, 4:], carried)
        np.testing.assert_array_equal(np.concatenate((first, second), axis=1), expected)
        np.testing.assert_array_equal(end, last)
        np.testing.assert_allclose(np.concatenate((expected, last), axis=1), outputs, rtol=0, atol=bound)


def test_a_session_like_another_shares_its_layers() -> None:
    """Sequences of another length take no other weights in memory."""
    model = Tagger(nn.GRU(2, 3, batch_first=True)).eval()
    layers = eie.compress_(model).layers
    session = eie.InferenceSession(network_of(model, (4, 2), layers=layers))
    other = session.like(network_of(model, (9, 2), layers=layers))
    assert other.plan == session.plan
    assert {chain.native for chain in other._chains.values()} == {chain.native for chain in session._chains.values()}
    x = torch.randn(1, 9, 2)
    np.testing.assert_allclose(other.run(x.flatten(1).numpy())[:, :27], of_items(model(x))[:, :27], atol=1e-3)


def test_recipes_name_every_layer_and_direction() -> None:
    """An entry for the whole is each part's, but where a part has its own; a part may be left as it is."""
    torch.manual_seed(4)
    model = Last(nn.LSTM(6, 8, 2, bidirectional=True, batch_first=True)).eval()
    recipe = eie.compress.Recipe.model_validate(
        {
            "input_shape": (3, 6),
            "layers": {
                "recurrent": {"density": 0.5},
                "recurrent.l1_reverse": {"density": 0.25, "bits": 2},
                "recurrent.l0": {"compress": False},
            },
        }
    )
    done = eie.compress_(model, recipe)
    kept = {name: layer.matrix.nnz / (layer.outputs * layer.inputs) for name, layer in done.layers.items()}
    assert kept == pytest.approx(
        {"recurrent.l0_reverse": 0.5, "recurrent.l1": 0.5, "recurrent.l1_reverse": 0.25, "fc": 1.0}, abs=0.01
    )
    assert done.layers["recurrent.l1_reverse"].matrix.codebook.size == 4
    steps = {step.name: step for step in done.network}
    assert not steps["recurrent.l0"].layers
    with pytest.raises(InputError, match=r"the recipe has a layer 'recurrent.l2' and the model has none of that name"):
        eie.compress_(
            Last(nn.LSTM(6, 8, 2, batch_first=True)),
            eie.compress.Recipe.model_validate({"layers": {"recurrent.l2": {"density": 0.5}}}),
        )


def test_without_batch_first() -> None:
    """Inputs are (steps, 1, features); a batch in the place of the steps is refused."""
    torch.manual_seed(5)
    model = Tagger(nn.LSTM(2, 3, 2)).eval()
    x = torch.randn(5, 1, 2)
    network = network_of(model, (x,))
    found = eie.InferenceSession(network, numerics="float32").run(x.flatten().numpy())
    expected = torch.cat([one.flatten() for one in flat(model(x))]).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    with pytest.raises(InputError, match=r"recurrent.l0 gets 5 sequences at once, expected one: a network takes one"):
        network_of(model, (5, 2))


def test_dropout_between_layers_is_only_in_training() -> None:
    """As PyTorch's: behind every layer but the last, and nothing of it in eval."""
    torch.manual_seed(6)
    module = nn.LSTM(3, 4, 2, dropout=0.5, batch_first=True)
    model = nn.ModuleDict({"lstm": module})
    lower_(model)
    x = torch.randn(2, 6, 3)
    module.eval()
    model.eval()
    torch.testing.assert_close(model["lstm"](x)[0], module(x)[0], rtol=0, atol=2e-6)
    model.train()
    assert not torch.equal(model["lstm"](x)[0], model["lstm"](x)[0])


class FromZeros(nn.Module):
    """A model that makes its own first state, as many do."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.lstm, self.value = nn.LSTM(2, 3, 2, batch_first=True), value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last step's outputs."""
        state = torch.full((2, x.shape[0], 3), self.value)
        return self.lstm(x, (state, state))[0][:, -1]


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_state_that_the_model_makes(value: float) -> None:
    """Zeros cost nothing; other numbers are constants of the network."""
    torch.manual_seed(7)
    model = FromZeros(value).eval()
    network = network_of(model, (4, 2))
    assert all(step.takes_state == (value != 0) for step in network if isinstance(step, Recurrent))
    x = torch.randn(2, 4, 2)
    found = eie.InferenceSession(network, numerics="float32").run(x.flatten(1).numpy())
    np.testing.assert_allclose(found, model(x).detach().numpy(), rtol=0, atol=2e-6)


def test_only_what_is_read_is_given() -> None:
    """The last state of a sequence is all that a classifier on it makes."""
    network = network_of(Last(nn.LSTM(2, 3, 2, batch_first=True)), (4, 2))
    assert [step.last_only for step in network if isinstance(step, Recurrent)] == [False, True]
    assert not any(step.gives_memory for step in network if isinstance(step, Recurrent))


def test_sensitivity_knows_recurrent_layers() -> None:
    """Layer by layer and direction by direction; the model stays as it is."""
    torch.manual_seed(8)
    x, y = np.random.default_rng(8).normal(size=(20, 4, 2)).astype(np.float32), np.arange(20) % 3
    model = Last(nn.GRU(2, 3, 1, bidirectional=True, batch_first=True))
    points = sensitivity(model, Data(x, y, x, y, x, y), [0.5])
    assert {point.layer for point in points} == {"recurrent.l0", "recurrent.l0_reverse", "fc"}
    assert type(model.recurrent) is nn.GRU


def test_refusals() -> None:
    """Wrong shapes, packed sequences, and states that do not match."""
    model = nn.ModuleDict({"gru": nn.GRU(2, 3, 2, batch_first=True), "lstm": nn.LSTM(2, 3)})
    lower_(model)
    packed = nn.utils.rnn.pack_padded_sequence(torch.zeros(2, 4, 2), torch.tensor([4, 2]), batch_first=True)
    cases: list[tuple[str, tuple[Any, ...], str]] = [
        ("gru", (packed,), "a GRU takes padded sequences here, not a PackedSequence: pad_packed_sequence gives them"),
        (
            "gru",
            (torch.zeros(2, 4, 5),),
            "a GRU of 2 features gets inputs of shape (2, 4, 5), expected (steps, 2) or (batch, steps, 2), with a step "
            "or more",
        ),
        (
            "lstm",
            (torch.zeros(0, 4, 2),),
            "an LSTM of 2 features gets inputs of shape (0, 4, 2), expected (steps, 2) or (steps, batch, 2), with a "
            "step or more",
        ),
        (
            "lstm",
            (torch.zeros(5, 4, 2), torch.zeros(1, 4, 3)),
            "an LSTM gets a state of (1, 4, 3), expected h and c, each (1, 4, 3)",
        ),
        (
            "gru",
            (torch.zeros(4, 5, 2), torch.zeros(2, 5, 3)),
            "a GRU gets a state of (2, 5, 3), expected h (2, 4, 3)",
        ),
    ]
    for name, given, sentence in cases:
        with pytest.raises(InputError) as error:
            model[name](*given)
        assert str(error.value) == sentence
    network = network_of(Tagger(nn.GRU(2, 3, batch_first=True)), (4, 2))
    with pytest.raises(InputError, match="network network has no state, expected one: use run"):
        eie.InferenceSession(network).run_with_state(np.zeros(8, np.float32))
    with pytest.raises(InputError) as error:
        network_of(Last(nn.GRU(2, 3, batch_first=True)), (torch.zeros(1, 4, 2), torch.zeros(1, 1, 3)), state=True)
    assert str(error.value) == (
        "the model takes (1, 1, 3) behind its first input and gives nothing behind its first output, expected the same "
        "of either: its state"
    )
    carrying = network_of(
        Tagger(nn.GRU(2, 3, batch_first=True)), (torch.zeros(1, 4, 2), torch.zeros(1, 1, 3)), state=True
    )
    session = eie.InferenceSession(carrying)
    with pytest.raises(InputError, match=r"inputs must have shape \(8,\) or \(batch, 8\), not \(9,\)"):
        session.run_with_state(np.zeros(9, np.float32))
    with pytest.raises(InputError, match=r"the state must have shape \(1, 3\), not \(3,\)"):
        session.run_with_state(np.zeros((1, 8), np.float32), np.zeros(3, np.float32))
    with pytest.raises(InputError, match="network net has 8 inputs and 12 outputs, of which 8 cannot be a state"):
        eie.Network(network.steps[:1], "net", state=8)
