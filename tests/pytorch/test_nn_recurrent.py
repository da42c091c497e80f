"""eie.nn.LSTM and GRU: PyTorch's signature, shapes and results on compressed layers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import eie
import eie.nn
from eie.compress import Recipe
from eie.encoding.clustering import share
from eie.errors import InputError
from eie.pytorch.recurrent_and_winograd import lower_
from pytorch.test_recurrent import KINDS, Last, Tagger, flat, state_of

PRUNED = Recipe.model_validate({"prune": {"density": 0.5}})


def shared_weights(module: nn.RNNBase) -> None:
    """Give a module weights of few values, the same in both matrices of a layer, so that sharing loses nothing."""
    values = share(np.random.default_rng(0).normal(size=(50, 50)))[1]
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(np.random.default_rng(1).choice(values, tuple(parameter.shape))))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "two"), [(1, False), (1, True), (2, False), (3, True)])
def test_modules_are_pytorchs(kind: Any, layers: int, two: bool) -> None:
    """In every layout, with a state and without, of sequences of several lengths and awkward sizes."""
    torch.manual_seed(layers)
    for batch_first, bias, hidden in ((False, True, 1), (True, False, 5)):
        module = kind(3, hidden, layers, bidirectional=two, batch_first=batch_first, bias=bias)
        shared_weights(module)
        model = nn.ModuleDict({"rnn": copy.deepcopy(module)})
        eie.nn.convert_(model, eie.compress_(copy.deepcopy(model)).layers, numerics="float32")
        ours = model["rnn"]
        assert type(ours) is (eie.nn.LSTM if kind is nn.LSTM else eie.nn.GRU)
        assert len(ours._session.plan) == ours.parts
        for steps, batch in ((1, 3), (4, 1), (6, 0), (4, 3)):
            x = torch.randn((batch, steps, 3) if batch_first else (steps, batch, 3))
            for state in (None, state_of(module, batch)):
                with torch.no_grad():
                    pairs = zip(flat(ours(x, state)), flat(module(x, state)), strict=True)
                for found, expected in pairs:
                    torch.testing.assert_close(found, expected, rtol=0, atol=5e-6)
        alone = torch.randn(4, 3)
        with torch.no_grad():
            for found, expected in zip(flat(ours(alone)), flat(module(alone)), strict=True):
                torch.testing.assert_close(found, expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("numerics", ["float32", "int16", "int8"])
def test_a_sequence_is_one_native_call(numerics: str) -> None:
    """All layers, directions and steps; two pieces with the state between them are the whole, to the bit."""
    torch.manual_seed(2)
    model = Tagger(nn.LSTM(12, 24, 2, batch_first=True)).eval()
    done = eie.compress_(model, PRUNED)
    eie.nn.convert_(model, done.layers, numerics=numerics)
    lstm = model.recurrent
    assert isinstance(model.fc, eie.nn.Linear)
    assert all(len(lstm._session_for(steps)._stages) == 1 for steps in (1, 5, 9))
    x = torch.randn(2, 9, 12)
    with torch.no_grad():
        whole, last = lstm(x)
        first, state = lstm(x[:, :4])
        second, end = lstm(x[:, 4:], state)
    assert torch.equal(torch.cat((first, second), dim=1), whole)
    assert all(torch.equal(*pair) for pair in zip(end, last, strict=True))


def test_the_size_of_nt_lstm() -> None:
    """The paper's matrix, 2400 sums of 600 features, 600 hidden values and a bias, a tenth of the weights kept."""
    torch.manual_seed(9)
    model = Tagger(nn.LSTM(600, 600, batch_first=True)).eval()
    layers = eie.compress_(model, Recipe.model_validate({"prune": {"density": 0.1}})).layers
    assert (layers["recurrent"].outputs, layers["recurrent"].inputs) == (2400, 1200)
    x = torch.randn(1, 7, 600)
    with torch.no_grad():
        expected = model.recurrent(x)[0]
    for numerics, bound in {"float32": 1e-5, "int16": 1e-3, "int8": 0.05}.items():
        converted = eie.nn.convert_(copy.deepcopy(model), layers, numerics=numerics)
        with torch.no_grad():
            torch.testing.assert_close(converted.recurrent(x)[0], expected, rtol=0, atol=bound)


def test_the_chips_arithmetic() -> None:
    """Products to the bit as the chip's; gates by the host: what the network gives in these numerics."""
    torch.manual_seed(3)
    model = Last(nn.GRU(4, 6, batch_first=True)).eval()
    x = torch.randn(3, 5, 4)
    recipe = Recipe.model_validate({"input_shape": (5, 4)})
    network = eie.calibrate(eie.compress_(model, recipe).network, x.flatten(1).numpy())
    expected = eie.InferenceSession(network, numerics="chip").run(x.numpy())
    eie.nn.convert_(model, network, numerics="chip")
    with torch.no_grad():
        np.testing.assert_array_equal(model(x).numpy(), expected)


def test_a_part_that_is_left_keeps_its_weights() -> None:
    """Of two directions one compressed, the other in float32."""
    torch.manual_seed(4)
    module = nn.LSTM(3, 4, bidirectional=True, batch_first=True)
    shared_weights(module)
    left = Recipe.model_validate({"layers": {"rnn.l0_reverse": {"compress": False}}})
    for lowered in (False, True):
        model = nn.ModuleDict({"rnn": copy.deepcopy(module)})
        other = model if lowered else copy.deepcopy(model)
        layers = eie.compress_(other, left).layers
        assert set(layers) == {"rnn.l0"}
        eie.nn.convert_(model, layers, numerics="float32")
        x = torch.randn(2, 5, 3)
        with torch.no_grad():
            torch.testing.assert_close(model["rnn"](x)[0], module(x)[0], rtol=0, atol=5e-6)
        assert len(model["rnn"]._session.plan) == 1


def test_half_and_double_go_in_and_out() -> None:
    """Outputs and states have the type of the inputs; within, all is float32."""
    model = nn.ModuleDict({"rnn": nn.LSTM(3, 4, batch_first=True)})
    eie.nn.convert_(model, eie.compress_(copy.deepcopy(model)).layers)
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        x = torch.randn(1, 5, 3, dtype=kind)
        found = flat(model["rnn"](x, tuple(one.to(kind) for one in state_of(nn.LSTM(3, 4), 1))))
        assert [one.dtype for one in found] == [kind] * 3


def test_its_state_dict_holds_it(tmp_path: Path) -> None:
    """It loads into another, by load_ into PyTorch's model, survives torch.save and copies; others are refused."""
    torch.manual_seed(5)
    model = Tagger(nn.LSTM(3, 4, 2, batch_first=True)).eval()
    plain = copy.deepcopy(model)
    eie.nn.convert_(model, eie.compress_(copy.deepcopy(model), PRUNED).layers)
    x = torch.randn(2, 5, 3)
    with torch.no_grad():
        expected = flat(model(x))
    state = model.state_dict()
    assert set(state) == {"recurrent._extra_state", "fc._extra_state"}
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    torch.save(model, tmp_path / "model.pt")
    other = Tagger(nn.LSTM(3, 4, 2, batch_first=True)).eval()
    eie.nn.convert_(other, eie.compress_(copy.deepcopy(other)).layers)
    other.load_state_dict(state)
    with torch.device("meta"):
        empty = Tagger(nn.LSTM(3, 4, 2, batch_first=True))
    models = [
        other,
        copy.deepcopy(model),
        torch.load(tmp_path / "model.pt", weights_only=False),
        eie.nn.load_(plain, tmp_path / "model.safetensors"),
        eie.nn.load_(empty, tmp_path / "model.safetensors"),
    ]
    for one in models:
        with torch.no_grad():
            assert all(torch.equal(*pair) for pair in zip(flat(one(x)), expected, strict=True))
    assert repr(model.recurrent).startswith("LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=False, weights=")
    wide = nn.ModuleDict({"rnn": nn.LSTM(3, 5, 2)})
    eie.nn.convert_(wide, eie.compress_(copy.deepcopy(wide)).layers)
    with pytest.raises(InputError, match=r"l0 of this LSTM is 20 x 8, but layer recurrent.l0 is 16 x 7"):
        wide["rnn"].set_extra_state(state["recurrent._extra_state"])
    gru = nn.ModuleDict({"rnn": nn.GRU(3, 4, 2)})
    eie.nn.convert_(gru, eie.compress_(copy.deepcopy(gru)).layers)
    with pytest.raises(InputError, match="the state of a compressed GRU must be that of another, and is of something"):
        gru["rnn"].set_extra_state(state["recurrent._extra_state"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_that_somebody_pruned(kind: Any, tmp_path: Path) -> None:
    """The zeros of every matrix stay, entries of a recipe hold, and the model runs as after eie.compress_."""
    torch.manual_seed(6)
    model = Tagger(kind(6, 8, 2, bidirectional=True, batch_first=True)).eval()
    with torch.no_grad():
        for parameter in model.recurrent.parameters():
            parameter.mul_(parameter.abs() > 0.2)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "pruned.safetensors")
    recipe = Recipe.model_validate({"layers": {"recurrent.l1": {"compress": False}, "fc": {"bits": 3}}})
    with torch.device("meta"):
        empty = Tagger(kind(6, 8, 2, bidirectional=True, batch_first=True))
    loaded = eie.nn.load_(empty, tmp_path / "pruned.safetensors", recipe, numerics="float32")
    eie.nn.convert_(model, eie.compress_(copy.deepcopy(model), recipe).layers, numerics="float32")
    x = torch.randn(2, 5, 6)
    with torch.no_grad():
        assert all(torch.equal(*pair) for pair in zip(flat(loaded(x)), flat(model(x)), strict=True))


def test_refusals() -> None:
    """Gradients, wrong shapes and sizes; nothing has been replaced then."""
    model = nn.ModuleDict({"rnn": nn.GRU(3, 4, 2, batch_first=True)})
    layers = eie.compress_(copy.deepcopy(model)).layers
    other = nn.ModuleDict({"rnn": nn.GRU(3, 5, 2, batch_first=True)})
    with pytest.raises(InputError, match=r"l0 of this GRU is 20 x 8, but layer rnn.l0 is 16 x 7"):
        eie.nn.convert_(other, layers)
    assert type(other["rnn"]) is nn.GRU
    with pytest.raises(InputError, match="an LSTM with proj_size 2 cannot be replaced, expected 0"):
        eie.nn.convert_(nn.ModuleDict({"rnn": nn.LSTM(3, 4, 2, proj_size=2)}), layers)
    eie.nn.convert_(model, layers)
    gru = model["rnn"]
    with pytest.raises(InputError, match="no gradient flows through a compressed layer, but its input asks for one"):
        gru(torch.zeros(1, 5, 3, requires_grad=True))
    with pytest.raises(InputError, match="no gradient flows"):
        gru(torch.zeros(1, 5, 3), torch.zeros(2, 1, 4, requires_grad=True))
    with pytest.raises(InputError) as error:
        gru(torch.zeros(1, 5, 3), torch.zeros(1, 1, 4))
    assert str(error.value) == "a GRU gets a state of (1, 1, 4), expected h (2, 1, 4)"
    with pytest.raises(InputError, match="GRU has 2 layers and directions, not 1"):
        eie.nn.GRU([layers["rnn.l0"]], nn.GRU(3, 4, 2))
    lowered = nn.ModuleDict({"rnn": nn.GRU(3, 4, 2, batch_first=True)})
    lower_(lowered)
    assert type(eie.nn.convert_(lowered, layers)["rnn"]) is eie.nn.GRU


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell])
def test_cells_are_pytorchs(kind: Any, tmp_path: Path) -> None:
    """Called by a loop of one's own, from PyTorch's cell, a lowered one, and a checkpoint; others are refused."""
    torch.manual_seed(7)
    module = kind(3, 5)
    shared_weights(module)
    lowered = nn.ModuleDict({"cell": copy.deepcopy(module)})
    layers = eie.compress_(lowered).layers
    safetensors.torch.save_file({f"cell.{k}": v for k, v in module.state_dict().items()}, tmp_path / "c.safetensors")
    models = [
        eie.nn.convert_(lowered, layers, numerics="float32"),
        eie.nn.convert_(nn.ModuleDict({"cell": copy.deepcopy(module)}), layers, numerics="float32"),
        eie.nn.load_(nn.ModuleDict({"cell": kind(3, 5)}), tmp_path / "c.safetensors", numerics="float32"),
    ]
    models.append(eie.nn.convert_(nn.ModuleDict({"cell": kind(3, 5)}), layers, numerics="float32"))
    models[-1].load_state_dict(models[0].state_dict())
    state = (torch.randn(2, 5), torch.randn(2, 5)) if kind is nn.LSTMCell else torch.randn(2, 5)
    single = tuple(one[0] for one in state) if isinstance(state, tuple) else state[0]
    for model in (*models, copy.deepcopy(models[0])):
        cell = model["cell"]
        assert type(cell) is (eie.nn.LSTMCell if kind is nn.LSTMCell else eie.nn.GRUCell)
        for x, before in ((torch.randn(2, 3), None), (torch.randn(2, 3), state), (torch.randn(3), single)):
            with torch.no_grad():
                for found, expected in zip(flat(cell(x, before)), flat(module(x, before)), strict=True):
                    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
    cell = models[0]["cell"]
    for x, before, sentence in (
        (
            torch.zeros(2, 4),
            None,
            r"a cell of 3 features gets an input of shape \(2, 4\), expected \(batch, 3\) or \(3,\)",
        ),
        (torch.zeros(3, 3), state, r"a cell of 3 features gets a state of .*, expected h.* \(3, 5\)"),
    ):
        with pytest.raises(InputError, match=sentence):
            cell(x, before)


def test_a_plain_recurrent_module_is_left_alone() -> None:
    """`torch.nn.RNN` is not compressed: the others beside it are, and to ask for it is refused by name."""
    torch.manual_seed(8)
    model = nn.ModuleDict({"rnn": nn.RNN(3, 4, batch_first=True), "fc": nn.Linear(4, 2)})
    layers = eie.compress_(model).layers
    assert set(layers) == {"fc"}
    with pytest.raises(InputError, match=r"has a RNN called 'rnn', expected a torch\.nn\.Linear, Conv2d, LSTM,"):
        eie.nn.convert_(model, {"rnn": layers["fc"]})
    eie.nn.convert_(model, layers)
    assert (type(model["rnn"]), type(model["fc"])) == (nn.RNN, eie.nn.Linear)
