"""Compression of a PyTorch model by a recipe: train, prune, share the weights, fine-tune the centroids."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from eie.encoding.clustering import Method, share
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.model.reference import calibrate
from eie.pytorch.pruning import Mask, cubic_density, global_masks, magnitude_mask
from eie.pytorch.recipe import Recipe, Train
from eie.pytorch.recurrent_and_winograd import lower_
from eie.pytorch.sharing import Shared
from eie.pytorch.tracing import Target, network_of, products_of
from eie.pytorch.training import Training, accuracy, finetune
from eie.storage.sizes import size_optimal
from eie.support.output_files import atomic_write
from eie.workloads.data import Data

__all__ = ["Compression", "Stage", "compress_", "discard_checkpoints", "targets_of"]

OWNER = "owner.sha256"  # in a folder of checkpoints: the hash of the recipe, model and data that they belong to
TRAININGS = ("train", "prune", "finetune")
MASK_INTERVAL = 50  # steps between one choice of masks and the next

Log = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """The model after one step of the recipe: accuracies, 0 to 1 or None without data, and weights kept."""

    name: str
    validation_accuracy: float | None
    test_accuracy: float | None
    kept: int
    weights: int


@dataclass(frozen=True, eq=False)
class Compression:
    """A compressed model: the PyTorch module, its compressed layers by name, and a Stage for each step."""

    model: nn.Module
    recipe: Recipe
    layers: Mapping[str, Layer]
    stages: tuple[Stage, ...]
    data: Data | None

    @cached_property
    def network(self) -> Network:
        """The whole model as a network, with Q formats chosen from training inputs if data was given.

        Raises InputError if its forward pass is not a chain of supported layers; `layers` is available nevertheless.
        """
        encode, numbers = self.recipe.encode, self.recipe.numbers
        shape = _input_shape(self.model, self.recipe, self.data)
        network = network_of(self.model, shape, name=self.recipe.name, layers=self.layers)
        if self.data is None:
            return network
        inputs = self.data.x_train[: numbers.calibration_inputs].reshape(-1, network.inputs)
        return calibrate(
            network.interleave(encode.n_pe),
            inputs,
            value_bits=numbers.value_bits,
            accumulator_bits=numbers.accumulator_bits,
        )


def _input_shape(model: nn.Module, recipe: Recipe, data: Data | None) -> tuple[int, ...]:
    """Return the shape of one input: from the recipe, the data, or a linear first layer, in this order."""
    if recipe.input_shape is not None:
        return recipe.input_shape
    if data is not None:
        return data.input_shape
    first = next(iter(targets_of(model).values()))
    if not isinstance(first, nn.Linear):
        raise InputError("the shape of one input must be known: give data, or input_shape in the recipe")
    return (first.in_features,)


def targets_of(model: nn.Module) -> dict[str, Target]:
    """Return the layers that can be compressed, by name: linear, recurrent and convolutions."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Target)}


def compress_(
    model: nn.Module,
    recipe: Recipe | None = None,
    data: Data | None = None,
    *,
    checkpoints: Path | None = None,
    chain: bool = False,
    log: Log = lambda line: None,
) -> Compression:
    """Compress `model` in place by `recipe`, and return the result.

    Afterwards the weights of its layers are parametrised by fixed codes and by centroids, which any training loop can
    train further. Without `data` nothing is trained. With `checkpoints`, a folder, a call that was interrupted can be
    repeated and continues where it stopped. With `chain`, a model that cannot become a `Compression.network` is
    refused before the training. Raises InputError for a model without a layer to compress, weights that are NaN or
    infinite, and a recipe or checkpoints of another model; raises Interrupted if the user stops it.
    """
    recipe = Recipe() if recipe is None else recipe
    recipe.require_layers(
        name for name, module in model.named_modules() if isinstance(module, Target | nn.RNNBase | nn.RNNCellBase)
    )
    lower_(model, {name for name, layer in recipe.layers.items() if layer.winograd})
    targets = targets_of(model)
    if not targets:
        raise InputError("the model has no layer that can be compressed: no linear one, no convolution without groups")
    targets = {name: module for name, module in targets.items() if recipe.of(name).compress}
    if not targets:
        raise InputError("the recipe has compress = false for every layer, expected at least one layer to compress")
    for name, module in targets.items():
        if parametrize.is_parametrized(module):
            raise InputError(f"layer {name} is parametrised already, expected plain weights")
        if not torch.isfinite(module.weight).all():
            raise InputError(f"the weights of {name} must be finite, but some are NaN or infinite")
    if chain:
        network_of(model, _input_shape(model, recipe, data))
    run = _Run(model, recipe, targets, data, checkpoints, log)
    run.claim_checkpoints()
    run.train()
    run.prune()
    run.share()
    run.finetune()
    model.eval()
    return Compression(model, recipe, run.layers(), tuple(run.stages), data)


def discard_checkpoints(folder: Path) -> None:
    """Remove a run's checkpoints from `folder`, and the folder where nothing else is in it."""
    try:
        for name in (*(f"{training}.pt" for training in TRAININGS), OWNER):
            (folder / name).unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise InputError(f"cannot remove the checkpoints in {folder}: {error.strerror}") from error


class _Run:
    """The compression of one model: a method for each step of the recipe."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        targets: dict[str, Target],
        data: Data | None,
        checkpoints: Path | None,
        log: Log,
    ) -> None:
        self.model, self.recipe, self.targets = model, recipe, targets
        self.data, self.checkpoints, self.log = data, checkpoints, log
        self.stages: list[Stage] = []

    def claim_checkpoints(self) -> None:
        """Write this run's hash to the checkpoints' folder, or raise InputError if it has another run's."""
        if self.checkpoints is None:
            return
        digest = hashlib.sha256(self.recipe.model_dump_json().encode())
        for name, tensor in self.model.state_dict().items():
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().contiguous().numpy().tobytes())
        if self.data is not None:
            digest.update(f"{self.data.x_train.shape} {self.data.x_train.sum(dtype=float)}".encode())
        owner = self.checkpoints / OWNER
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            known = owner.read_text(encoding="utf-8", errors="replace") if owner.exists() else None
        except OSError as error:
            raise InputError(f"cannot use the checkpoints' folder {self.checkpoints}: {error.strerror}") from error
        if known is None:
            with atomic_write(owner) as temporary:
                temporary.write_text(digest.hexdigest())
        elif known != digest.hexdigest():
            raise InputError(
                f"the checkpoints in {self.checkpoints} are of another recipe, model or data: remove the folder to "
                "begin anew, or name another"
            )

    def train(self) -> None:
        """Train the dense model if the recipe has epochs for it."""
        self._train("train", self.recipe.train)
        self._note("dense")

    def prune(self) -> None:
        """Prune the weights under masks, with training in between, and store the zeros in the weights."""
        prune = self.recipe.prune
        for module in self.targets.values():
            mask = Mask(torch.ones_like(module.weight, dtype=torch.bool), prune.regrow)
            parametrize.register_parametrization(module, "weight", mask)
        trained = self.data is not None and prune.epochs > 0
        gradual = trained and prune.schedule == "gradual"
        self._choose_masks(0.0 if gradual else 1.0)

        def move_masks(step: int, steps: int) -> None:
            # The density falls until the ramp ends; for half of the rest pruned weights may still regrow.
            ramp_ends = math.ceil(prune.ramp * steps)
            if gradual and step <= (steps + ramp_ends) / 2 and (step % MASK_INTERVAL == 0 or step == ramp_ends):
                self._choose_masks(step / ramp_ends)

        self._train("prune", prune, move_masks, best_after=prune.ramp if gradual else 0.0)
        for module in self.targets.values():
            parametrize.remove_parametrizations(module, "weight")  # leaves the weights as they were masked
        self._note("pruned")

    def _choose_masks(self, progress: float) -> None:
        """Choose every layer's mask for the density at `progress` of the ramp."""
        regrow = self.recipe.prune.regrow
        weights = {}
        for name, module in self.targets.items():
            original, mask = _masked(module)
            weights[name] = original if regrow else original * mask
        together = {
            name: tensor
            for name, tensor in weights.items()
            if self.recipe.prune.scope == "global" and self.recipe.of(name).density is None
        }
        masks = global_masks(together, cubic_density(progress, self.recipe.prune.density)) if together else {}
        for name, tensor in weights.items():
            if name not in masks:
                masks[name] = magnitude_mask(tensor, cubic_density(progress, self.recipe.density_of(name)))
            _masked(self.targets[name])[1].copy_(masks[name])

    def share(self) -> None:
        """Cluster each layer's weights, and replace them by codes and centroids."""
        wanted = self.recipe.share
        for name, module in self.targets.items():
            _share(module, "weight", self.recipe.bits_of(name), wanted.clustering, self.recipe.seed)
            if wanted.bias == "shared" and module.bias is not None:
                _share(module, "bias", self.recipe.bits_of(name), wanted.clustering, self.recipe.seed)
        self._note("shared")

    def finetune(self) -> None:
        """Train the centroids if the recipe has epochs for it."""
        if self.data is not None and self.recipe.finetune.epochs:
            self._train("finetune", self.recipe.finetune)
            self._note("fine-tuned")

    def layers(self) -> dict[str, Layer]:
        """Return the compressed layers, encoded as the recipe says."""
        encode = self.recipe.encode
        found = {}
        for name, module in self.targets.items():
            bits = 4 if encode.index_bits == "best" else encode.index_bits
            for layer in products_of(module, name, encode.n_pe, bits):
                assert isinstance(layer, Layer)
                found[layer.name] = size_optimal(layer) if encode.index_bits == "best" else layer
        return found

    def _train(
        self,
        stage: str,
        table: Train,
        before_step: Callable[[int, int], None] = lambda step, steps: None,
        best_after: float = 0.0,
    ) -> None:
        if self.data is None or table.epochs == 0:
            return
        self.log(f"{stage}: {table.epochs} epochs on {len(self.data.x_train):,} inputs")
        checkpoint = None if self.checkpoints is None else self.checkpoints / f"{stage}.pt"
        finetune(
            self.model,
            self.data,
            Training(**table.model_dump(include=set(Train.model_fields)), seed=self.recipe.seed),
            checkpoint=checkpoint,
            before_step=before_step,
            best_after=best_after,
            stage=stage,
            log=self.log,
        )

    def _note(self, name: str) -> None:
        kept = sum(int(torch.count_nonzero(module.weight)) for module in self.targets.values())
        weights = sum(module.weight.numel() for module in self.targets.values())
        if self.data is None:
            self.stages.append(Stage(name, None, None, kept, weights))
            return
        validation = accuracy(self.model, self.data.x_valid, self.data.y_valid)
        test = accuracy(self.model, self.data.x_test, self.data.y_test)
        self.stages.append(Stage(name, validation, test, kept, weights))
        self.log(f"{name}: {kept:,} of {weights:,} weights, test accuracy {test:.2%}")


def _masked(module: Target) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a masked module's weights, those under the mask included, and the mask."""
    parametrisations: Any = module.parametrizations
    return parametrisations["weight"].original.detach(), parametrisations["weight"][0].mask


def _share(module: Target, tensor: str, bits: int, clustering: Method, seed: int) -> None:
    """Replace the non-zero values of one tensor by codes into a codebook of 2**bits - 1 centroids."""
    codes, codebook = share(getattr(module, tensor).detach().numpy(), bits, clustering, seed=seed)
    shared = Shared(torch.from_numpy(codes), torch.from_numpy(codebook[1:].copy()))
    parametrize.register_parametrization(module, tensor, shared)
