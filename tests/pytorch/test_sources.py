"""Trained models from factories and files; nothing is unpickled unasked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from torch import nn

from eie.errors import InputError
from eie.pytorch.sources import load_model

FACTORY = """
from torch import nn
def model():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
def nothing():
    return 3
def broken():
    raise RuntimeError("out of luck")
"""


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "factory_of_models.py"
    path.write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    return path


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    shapes = {"ip1.weight": (3, 4), "ip1.bias": (3,), "ip2.weight": (2, 3), "ip2.bias": (2,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def expected(x: np.ndarray) -> np.ndarray:
    tensors = weights()
    hidden = np.maximum(x @ tensors["ip1.weight"].T + tensors["ip1.bias"], 0)
    return hidden @ tensors["ip2.weight"].T + tensors["ip2.bias"]


def write(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".safetensors":
        safetensors.numpy.save_file(arrays, path)
    else:
        torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt"])
def test_matrices_are_linear_layers_in_a_row(tmp_path: Path, suffix: str) -> None:
    """With ReLU between them, under their own names, in the file's order."""
    model = load_model(str(write(tmp_path / f"weights{suffix}", weights())))
    x = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)
    assert np.allclose(model(torch.from_numpy(x)).detach().numpy(), expected(x), atol=1e-6)
    assert [name for name, module in model.named_modules() if isinstance(module, nn.Linear)] == ["ip1", "ip2"]


@pytest.mark.parametrize("source", ["factory_of_models:model", "{path}:model"])
def test_a_factory(factory: Path, source: str) -> None:
    """By module, from the folder one is in, or by file; with weights loaded into it."""
    arrays = dict(zip(("0.weight", "0.bias", "2.weight", "2.bias"), weights().values(), strict=True))
    file = write(factory.with_name("weights.npz"), arrays)
    model = load_model(source.format(path=factory), file)
    x = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)
    assert np.allclose(model(torch.from_numpy(x)).detach().numpy(), expected(x), atol=1e-6)


def test_a_whole_module_is_unpickled_only_when_told(tmp_path: Path) -> None:
    """A file that holds code is refused; the error says which option would run it."""
    torch.save(nn.Sequential(nn.Linear(4, 3)), tmp_path / "model.pt")
    with pytest.raises(InputError) as error:
        load_model(str(tmp_path / "model.pt"))
    assert str(error.value) == (
        f"weights {tmp_path / 'model.pt'} hold more than tensors, which only running their code would read: give a "
        "state_dict, or --unpickle where you trust the file"
    )
    assert isinstance(load_model(str(tmp_path / "model.pt"), unpickle=True)[0], nn.Linear)  # type: ignore[index]


class Bomb:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> Any:
        """Say what to call."""
        return os.system, ("touch exploded",)


def test_a_hostile_pickle_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it would call is not called."""
    monkeypatch.chdir(tmp_path)
    torch.save({"fc.weight": Bomb()}, tmp_path / "model.pt")
    with pytest.raises(InputError):
        load_model("model.pt")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("factory_of_models:nothing", "factory_of_models:nothing made a int, expected a torch.nn.Module"),
        (
            "factory_of_models:broken",
            "factory_of_models:broken could not make a model: RuntimeError: out of luck",
        ),
        (
            "factory_of_models:none",
            "factory_of_models:none could not make a model: AttributeError: module 'factory_of_models' has no "
            "attribute 'none'",
        ),
        (
            "no_such_module:model",
            "no_such_module:model could not make a model: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("missing.npz", "model missing.npz does not exist"),
        ("broken.npz", "weights broken.npz are not a whole .npz file of numbers: File is not a zip file"),
        ("weights.txt", "a file of weights must end in .safetensors, .npz, .pt, .pth, not weights.txt"),
    ],
)
def test_refusals(factory: Path, source: str, sentence: str) -> None:
    """Each is one sentence."""
    factory.with_name("broken.npz").write_bytes(b"PK\x03\x04 but no more")
    factory.with_name("weights.txt").write_text("no")
    with pytest.raises(InputError) as error:
        load_model(source)
    assert str(error.value) == sentence


def test_weights_that_are_no_row(tmp_path: Path, factory: Path) -> None:
    """Convolutions need their model; sizes must follow each other; weights must be the factory's."""
    file = write(tmp_path / "conv.npz", {"conv.weight": np.zeros((2, 1, 3, 3), np.float32)})
    with pytest.raises(InputError) as error:
        load_model(str(file))
    assert str(error.value) == (
        f"weights {file}: conv.weight of shape (2, 1, 3, 3) is not a linear layer's weight (outputs, inputs): give the "
        "model that they belong to as module:factory, and these with --weights"
    )
    file = write(
        tmp_path / "row.npz", {"a.weight": np.zeros((2, 3), np.float32), "b.weight": np.zeros((2, 3), np.float32)}
    )
    with pytest.raises(InputError) as error:
        load_model(str(file))
    assert "b.weight of shape (2, 3) is not a linear layer's weight (outputs, 2)" in str(error.value)
    with pytest.raises(InputError) as error:
        load_model(f"{factory}:model", file)
    assert str(error.value).startswith(f"weights {file} are not those of {factory}:model: ")
    with pytest.raises(InputError) as error:
        load_model(str(file), file)
    assert str(error.value) == (f"weights {file} need a model to be loaded into: give module:factory, not {file}")
