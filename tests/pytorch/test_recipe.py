"""Recipes: read from TOML; an error names the wrong entry and the nearest known name."""

from __future__ import annotations

from pathlib import Path

import pytest

from eie.compress import read_recipe
from eie.errors import InputError

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
