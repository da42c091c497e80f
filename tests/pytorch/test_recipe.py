"""Recipes: read from TOML; an error names the wrong entry and the nearest known name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel
from torch import nn

from eie.compress import Training, compress_, finetune, read_recipe, ready_recipes
from eie.errors import InputError
from eie.pytorch.recipe import Encode, Finetune, LayerRecipe, Numbers, Prune, Recipe, Share, Train
from eie.workloads.data import load_data

RECIPE = """
name = "lenet"
[prune]
density = 0.1
epochs = 3
[layers.fc3]
density = 0.3
bits = 5
"""


def test_a_recipe(tmp_path: Path) -> None:
    """What it says of one layer goes before what it says of all."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    recipe = read_recipe(tmp_path / "recipe.toml")
    assert [recipe.density_of(layer) for layer in ("fc1", "fc3")] == [0.1, 0.3]
    assert [recipe.bits_of(layer) for layer in ("fc1", "fc3")] == [4, 5]
    recipe.require_layers(["fc1", "fc2", "fc3"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("density = 0.1", "densty = 0.1"), "prune: there is no entry called 'densty': did you mean 'density'?"),
        (("[prune]", "[prun]"), "there is no entry called 'prun': did you mean 'prune'?"),
        (("bits = 5", "zzz = 5"), "layers.fc3: there is no entry called 'zzz'"),
        (("density = 0.1", "density = 0"), "prune.density is 0: input should be greater than 0"),
        (("density = 0.3", "density = 1.5"), "layers.fc3.density is 1.5: input should be less than or equal to 1"),
        (("bits = 5", "bits = 9"), "layers.fc3.bits is 9: input should be less than or equal to 8"),
        (
            ("epochs = 3", 'schedule = "sudden"'),
            "prune.schedule is 'sudden': input should be 'gradual' or 'one-shot'",
        ),
        (
            ("[prune]", "[numbers]\naccumulator_bits = 8\n[prune]"),
            "numbers.accumulator_bits must be 16 or more, as value_bits is, not 8",
        ),
    ],
)
def test_wrong_recipes(tmp_path: Path, change: tuple[str, str], sentence: str) -> None:
    """One sentence that names the entry."""
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace(*change))
    with pytest.raises(InputError) as error:
        read_recipe(path)
    assert str(error.value) == f"recipe {path}: {sentence}"


def test_a_recipe_of_another_model(tmp_path: Path) -> None:
    """A layer that the model does not have is named, with the one most like it."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    with pytest.raises(InputError) as error:
        read_recipe(tmp_path / "recipe.toml").require_layers(["fc1", "fc2"])
    assert str(error.value) == (
        "the recipe has a layer 'fc3' and the model has none of that name: did you mean 'fc2'?; its layers are fc1, fc2"
    )


def test_every_entry_is_in_the_reference() -> None:
    """The page has every entry with its default, and none that is not there."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "recipe.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    found: dict[str, dict[str, str]] = {"": {}}
    table = ""
    for name, default, *_ in cells[2:]:
        if name.startswith("**"):
            table = name.strip("*`[]")
            found[table] = {}
        else:
            found[table][name.strip("`")] = default.strip("`")
    train = set(Train.model_fields)
    tables = {"train": Train, "prune": Prune, "share": Share, "finetune": Finetune, "encode": Encode}
    models: dict[str, type[BaseModel]] = {"": Recipe, **tables, "numbers": Numbers, "layers.NAME": LayerRecipe}
    assert set(found) == set(models)
    for table, model in models.items():
        fields = {name: field.default for name, field in model.model_fields.items()}
        if table == "":
            fields = {name: value for name, value in fields.items() if name in ("name", "seed", "input_shape")}
        elif table in ("prune", "finetune"):
            fields = {name: value for name, value in fields.items() if name not in train}
        shown = {name: "none" if value is None else json.dumps(value) for name, value in fields.items()}
        assert found[table] == shown


def test_recipes_to_start_from() -> None:
    """Each is read by its name; another name is refused with those there are."""
    assert ready_recipes() == ("cnn", "language-model", "mlp", "transformer")
    assert [read_recipe(name).name for name in ready_recipes()] == list(ready_recipes())
    with pytest.raises(InputError) as error:
        read_recipe("rnn")
    assert str(error.value) == (
        "no recipe is named rnn; there are cnn, language-model, mlp, transformer, or a path to a .toml"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("mlp", 0.02), ("cnn", 0.02)])
def test_a_ready_recipe_on_the_digits(name: str, most: float) -> None:
    """A trained network comes out with the density that the recipe says, and loses little."""
    data = load_data("digits")
    torch.manual_seed(0)
    model: nn.Module = nn.Sequential(nn.Linear(64, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))
    if name == "cnn":
        data = load_data("digits", (1, 8, 8))
        model = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10)),
        )
    finetune(model, data, Training(epochs=30))
    done = compress_(model, read_recipe(name), data)
    first, last = done.stages[0], done.stages[-1]
    assert last.kept / last.weights == pytest.approx(read_recipe(name).pruning.density, abs=1e-3)
    assert first.test_accuracy is not None
    assert last.test_accuracy is not None
    assert last.test_accuracy > first.test_accuracy - most
