"""Sensitivity of each layer to pruning: accuracy against density, one layer pruned at a time, without training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn

from eie.errors import InputError
from eie.pytorch.compressor import targets_of
from eie.pytorch.pruning import magnitude_mask
from eie.pytorch.recurrent_and_winograd import lowered_copy
from eie.pytorch.training import accuracy, require_labels
from eie.workloads.data import Data

__all__ = ["DENSITIES", "Point", "sensitivity"]

DENSITIES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)


class Point(NamedTuple):
    """The validation accuracy, 0 to 1, with one layer pruned to `density` and no other layer pruned."""

    layer: str
    density: float
    accuracy: float


def sensitivity(
    model: nn.Module,
    data: Data,
    densities: Sequence[float] = DENSITIES,
    log: Callable[[str], None] = lambda line: None,
) -> tuple[Point, ...]:
    """Return a point for every layer that can be compressed and every density; `model` is not changed.

    Raises InputError for a model without such a layer, and a density of 0 or above 1.
    """
    return tuple(_points(model, data, densities, log))


def _points(model: nn.Module, data: Data, densities: Sequence[float], log: Callable[[str], None]) -> Iterator[Point]:
    require_labels(model, data)
    model = lowered_copy(model)
    targets = targets_of(model)
    if not targets:
        raise InputError("the model has no layer that can be compressed: no linear, recurrent or convolutional one")
    for name, module in targets.items():
        whole = module.weight.detach().clone()
        for density in densities:
            with torch.no_grad():
                module.weight.copy_(whole * magnitude_mask(whole, density))
            found = accuracy(model, data.x_valid, data.y_valid)
            log(f"{name} at {density:.0%}: {found:.2%}")
            yield Point(name, density, found)
        with torch.no_grad():
            module.weight.copy_(whole)
