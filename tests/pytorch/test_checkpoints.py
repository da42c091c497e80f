"""Checkpoints that others pruned: one line to a running model, a layer's weights in memory at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

import eie
import eie.nn
from eie.compress import Mask, Recipe
from eie.errors import InputError
from eie.pytorch.checkpoints import open_weights


class Model(nn.Module):
    """A convolution, normalisation and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1, padding_mode="reflect")
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.ModuleList([nn.Linear(64, 12), nn.Linear(12, 5, bias=False)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return five numbers."""
        return self.fc[1](torch.relu(self.fc[0](self.norm(self.conv(x)).flatten(1))))


def masked() -> tuple[Model, dict[str, torch.Tensor]]:
    """Return a model whose weights have 15 values and zeros at most, and the masks of its zeros."""
    torch.manual_seed(0)
    model, masks = Model().eval(), {}
    for name in ("conv", "fc.0", "fc.1"):
        module: Any = model.get_submodule(name)
        with torch.no_grad():
            module.weight.copy_(torch.randint(-7, 8, module.weight.shape) / 8)
        masks[name] = torch.rand(module.weight.shape) < 0.4
    model.norm.running_mean = torch.randn(4)
    return model, masks


def names_of_nncf(model: nn.Module, masks: dict[str, torch.Tensor], hooks: bool) -> dict[str, torch.Tensor]:
    """Return the state as NNCF keeps it: original weights, and masks under names of its own."""
    pattern = "__nncf_hooks.post_hooks.{}:weight__0.0.binary_mask" if hooks else "{}.pre_ops.0.op._binary_mask"
    extra = {pattern.format(name.replace(".", ":") if hooks else name): mask.float() for name, mask in masks.items()}
    return {**model.state_dict(), **extra}


def state_of(how: str, model: Model, masks: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    for name, mask in masks.items():
        module: Any = model.get_submodule(name)
        if how == "zeros":
            module.weight.data *= mask
        elif how == "prune":
            prune.custom_from_mask(module, "weight", mask)
        elif how == "parametrize":
            parametrize.register_parametrization(module, "weight", Mask(mask))
    if how in ("hooks", "wrapped"):
        return names_of_nncf(model, masks, how == "hooks")
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("how", ["zeros", "prune", "parametrize", "hooks", "wrapped"])
@pytest.mark.parametrize("file", ["state.pt", "old.pt", "model.safetensors"])
def test_one_line_to_a_running_model(how: str, file: str, tmp_path: Path) -> None:
    """Whoever pruned, the loaded model has the masked weights, all compressed, into a model that had no memory."""
    model, masks = masked()
    state = state_of(how, model, masks)
    for name, mask in masks.items():
        module: Any = model.get_submodule(name)
        if how in ("hooks", "wrapped"):
            module.weight.data *= mask
    if file.endswith(".pt"):
        torch.save(state, tmp_path / file, _use_new_zipfile_serialization=file != "old.pt")
    else:
        safetensors.torch.save_file(state, tmp_path / file)
    with torch.device("meta"):
        empty = Model()
    loaded: Any = eie.nn.load_(empty, tmp_path / file, numerics="float32")
    assert [type(one) for one in (loaded.conv, *loaded.fc)] == [eie.nn.Conv2d, eie.nn.Linear, eie.nn.Linear]
    x = torch.randn(3, 1, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(loaded(x), model(x), rtol=1e-4, atol=1e-5)


def sharded(state: dict[str, torch.Tensor], folder: Path) -> Path:
    """Write a tensor per file, and the index that names them."""
    places = {name: f"model-{number}.safetensors" for number, name in enumerate(state)}
    for name, file in places.items():
        safetensors.torch.save_file({name: state[name]}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index


def test_a_checkpoint_in_several_files(tmp_path: Path) -> None:
    """By its index or its folder; a recipe prunes and leaves layers out where it says so."""
    model, masks = masked()
    index = sharded(state_of("zeros", model, masks), tmp_path)
    x = torch.randn(3, 1, 4, 4)
    for place in (index, tmp_path):
        with torch.no_grad():
            assert torch.allclose(eie.nn.load_(Model(), place, numerics="float32")(x), model(x), atol=1e-5)
    recipe = Recipe.model_validate({"layers": {"conv": {"compress": False}, "fc.0": {"density": 0.1}}})
    loaded: Any = eie.nn.load_(Model(), tmp_path, recipe)
    assert type(loaded.conv) is nn.Conv2d
    assert loaded.fc[0]._layer.matrix.nnz == round(0.1 * 64 * 12)
    (tmp_path / "model-0.safetensors").unlink()
    with pytest.raises(InputError) as error:
        open_weights(tmp_path)
    assert str(error.value) == f"weights {tmp_path / 'model-0.safetensors'} does not exist"
    index.write_text(json.dumps({"weight_map": {"a": "../a.safetensors"}}))
    with pytest.raises(InputError, match=r"name the file '\.\./a\.safetensors', expected one beside the index"):
        open_weights(index)
    index.write_text("{}")
    with pytest.raises(InputError, match="are not the index of a checkpoint, with a weight_map"):
        open_weights(index)


def test_a_checkpoint_of_another_model(tmp_path: Path) -> None:
    """Tensors that are missing, too many, or of another shape are named."""
    model, masks = masked()
    state = state_of("zeros", model, masks)
    file = tmp_path / "state.pt"
    cases: list[tuple[dict[str, torch.Tensor], str]] = [
        ({name: tensor for name, tensor in state.items() if name != "norm.bias"}, "have no norm.bias, which the model"),
        ({name: tensor for name, tensor in state.items() if name != "fc.1.weight"}, "have no fc.1.weight, which the m"),
        ({**state, "more": torch.zeros(2)}, "have more, which the model has not"),
        ({**state, "fc.1.bias": torch.zeros(5)}, "have a bias for fc.1, and the model has none"),
        ({**state, "fc.1.weight": torch.zeros(5, 11)}, "fc.1.weight has the shape (5, 11), expected (5, 12)"),
        ({**state, "norm.bias": torch.zeros(3)}, "norm.bias has the shape (3,), expected (4,)"),
        ({**state, "fc.1.weight_orig": torch.zeros(2), "fc.1.weight_mask": torch.zeros(3)}, "has the shape (3,), exp"),
    ]
    for changed, sentence in cases:
        torch.save(changed, file)
        with pytest.raises(InputError) as error:
            eie.nn.load_(Model(), file)
        assert sentence in str(error.value)


def test_tied_weights_are_loaded_as_they_are(tmp_path: Path) -> None:
    """A head that is the embedding stays in float, and the embedding's; the file may have either name alone."""

    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.hidden = nn.Embedding(9, 4), nn.Linear(4, 4)
            self.head = nn.Linear(4, 9, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, words: torch.Tensor) -> torch.Tensor:
            return self.head(self.hidden(self.embedding(words)))

    model = Language()
    state = {name: tensor for name, tensor in model.state_dict().items() if name != "head.weight"}
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    with torch.device("meta"):
        empty = Language()
    loaded: Any = eie.nn.load_(empty, tmp_path)
    assert loaded.head.weight is loaded.embedding.weight
    assert torch.equal(loaded.head.weight, model.head.weight)
    assert isinstance(loaded.hidden, eie.nn.Linear)


PEAK = """
import resource
import sys, torch
from torch import nn
import eie.nn
from eie.engine import InferenceSession
def make():
    with torch.device("meta"):
        return nn.Sequential(*[nn.Linear(1024, 1024, bias=False) for _ in range(int(sys.argv[2]))])
eie.nn.load_(make(), sys.argv[1], kernel="columns")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_is_bounded_by_a_layer(tmp_path: Path) -> None:
    """Twenty-four layers take hardly more than two: their compressed form, not their 4 MB of float32 each."""
    torch.manual_seed(0)
    peaks = []
    for layers in (2, 26):
        folder = tmp_path / str(layers)
        folder.mkdir()
        tensor = torch.randn(1024, 1024) * (torch.rand(1024, 1024) < 0.05)
        sharded({f"{number}.weight": tensor for number in range(layers)}, folder)
        done = subprocess.run(
            [sys.executable, "-c", PEAK, folder, str(layers)], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout) * (1024 if sys.platform == "linux" else 1))
    assert peaks[1] - peaks[0] < 24 * tensor.nbytes / 4
