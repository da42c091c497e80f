"""Trained models from factories and files; nothing is unpickled unasked."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
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
        ("broken.npz", "file of weights broken.npz is not a whole .npz file of numbers: File is not a zip file"),
        ("weights.txt", "a file of weights must end in .safetensors, .npz, .pt, .pth, .bin, not weights.txt"),
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


def test_names_that_are_alike_after_mangling_stay_apart(tmp_path: Path) -> None:
    """`a.b` and `a_b` are two layers, `relu1` is not replaced by a ReLU, and a module's own words are no hindrance."""
    rng = np.random.default_rng(1)
    names = ["a.b", "a_b", "relu1", "relu2", "forward", "training", "a.b_2"]
    arrays = {f"{name}.weight": rng.normal(size=(4, 4)).astype(np.float32) for name in names}
    arrays["weight"] = rng.normal(size=(4, 4)).astype(np.float32)
    model = load_model(str(write(tmp_path / "alike.npz", arrays)))
    linear = [one for one in model.modules() if isinstance(one, nn.Linear)]
    assert [one.weight.detach().numpy().tolist() for one in linear] == [one.tolist() for one in arrays.values()]
    kinds = [type(one) for one in model.children()]
    assert kinds == [nn.Linear, *[nn.ReLU, nn.Linear] * 7]
    assert next(model.named_children())[0] == "a_b"
    assert "relu1" in dict(model.named_children())
    assert isinstance(model.get_submodule("relu1"), nn.Linear)


def test_a_file_as_one_weight_alone_is_a_layer(tmp_path: Path) -> None:
    """Tensors called `weight` and `bias`, as one linear layer's own state_dict has them."""
    model = load_model(str(write(tmp_path / "one.npz", {"weight": np.eye(3, 4, dtype=np.float32), "bias": np.ones(3)})))
    (linear,) = model.children()
    assert isinstance(linear, nn.Linear)
    assert linear.bias.tolist() == [1, 1, 1]


def deflated(path: Path, method: int, flags: int = 0) -> Path:
    """Write an .npz whose one member claims a compression method and flags that it does not have."""
    np.savez(path, **{"a.weight": np.eye(3, dtype=np.float32)})
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(signature) + at
        data[place : place + 4] = flags.to_bytes(2, "little") + method.to_bytes(2, "little")
    path.write_bytes(data)
    return path


def test_files_that_numpy_and_torch_trip_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encrypted npz, an odd method, a bomb, empty layers, numbers as names, sparse and meta tensors: sentences."""
    one = torch.eye(3)
    torch.save({3: one}, tmp_path / "numbers.pt")
    torch.save({"a.weight": one.to_sparse()}, tmp_path / "sparse.pt")
    torch.save({"a.weight": torch.empty(3, 3, device="meta")}, tmp_path / "meta.pt")
    np.savez_compressed(tmp_path / "bomb.npz", **{"a.weight": np.zeros((1000, 1000))})
    monkeypatch.setenv("EIE_BUDGET_BYTES", "1000000")
    whole = "is not a whole .npz file of numbers:"
    for path, sentence in (
        (deflated(tmp_path / "encrypted.npz", 0, 1), f"{whole} File 'a.weight.npy' is encrypted, password required"),
        (deflated(tmp_path / "odd.npz", 77), f"{whole} That compression method is not supported"),
        (tmp_path / "bomb.npz", "may take 8,000,128 bytes, more than the budget of 1,000,000: where you trust it"),
        (write(tmp_path / "empty.npz", {"a.weight": np.zeros((0, 3), np.float32)}), "a.weight of shape (0, 3) is not "),
        (tmp_path / "numbers.pt", "call a tensor 3, expected its name, a text"),
        (tmp_path / "sparse.pt", "a.weight is a sparse_coo tensor of torch.float32 on cpu, expected a dense one with"),
        (tmp_path / "meta.pt", "a.weight is a strided tensor of torch.float32 on meta, expected a dense one with"),
    ):
        with pytest.raises(InputError) as error:
            load_model(str(path))
        assert sentence in str(error.value)
        assert len(str(error.value).splitlines()) == 1


def test_the_order_of_a_safetensors_file_is_not_the_layers(tmp_path: Path) -> None:
    """It sorts by name, 10 before 2: numbers count, then sizes, and where neither tells the file is refused."""
    rng = np.random.default_rng(3)
    deep = nn.Sequential(*[one for _ in range(7) for one in (nn.Linear(4, 4), nn.ReLU())][:-1])
    safetensors.torch.save_file(deep.state_dict(), tmp_path / "deep.safetensors")
    x = torch.from_numpy(rng.normal(size=(5, 4)).astype(np.float32))
    assert torch.allclose(load_model(str(tmp_path / "deep.safetensors"))(x), deep(x))
    sizes = {"fc1": (5, 4), "hidden": (6, 5), "a_last": (3, 6)}
    arrays = {f"{name}.weight": rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    file = write(tmp_path / "sizes.safetensors", arrays)
    layers = [name for name, one in load_model(str(file)).named_modules() if isinstance(one, nn.Linear)]
    assert layers == ["fc1", "hidden", "a_last"]
    arrays = {f"{name}.weight": np.eye(4, dtype=np.float32) for name in ("first", "second")}
    file = write(tmp_path / "alike.safetensors", arrays)
    with pytest.raises(InputError) as error:
        load_model(str(file))
    assert str(error.value) == (
        f"weights {file} keep no order of their layers, and neither numbers in the names nor sizes give one for "
        "first.weight, second.weight: give the model that they belong to as module:factory, and these with --weights"
    )


def test_a_module_finds_its_class_beside_the_file(tmp_path: Path) -> None:
    """A whole module is unpickled with the modules that lie beside it, and a factory imports them."""
    (tmp_path / "classes_beside.py").write_text("from torch import nn\nclass Mine(nn.Linear):\n    pass\n")
    (tmp_path / "factory_beside.py").write_text("from classes_beside import Mine\ndef f():\n    return Mine(4, 3)\n")
    made = load_model(f"{tmp_path / 'factory_beside.py'}:f")
    torch.save(made, tmp_path / "whole.pt")
    sys.modules.pop("classes_beside")
    assert type(load_model(str(tmp_path / "whole.pt"), unpickle=True)).__name__ == "Mine"
    assert str(tmp_path) not in sys.path
