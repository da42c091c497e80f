"""Recipes: the steps of a compression and their parameters, from a TOML file or Python, checked before work starts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from eie.errors import InputError
from eie.support.toml import read_toml, shipped_names

__all__ = ["Finetune", "LayerRecipe", "Prune", "Recipe", "Share", "Train", "read_recipe", "ready_recipes"]

_READY = files("eie.pytorch") / "recipes"

Density = Annotated[float, Field(gt=0, le=1)]
Bits = Annotated[int, Field(ge=1, le=8)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for key in given:
                if key not in cls.model_fields:
                    raise ValueError(f"there is no entry called {key!r}{nearest(key, cls.model_fields)}")
        return given


class Train(_Table):
    """Training: the number of epochs, 0 for none, and the optimiser's parameters."""

    epochs: int = Field(default=0, ge=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    batch_size: int = Field(default=128, ge=1)
    optimiser: Literal["adam", "sgd"] = "adam"
    weight_decay: float = Field(default=0.0, ge=0)
    patience: int | None = Field(default=None, ge=1)
    precision: Literal["float32", "bfloat16"] = "float32"


class Prune(Train):
    """Pruning by magnitude to `density` of every layer's weights, or of all layers' together with `scope = "global"`.

    "gradual" lowers the density along a cubic during the share `ramp` of the epochs; "one-shot" prunes before the first
    epoch. Both train the weights kept. With `regrow` a pruned weight can be kept again later, beginning at zero.
    """

    density: float = Field(default=0.1, gt=0, le=1)
    scope: Literal["layer", "global"] = "layer"
    schedule: Literal["gradual", "one-shot"] = "gradual"
    ramp: float = Field(default=0.6, gt=0, lt=1)
    regrow: bool = False


class Share(_Table):
    """Weight sharing: 2**bits - 1 values and 0, one codebook per layer."""

    bits: Bits = 4
    clustering: Literal["optimal", "linear", "density", "random"] = "optimal"
    bias: Literal["float32", "shared"] = "float32"


class Finetune(Train):
    """Training of the centroids."""


class Encode(_Table):
    """The encoding: PEs; bits of a relative index, or "best" for the fewest bytes; whether to Huffman-code."""

    n_pe: int = Field(default=64, ge=1, le=1024)
    index_bits: Bits | Literal["best"] = 4
    huffman: bool = True

    @property
    def first_index_bits(self) -> int:
        """Bits to encode with, where the best are chosen afterwards, too."""
        return 4 if self.index_bits == "best" else self.index_bits


class Numbers(_Table):
    """The chip's fixed point: its widths, and the number of training inputs from which Q formats are chosen."""

    value_bits: int = Field(default=16, ge=2, le=16)
    accumulator_bits: int = Field(default=24, ge=2, le=32)
    calibration_inputs: int = Field(default=256, ge=1)


class LayerRecipe(_Table):
    """The parameters of one layer that differ from the rest. With `compress = false` it keeps its float32 weights."""

    compress: bool = True
    density: Density | None = None
    bits: Bits | None = None
    winograd: bool = False


class Recipe(_Table):
    """The whole recipe, its tables in the order of the steps; a step that is left out is skipped.

    Without `prune` every weight that is not zero is kept, and those that are stay so.
    """

    name: str = "network"
    seed: int = Field(default=0, ge=0, lt=2**32)
    input_shape: tuple[int, ...] | None = None
    train: Train = Train()
    prune: Prune | None = None
    share: Share = Share()
    finetune: Finetune = Finetune()
    encode: Encode = Encode()
    numbers: Numbers = Numbers()
    layers: dict[str, LayerRecipe] = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.numbers.accumulator_bits < self.numbers.value_bits:
            raise ValueError(
                f"numbers.accumulator_bits must be {self.numbers.value_bits} or more, as value_bits is, not "
                f"{self.numbers.accumulator_bits}"
            )
        for name, layer in self.layers.items():
            others = layer.model_fields_set - {"compress"}
            if not layer.compress and others:
                raise ValueError(
                    f"layers.{name} has compress = false and {min(others)}, expected nothing beside compress = false"
                )
        return self

    @property
    def pruning(self) -> Prune:
        """How layers that have a density are pruned."""
        return self.prune or Prune()

    def of(self, layer: str) -> LayerRecipe:
        """Return the parameters of one layer: its own, or those of the recurrent layer that it is a part of."""
        whole = layer.rpartition(".")[0]
        return self.layers.get(layer, self.layers.get(whole, LayerRecipe()))

    def density_of(self, layer: str) -> float | None:
        """Return the share of one layer's weights to keep, 0 to 1, or None for those that it has."""
        density = self.of(layer).density
        return self.prune.density if density is None and self.prune is not None else density

    def bits_of(self, layer: str) -> int:
        """Return the bits of one layer's codes."""
        bits = self.of(layer).bits
        return self.share.bits if bits is None else bits

    def require_layers(self, names: Iterable[str]) -> None:
        """Raise InputError if the recipe names a layer that is not among `names`."""
        known = list(names)
        for layer in self.layers:
            if layer not in known:
                raise InputError(
                    f"the recipe has a layer {layer!r} and the model has none of that name{nearest(layer, known)}; "
                    f"its layers are {', '.join(known)}"
                )


def ready_recipes() -> tuple[str, ...]:
    """The names of the recipes that come with the package, to start from."""
    return shipped_names(_READY)


def read_recipe(path: str | Path) -> Recipe:
    """Return the recipe of a TOML file, or the ready one of that name where there is no such file.

    Raises InputError for a wrong entry, naming it and the nearest known name.
    """
    if str(path) in ready_recipes() and not Path(path).exists():
        with as_file(_READY / f"{path}.toml") as file:
            return read_toml(file, Recipe, "recipe")
    if not Path(path).suffix and not Path(path).exists():
        raise InputError(f"no recipe is named {path}; there are {', '.join(ready_recipes())}, or a path to a .toml")
    return read_toml(path, Recipe, "recipe")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ": did you mean 'x'?" for the known name most similar to `name`, or "" if none is similar."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f": did you mean {found[0]!r}?" if found else ""
