"""Layers and networks of them: compressed weights with what turns a product into an activation.

A layer computes f(W a + b); its weights are an `InterleavedCSC`. A network is layers in a row, each one's outputs the
next one's inputs. Both are plain data: the engine runs them, the chip simulates them, storage keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from eie.csc import InterleavedCSC
from eie.errors import InputError
from eie.numerics import Formats

__all__ = ["Layer", "Network"]


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: `matrix` W; `bias` b, float32 (outputs,), or None; whether ReLU follows; the chip's Q formats.

    A bias may also be a column of W whose activation is 1.0, as in the authors' own data; it is then one more input.
    `formats` is None until they are chosen from calibration inputs.
    """

    name: str
    matrix: InterleavedCSC
    bias: npt.NDArray[np.float32] | None = None
    relu: bool = False
    formats: Formats | None = None

    def __post_init__(self) -> None:
        """Check the bias against the matrix."""
        if self.bias is None:
            return
        bias = np.asarray(self.bias)
        if bias.dtype != np.float32 or bias.shape != (self.outputs,):
            raise InputError(
                f"layer {self.name}: bias must be float32 of shape ({self.outputs},), not {bias.dtype} of {bias.shape}"
            )
        if not np.isfinite(bias).all():
            raise InputError(f"layer {self.name}: bias must be finite, but some of it is NaN or infinite")

    @property
    def outputs(self) -> int:
        """Rows of the matrix."""
        return self.matrix.outputs

    @property
    def inputs(self) -> int:
        """Columns of the matrix."""
        return self.matrix.inputs


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in a row; raises InputError where one's outputs are not as many as the next one's inputs."""

    layers: tuple[Layer, ...]
    name: str = "network"

    def __post_init__(self) -> None:
        """Check that there are layers, that names differ and that each fits the next."""
        if not self.layers:
            raise InputError(f"network {self.name} has no layers, expected at least one")
        names = [layer.name for layer in self.layers]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"network {self.name} has {names.count(name)} layers called {name}, expected one")
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            if before.outputs != after.inputs:
                raise InputError(
                    f"layer {before.name} has {before.outputs} outputs, but {after.name} after it has "
                    f"{after.inputs} inputs"
                )

    def __iter__(self) -> Iterator[Layer]:
        """Give the layers in order."""
        return iter(self.layers)

    @property
    def inputs(self) -> int:
        """Inputs of the first layer."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """Outputs of the last layer."""
        return self.layers[-1].outputs

    def interleave(self, n_pe: int) -> Network:
        """Return the same network with every layer split over `n_pe` processing elements."""
        return replace(
            self, layers=tuple(replace(layer, matrix=layer.matrix.interleave(n_pe)) for layer in self.layers)
        )
