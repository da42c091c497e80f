"""Recipes carried out on real digits: accuracy kept, masks and codebooks as said, interruptions gone on from."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import eie
from eie.compress import Recipe, Training, accuracy, compress_, finetune
from eie.errors import InputError, Interrupted
from eie.pytorch.pipeline import discard_checkpoints
from eie.pytorch.training import Progress
from eie.workloads.data import Data, load_data


@pytest.fixture(scope="module")
def data() -> Data:
    return load_data("digits")


def mlp(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(OrderedDict(fc1=nn.Linear(64, 60), relu=nn.ReLU(), fc2=nn.Linear(60, 10)))


def recipe(**changes: Any) -> Recipe:
    tables = {
        "name": "digits",
        "train": {"epochs": 15, "learning_rate": 1e-2},
        "prune": {"epochs": 20, "density": 0.2, "learning_rate": 1e-2},
        "finetune": {"epochs": 3, "learning_rate": 3e-4},
        "layers": {"fc2": {"density": 0.5, "bits": 3}},
    }
    return Recipe.model_validate(tables | changes)


def test_from_nothing_to_a_file(data: Data, tmp_path: Path) -> None:
    """Each step as the recipe says, no accuracy lost, and the file's network computes what the model does."""
    model = mlp()
    done = compress_(model, recipe(), data)
    assert [stage.name for stage in done.stages] == ["dense", "pruned", "shared", "fine-tuned"]
    assert done.layers["fc1"].matrix.nnz == round(0.2 * 64 * 60)
    assert done.layers["fc2"].matrix.nnz == round(0.5 * 60 * 10)
    assert len(done.layers["fc1"].matrix.codebook) == 16
    assert len(done.layers["fc2"].matrix.codebook) == 8
    first, last = done.stages[0].test_accuracy, done.stages[-1].test_accuracy
    assert first is not None
    assert last is not None
    assert first > 0.9
    assert last > first - 0.02
    eie.save(done.network, tmp_path / "digits.safetensors", packed=True)
    network = eie.load(tmp_path / "digits.safetensors")
    outputs = eie.InferenceSession(network, numerics="float32").run(data.x_test)
    with torch.no_grad():
        assert np.allclose(outputs, model(torch.from_numpy(data.x_test)).numpy(), atol=1e-4)
    for numerics in ("int16", "chip"):
        found = eie.InferenceSession(network, numerics=numerics).run(data.x_test).argmax(axis=1)
        assert np.mean(found == data.y_test) == pytest.approx(last, abs=0.01)


@pytest.mark.parametrize(
    "prune",
    [
        {"schedule": "one-shot"},
        {"regrow": True},
        {"scope": "global"},
    ],
)
def test_ways_to_prune(data: Data, prune: dict[str, Any]) -> None:
    """At once, with weights that may come back, or over all layers: the density is kept, accuracy too."""
    done = compress_(
        mlp(), recipe(prune={"epochs": 20, "density": 0.25, "learning_rate": 5e-3} | prune, layers={}), data
    )
    assert done.stages[-1].kept == pytest.approx(0.25 * done.stages[-1].weights, abs=2)
    assert done.stages[-1].test_accuracy is not None
    assert done.stages[-1].test_accuracy > 0.9
    if prune.get("scope") == "global":
        assert done.layers["fc1"].matrix.nnz != round(0.25 * 64 * 60)


def test_shared_biases_and_layers_left_alone(data: Data, tmp_path: Path) -> None:
    """Biases through a codebook of their own; a layer that is not to be compressed stays in float."""
    done = compress_(
        mlp(),
        recipe(share={"bias": "shared"}, layers={"fc2": {"compress": False}}, encode={"index_bits": "best"}),
        data,
    )
    assert set(done.layers) == {"fc1"}
    bias = done.layers["fc1"].bias
    assert bias is not None
    assert len(np.unique(bias)) <= 15
    kinds = [type(step).__name__ for step in done.network]
    assert kinds == ["Layer", "Dense"]
    matrix = done.layers["fc1"].matrix
    for bits in range(1, 9):
        other = matrix.interleave(index_bits=bits)
        assert matrix.n_entries * (4 + matrix.index_bits) <= other.n_entries * (4 + bits)


def test_without_data_nothing_is_trained() -> None:
    """The weights' own largest are kept, at the centroids of an optimal clustering."""
    model = mlp()
    before = model.fc1.weight.detach().clone()
    done = compress_(model, Recipe.model_validate({"prune": {"density": 0.3}}))
    assert [stage.test_accuracy for stage in done.stages] == [None, None, None]
    kept = model.fc1.weight != 0
    assert int(kept.sum()) == round(0.3 * before.numel())
    assert before[kept].abs().min() >= before[~kept].abs().max()
    assert (model.fc1.weight - before)[kept].abs().max() < 0.02
    assert done.network.inputs == 64


class Interruption:
    """Raises KeyboardInterrupt, as Ctrl-C does, at one forward pass of training."""

    def __init__(self, model: nn.Module, after: int) -> None:
        self.left = after
        self.handle = model.register_forward_pre_hook(self)

    def __call__(self, module: nn.Module, inputs: Any) -> None:
        """Count down."""
        if module.training:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize(("after", "stage"), [(20, "train"), (200, "prune"), (330, "finetune")])
def test_an_interrupted_recipe_goes_on(data: Data, tmp_path: Path, after: int, stage: str) -> None:
    """Stopped in the middle of any training and begun again, it ends with the very same weights."""
    whole = compress_(mlp(), recipe(), data)
    stopped = mlp()
    Interruption(stopped, after)
    with pytest.raises(Interrupted) as error:
        compress_(stopped, recipe(), data, checkpoints=tmp_path / "checkpoints")
    kept = torch.load(tmp_path / "checkpoints" / f"{stage}.pt", weights_only=True)["epochs"]
    assert str(error.value).startswith(f"interrupted after epoch {len(kept)} of ")
    assert f" of {stage}: begun again, it goes on from {tmp_path / 'checkpoints' / stage}.pt" in str(error.value)
    lines: list[str] = []
    again = compress_(mlp(), recipe(), data, checkpoints=tmp_path / "checkpoints", log=lines.append)
    assert any(line.startswith("going on from ") for line in lines)
    for name, layer in whole.layers.items():
        assert np.array_equal(layer.matrix.entries, again.layers[name].matrix.entries)
        assert np.array_equal(layer.matrix.codebook, again.layers[name].matrix.codebook)


def test_interrupted_without_checkpoints(data: Data) -> None:
    """It says that nothing was kept."""
    model = mlp()
    Interruption(model, 20)
    with pytest.raises(Interrupted) as error:
        compress_(model, recipe(), data)
    assert str(error.value) == "interrupted after epoch 2 of 15 of train: nothing was kept"


def test_checkpoints_of_another_run(data: Data, tmp_path: Path) -> None:
    """Another recipe does not go on from them; nor does anything go on from a damaged file."""
    folder = tmp_path / "checkpoints"
    compress_(mlp(), recipe(), data, checkpoints=folder)
    with pytest.raises(InputError) as error:
        compress_(mlp(), recipe(seed=1), data, checkpoints=folder)
    assert str(error.value) == (
        f"the checkpoints in {folder} are of another recipe, model or data: remove the folder to begin anew, or name "
        "another"
    )
    (folder / "prune.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError) as error:
        compress_(mlp(), recipe(), data, checkpoints=folder)
    assert str(error.value).startswith(f"checkpoint {folder / 'prune.pt'} is not of this model and training: ")


def test_refusals(data: Data) -> None:
    """Nothing to compress, weights that are no numbers, a recipe for another model, a loss that runs away."""
    with pytest.raises(InputError) as error:
        compress_(nn.Sequential(nn.ReLU()))
    assert str(error.value) == (
        "the model has no layer that can be compressed: no linear, recurrent or convolutional one"
    )
    broken = mlp()
    broken.fc1.weight.data[0, 0] = float("nan")
    with pytest.raises(InputError) as error:
        compress_(broken)
    assert str(error.value) == "the weights of fc1 must be finite, but some are NaN or infinite"
    with pytest.raises(InputError) as error:
        compress_(mlp(), recipe(layers={"fc9": {"density": 0.1}}))
    assert str(error.value) == (
        "the recipe has a layer 'fc9' and the model has none of that name: did you mean 'fc2'?; its layers are fc1, fc2"
    )
    with pytest.raises(InputError) as error:
        compress_(mlp(), recipe(layers={"fc1": {"compress": False}, "fc2": {"compress": False}}))
    assert (
        str(error.value) == "the recipe has compress = false for every layer, expected at least one layer to compress"
    )
    with pytest.raises(InputError) as error:
        compress_(mlp(), recipe(train={"epochs": 3, "learning_rate": 1e30}), data)
    assert str(error.value).startswith("the loss of epoch 1 is nan: lower learning_rate, 1e+30 now")
    done = mlp()
    compress_(done)
    with pytest.raises(InputError) as error:
        compress_(done)
    assert str(error.value) == "layer fc1 is parametrised already, expected plain weights"


def test_accuracy_is_the_part_that_is_right() -> None:
    """Over more inputs than one batch of evaluation, in evaluation mode, which it leaves as it was."""
    model = nn.Sequential(nn.Dropout(0.9), nn.Identity()).train()
    x = torch.eye(3).repeat(1000, 1)
    y = torch.tensor([0, 1, 0]).repeat(1000)
    assert accuracy(model, x, y) == pytest.approx(2 / 3)
    assert model.training


def test_a_full_disk(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that cannot be written is one sentence, and the one before stays whole."""
    folder = tmp_path / "checkpoints"
    writes = 0
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        nonlocal writes
        writes += 1
        if writes > 3:
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError) as error:
        compress_(mlp(), recipe(), data, checkpoints=folder)
    assert str(error.value) == f"cannot write {folder / 'train.pt'}: No space left on device"
    monkeypatch.undo()
    assert sorted(path.name for path in folder.iterdir()) == ["owner.sha256", "train.pt"]
    lines: list[str] = []
    compress_(mlp(), recipe(), data, checkpoints=folder, log=lines.append)
    assert f"going on from {folder / 'train.pt'}, after epoch 3 of 15" in lines


def test_patience_stops_early(data: Data) -> None:
    """After so many epochs without a better one, with the weights of the best."""
    model = mlp()
    history = finetune(model, data, Training(epochs=200, learning_rate=0.02, patience=3))
    assert len(history.epochs) < 200
    accuracies = [epoch.accuracy for epoch in history.epochs]
    best = history.epochs[history.best - 1]
    assert best.accuracy == max(accuracies)
    assert len(accuracies) == accuracies.index(best.accuracy) + 1 + 3
    assert accuracy(model, data.x_valid, data.y_valid) == best.accuracy


class Twice(nn.Module):
    """Adds two layers' outputs: no chain."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(64, 10), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        return self.a(x).cumsum(1) + self.b(x)


def test_what_cannot_run_is_told_before_the_training(data: Data) -> None:
    """With `chain` a model that no network can be is refused before; without, its layers are compressed."""
    with pytest.raises(InputError) as error:
        compress_(Twice(), recipe(layers={}), data, chain=True)
    assert str(error.value).startswith("cumsum is a cumsum, which a network cannot hold: ")
    done = compress_(Twice(), Recipe())
    assert set(done.layers) == {"a", "b"}


def test_only_ones_own_checkpoints_are_removed(data: Data, tmp_path: Path) -> None:
    """What else is in the folder stays."""
    (tmp_path / "notes.txt").write_text("mine")
    compress_(mlp(), recipe(), data, checkpoints=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "finetune.pt",
        "notes.txt",
        "owner.sha256",
        "prune.pt",
        "train.pt",
    ]
    discard_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "notes.txt").unlink()
    discard_checkpoints(tmp_path)
    assert not tmp_path.exists()
    discard_checkpoints(tmp_path)


def test_convolutions_train_as_a_plain_loop_would(data: Data) -> None:
    """The order in which weights lie in memory, and Adam's fused step, change nothing but rounding."""

    def cnn() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Unflatten(1, (1, 8, 8)),
            nn.Conv2d(1, 5, 3),
            nn.Conv2d(5, 6, 3),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(24, 10),
        )

    model, plain = cnn(), cnn()
    finetune(model, data, Training(epochs=1, weight_decay=1e-2))
    adam = torch.optim.Adam(plain.parameters(), 1e-3, weight_decay=1e-2, foreach=False, fused=False)
    torch.manual_seed(0)
    batches = torch.split(torch.randperm(len(data.x_train)), 128)
    for step, batch in enumerate(batches):
        adam.param_groups[0]["lr"] = 5e-4 * (1 + np.cos(np.pi * step / len(batches)))
        adam.zero_grad()
        outputs = plain(torch.from_numpy(data.x_train)[batch])
        nn.functional.cross_entropy(outputs, torch.from_numpy(data.y_train)[batch]).backward()
        adam.step()
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_products_in_bfloat16(data: Data) -> None:
    """Layers compute in it while they train and at no other time; weights and result are float32, and as good."""
    model = mlp()
    types: set[tuple[bool, torch.dtype]] = set()
    hook = model.fc1.register_forward_hook(lambda layer, _, out: types.add((layer.training, out.dtype)))
    tables = {name: {"precision": "bfloat16", "epochs": 15, "learning_rate": 1e-2} for name in ("train", "prune")}
    done = compress_(model, recipe(**tables, finetune={"precision": "bfloat16", "epochs": 3}), data)
    hook.remove()
    assert types == {(True, torch.bfloat16), (False, torch.float32)}
    assert {one.dtype for one in model.parameters()} == {torch.float32}
    assert done.stages[-1].test_accuracy > 0.9


def test_a_training_is_watched(data: Data) -> None:
    """Each stage tells how far it is, to its end, in place of a line per epoch; any loss trains."""
    seen: list[Progress] = []
    lines: list[str] = []
    called = 0

    def loss(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        nonlocal called
        called += 1
        return nn.functional.multi_margin_loss(outputs, labels)

    short = recipe(train={"epochs": 2}, prune={"epochs": 2}, finetune={"epochs": 1}, layers={})
    compress_(mlp(), short, data, log=lines.append, watch=seen.append, loss=loss)
    assert called == len(seen) - 3
    for stage in ("train", "prune", "finetune"):
        dones = [one.done for one in seen if one.stage == stage]
        assert dones == sorted(dones)
        assert (dones[0], dones[-1]) == (0, 1)
    assert seen[-1].last is not None
    assert (seen[-1].epochs, seen[-1].last.number) == (1, 1)
    assert not [line for line in lines if line.startswith("epoch ")]
