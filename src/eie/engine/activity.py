"""How many of a network's numbers are zero where they meet weights: engine and chip skip what would multiply them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eie.model.network import Batch, Layer, Network
from eie.model.reference import float_layer, input_batch

__all__ = ["Activity", "activities"]


@dataclass
class Activity:
    """Of the `inputs` numbers that one layer was given, over all vectors, `active` were not zero."""

    name: str
    inputs: int = 0
    active: int = 0

    @property
    def share(self) -> float:
        """Active numbers as a part of all, 0 to 1."""
        return self.active / max(self.inputs, 1)


def activities(network: Network, inputs: npt.ArrayLike) -> tuple[Activity, ...]:
    """Return each layer's activity for `inputs`, one vector or (batch, inputs), in real numbers.

    Of a network that keeps a cache the vectors are one sequence, each after those before it. Raises InputError for
    inputs of another shape, and where the cache has no room for them.
    """
    found = {layer.name: Activity(layer.name) for layer in network.layers}

    def multiply(layer: Layer, batch: Batch) -> Batch:
        found[layer.name].inputs += batch.size
        found[layer.name].active += int(np.count_nonzero(batch))
        return float_layer(layer, batch)

    vectors, cache = input_batch(inputs, network.inputs).astype(np.float64), np.zeros((1, network.cache))
    for vector in vectors[:, None]:
        network.resume(vector, multiply, cache)
    return tuple(found.values())
