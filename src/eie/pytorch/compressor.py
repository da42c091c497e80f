"""Pruning and weight sharing of a model's layers, step by step, for the recipe's own training and for any other."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import remove as remove_mask

from eie.encoding.clustering import share
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.model.reference import calibrate
from eie.pytorch.products import is_lookup
from eie.pytorch.pruning import Mask, cubic_density, global_masks, magnitude_mask
from eie.pytorch.recipe import Recipe
from eie.pytorch.recurrent import RecurrentStack
from eie.pytorch.recurrent_and_winograd import has_other_form, lower_, recipe_names
from eie.pytorch.sharing import Shared, is_shared
from eie.pytorch.tracing import Target, network_of, products_of
from eie.pytorch.verification import Real, expected_of, vectors_of
from eie.storage.sizes import size_optimal
from eie.workloads.data import Data

__all__ = ["Compression", "Compressor", "Stage", "one_input", "targets_of"]


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
    """A compressed model: the PyTorch module, the names of its compressed layers, and a Stage for each step.

    `inputs`, (items, ...), are those that Q formats are chosen from, and the network is held against the model on, a
    tuple of arrays where the model takes several; None without data. `layers` and `network` are of the model as it is
    now, also after further training.
    """

    model: nn.Module
    recipe: Recipe
    names: tuple[str, ...]
    stages: tuple[Stage, ...] = ()
    data: Data | None = None
    inputs: Real | None = None
    _made: dict[str, tuple[bytes, Any]] = field(default_factory=dict, repr=False)

    @property
    def layers(self) -> Mapping[str, Layer]:
        """The compressed layers by name, encoded as the recipe says.

        Raises InputError if the model's layers are not shared any more: replaced, say.
        """
        layers: dict[str, Layer] = self._current("layers", self._encode)
        return layers

    @property
    def network(self) -> Network:
        """The whole model as a network, with Q formats chosen from training inputs if data was given.

        Raises InputError if its forward pass is not a chain of supported layers, or if the network's outputs are not
        the model's on real and generated inputs; `layers` is available nevertheless.
        """
        network: Network = self._current("network", self._lower)
        return network

    def _current(self, what: str, make: Any) -> Any:
        """Return what `make` makes, again only where the model has changed since."""
        state = _fingerprint(self.model)
        if what not in self._made or self._made[what][0] != state:
            self._made[what] = state, make()
        return self._made[what][1]

    def _encode(self) -> dict[str, Layer]:
        encode = self.recipe.encode
        modules = dict(self.model.named_modules())
        found = {}
        for name in self.names:
            module: Any = modules.get(name)
            if module is None or not is_shared(module):
                raise InputError(f"layer {name} was replaced after the compression, expected its shared weights")
            for layer in products_of(module, name, encode.n_pe, encode.first_index_bits):
                assert isinstance(layer, Layer)
                found[layer.name] = size_optimal(layer) if encode.index_bits == "best" else layer
        return found

    def _lower(self) -> Network:
        encode, numbers = self.recipe.encode, self.recipe.numbers
        one = one_input(self.model, self.recipe, self.inputs)
        network = network_of(
            self.model,
            one,
            name=self.recipe.name,
            layers=self.layers,
            n_pe=encode.n_pe,
            index_bits=encode.first_index_bits,
        )
        expected_of(self.model, one, self.inputs).hold(self.model, network)
        if self.inputs is None:
            return network
        arrays = self.inputs if isinstance(self.inputs, tuple) else (self.inputs,)
        return calibrate(
            network.interleave(encode.n_pe),
            vectors_of(tuple(torch.from_numpy(array[: numbers.calibration_inputs]) for array in arrays)),
            value_bits=numbers.value_bits,
            accumulator_bits=numbers.accumulator_bits,
        )


def _fingerprint(model: nn.Module) -> bytes:
    """Return a hash of all that training changes: codes are fixed."""
    digest = hashlib.blake2b()
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, torch.Tensor) and not name.endswith(".codes"):
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.digest()


def one_input(model: nn.Module, recipe: Recipe, inputs: Real | None) -> tuple[int, ...] | tuple[torch.Tensor, ...]:
    """Return the shape of one input: from the recipe, the inputs, or a linear first layer; or the first of several."""
    if isinstance(inputs, tuple):
        return tuple(torch.from_numpy(np.array(array[:1])) for array in inputs)
    if recipe.input_shape is not None:
        return recipe.input_shape
    if inputs is not None:
        return inputs.shape[1:]
    first = next(iter(targets_of(model).values()), None)
    if not isinstance(first, nn.Linear):
        raise InputError("the shape of one input must be known: give data, or input_shape in the recipe")
    return (first.in_features,)


def targets_of(model: nn.Module) -> dict[str, Target]:
    """Return the layers that can be compressed, by name: linear, recurrent and convolutional."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Target)}


class Compressor:
    """Compresses a model in place beside a training loop of one's own.

    `prune(progress)` before training steps moves the masks, `share()` replaces weights by codes and centroids, which
    the loop may train further, and `encode()` gives the result:

        compressor = Compressor(model, recipe)
        for step, (x, y) in enumerate(batches):
            compressor.prune(step / steps)
            loss(model(x), y).backward()
            ...
        compressor.share()
        ...
        eie.save(compressor.encode(inputs).network, "model.safetensors")

    The optimiser's parameters change twice: make it after `Compressor`, and again after `share()`. A layer whose
    density the recipe does not give keeps the weights that it has, its zeros included. A weight that several modules
    have is pruned and shared once and stays theirs. Masks of torch.nn.utils.prune are applied. Embeddings that are not
    tied to a layer are compressed only where the recipe names them.

    Raises InputError for a model without a layer to compress; weights that are NaN, infinite, not float32, or
    computed by something else; and a recipe for another model.
    """

    def __init__(self, model: nn.Module, recipe: Recipe | None = None) -> None:
        self.model = model
        self.recipe = recipe = Recipe() if recipe is None else recipe
        recipe.require_layers(
            known
            for name, module in model.named_modules()
            if isinstance(module, Target | RecurrentStack) or has_other_form(module) or is_lookup(module)
            for known in recipe_names(module, name)
        )
        left = {name for name, layer in recipe.layers.items() if not layer.compress}
        _apply_masks(model)
        winograd = {name for name, layer in recipe.layers.items() if layer.winograd}
        _require_untied(model, winograd, left)
        lower_(model, winograd, left)
        found: dict[str, Target | nn.Embedding] = {
            name: module
            for name, module in model.named_modules()
            if isinstance(module, Target) or (is_lookup(module) and name in recipe.layers)
        }
        if not any(isinstance(module, Target) for module in found.values()):
            raise InputError("the model has no layer that can be compressed: no linear, recurrent or convolutional one")
        self.targets = {name: module for name, module in found.items() if name not in left}
        if not self.targets:
            raise InputError("the recipe has compress = false for every layer, expected at least one layer to compress")
        for name, module in self.targets.items():
            _require_plain(name, module)
        self._holders = _holders(model, self.targets, left, recipe)
        self._shared = False
        self._progress = 0.0
        for name, module in self.targets.items():
            if name not in self._holders:  # tied to a layer before it
                continue
            zeros = module.weight.detach() == 0
            keep = torch.ones_like(zeros) if recipe.density_of(name) is not None or zeros.all() else ~zeros
            mask = Mask(keep, recipe.pruning.regrow)
            for holder, tensor in self._holders[name]:
                parametrize.register_parametrization(holder, tensor, mask)

    @property
    def prunes(self) -> bool:
        """Whether the recipe gives any layer a density."""
        return any(self.recipe.density_of(name) is not None for name in self._holders)

    def prune(self, progress: float) -> None:
        """Choose the masks for the densities at `progress`, 0 to 1, along a cubic from all weights to the recipe's.

        With `regrow`, a weight that was pruned and is kept again begins at zero, and those that stay pruned do, too:
        what a gradient that changes nothing has added up to is a reason to try a weight, and no value for it.
        """
        if self._shared:
            raise InputError("the weights are shared already, expected pruning before share()")
        self._choose(progress, begin_anew=self.recipe.pruning.regrow)

    def _choose(self, progress: float, *, begin_anew: bool) -> None:
        self._progress = progress
        prune = self.recipe.pruning
        weights, densities = {}, {}
        for name in self._holders:
            density = self.recipe.density_of(name)
            if density is not None:
                original, mask = _masked(self.targets[name])
                weights[name] = original if prune.regrow else original * mask
                densities[name] = cubic_density(progress, density)
        together = {
            name: tensor
            for name, tensor in weights.items()
            if prune.scope == "global" and self.recipe.of(name).density is None
        }
        masks = global_masks(together, cubic_density(progress, prune.density)) if together else {}
        for name, tensor in weights.items():
            if name not in masks:
                masks[name] = magnitude_mask(tensor, densities[name])
            original, mask = _masked(self.targets[name])
            if begin_anew:
                original.mul_(mask & masks[name])
            mask.copy_(masks[name])

    def store_zeros(self) -> None:
        """Remove the masks and leave the weights as they were masked; `share` does so by itself."""
        for name in self._holders:
            for holder, tensor in self._holders[name]:
                if parametrize.is_parametrized(holder, tensor):
                    parametrize.remove_parametrizations(holder, tensor)

    def share(self) -> None:
        """Prune as far as the recipe says, then cluster each layer's weights into codes and centroids."""
        if self._shared:
            raise InputError("the weights are shared already, expected one call of share()")
        if self.prunes and self._progress < 1 and _is_masked(self.targets[next(iter(self._holders))]):
            self._choose(1.0, begin_anew=False)
        self.store_zeros()
        wanted = self.recipe.share
        for name, module in self.targets.items():
            bits = self.recipe.bits_of(name)
            if name in self._holders:
                _share(self._holders[name], bits, wanted.clustering, self.recipe.seed)
            if wanted.bias == "shared" and getattr(module, "bias", None) is not None:
                _share([(module, "bias")], bits, wanted.clustering, self.recipe.seed)
        self._shared = True

    def encode(self, inputs: npt.ArrayLike | tuple[npt.NDArray[Any], ...] | None = None) -> Compression:
        """Return the result; `inputs`, (items, ...), choose the chip's Q formats and are run through the network.

        Of a model that takes several, they are a tuple of arrays, as many items each. Whole numbers stay so for a model
        that looks entries up.
        """
        if not self._shared:
            self.share()
        self.model.eval()
        real: Real | None = None
        if isinstance(inputs, tuple) and all(hasattr(array, "shape") for array in inputs):
            real = tuple(self._as_taken(array) for array in inputs)
            if len({len(array) for array in real}) != 1:
                raise InputError(
                    f"the inputs have {' and '.join(str(len(array)) for array in real)} items, expected as many of each"
                )
        elif inputs is not None:
            real = self._as_taken(inputs)
        return Compression(self.model, self.recipe, tuple(self.targets), inputs=real)

    def _as_taken(self, inputs: npt.ArrayLike) -> npt.NDArray[Any]:
        array = np.asarray(inputs)
        looks_up = any(isinstance(module, nn.Embedding | nn.EmbeddingBag) for module in self.model.modules())
        return array.astype(np.int64 if looks_up and array.dtype.kind in "iu" else np.float32)

    def count(self) -> tuple[int, int]:
        """Return how many weights the layers keep now, and how many they have."""
        weights = [self.targets[name].weight for name in self._holders]
        return sum(int(torch.count_nonzero(one)) for one in weights), sum(one.numel() for one in weights)


def _apply_masks(model: nn.Module) -> None:
    """Make what torch.nn.utils.prune has masked plain weights with zeros."""
    for module in model.modules():
        for name in [name for name, _ in module.named_buffers(recurse=False) if name.endswith("_mask")]:
            tensor = name.removesuffix("_mask")
            if f"{tensor}_orig" in module._parameters:
                remove_mask(module, tensor)  # type: ignore[no-untyped-call]


def _require_plain(name: str, module: Target | nn.Embedding) -> None:
    if parametrize.is_parametrized(module):
        raise InputError(f"layer {name} is parametrised already, expected plain weights")
    if module.weight.numel() == 0:
        raise InputError(f"layer {name} is {tuple(module.weight.shape)}, expected some weights")
    if "weight" not in module._parameters:
        raise InputError(f"the weights of {name} are computed when it is called, expected a parameter of its own")
    if module.weight.dtype != torch.float32:
        raise InputError(
            f"the weights of {name} are {str(module.weight.dtype).removeprefix('torch.')}, expected float32: "
            "model.float() makes them so"
        )
    if not torch.isfinite(module.weight).all():
        raise InputError(f"the weights of {name} must be finite, but some are NaN or infinite")


Holders = list[tuple[nn.Module, str]]


def _by_place(model: nn.Module) -> dict[int, list[tuple[str, nn.Module, str]]]:
    """Return for the place in memory of each parameter: the modules that have it, by name, and its name there."""
    by_place: dict[int, list[tuple[str, nn.Module, str]]] = {}
    for owner, module in model.named_modules():
        for tensor, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            by_place.setdefault(parameter.data_ptr(), []).append((owner, module, tensor))
    return by_place


def _require_untied(model: nn.Module, winograd: Collection[str], left: Collection[str]) -> None:
    """Raise InputError where a layer that takes another form has weights that are another module's, too."""
    for held in _by_place(model).values():
        for owner, module, tensor in held if len(held) > 1 else ():
            if owner not in left and (owner in winograd or has_other_form(module)):
                others = ", ".join(f"{other}.{name}" for other, _, name in held if (other, name) != (owner, tensor))
                raise InputError(
                    f"{owner}.{tensor} is also {others}, but is compressed in another form: give each its own weights"
                )


def _holders(
    model: nn.Module, targets: Mapping[str, Target | nn.Embedding], left: Collection[str], recipe: Recipe
) -> dict[str, Holders]:
    """Return every module and name under which each target's weights are a parameter; of tied targets the first."""
    by_place = _by_place(model)
    holders: dict[str, Holders] = {}
    taken: set[int] = set()
    for name, target in targets.items():
        place = target.weight.data_ptr()
        if place in taken:
            continue
        taken.add(place)
        for owner, module, tensor in by_place[place]:
            other = getattr(module, tensor)
            problem = ""
            if owner in left:
                problem = "is not to be compressed"
            elif isinstance(module, parametrize.ParametrizationList):
                problem = "is parametrised"
            elif other.shape != target.weight.shape or other.stride() != target.weight.stride():
                problem = f"has the shape {tuple(other.shape)}"
            elif owner in targets and recipe.of(owner) != recipe.of(name):
                problem = "the recipe compresses in another way"
            if problem:
                raise InputError(
                    f"the weights of {name} are also {owner}.{tensor}, which {problem}: give each weights of its own, "
                    "or both the same entries in the recipe"
                )
            setattr(module, tensor, target.weight)
        holders[name] = [(module, tensor) for _, module, tensor in by_place[place]]
    return holders


def _masked(module: Target | nn.Embedding) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a masked module's weights, those under the mask included, and the mask."""
    parametrisations: Any = module.parametrizations
    return parametrisations["weight"].original.detach(), parametrisations["weight"][0].mask


def _is_masked(module: Target | nn.Embedding) -> bool:
    return parametrize.is_parametrized(module, "weight")


def _share(holders: Holders, bits: int, clustering: Any, seed: int) -> None:
    """Replace the non-zero values of one tensor, in all that hold it, by codes and one set of centroids."""
    (first, tensor), *others = holders
    weights = getattr(first, tensor).detach()
    codes, codebook = share(weights.cpu().numpy(), bits, clustering, seed=seed)
    shared = Shared(
        torch.from_numpy(codes).to(weights.device), torch.from_numpy(codebook[1:].copy()).to(weights.device)
    )
    for module, name in others:  # sharing changes a parameter in place: each needs one of its own for the moment
        setattr(module, name, nn.Parameter(weights))
    getattr(
        first, tensor
    ).grad = None  # the parameter stays, and becomes the centroids: a weight's gradient does not fit
    parametrize.register_parametrization(first, tensor, shared)
    for module, name in others:
        parametrize.register_parametrization(module, name, shared)
        of_first: Any = first.parametrizations
        of_other: Any = module.parametrizations
        of_other[name].original = of_first[tensor].original
