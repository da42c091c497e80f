"""The layers of a space: the paper's nine, any other size and density drawn the same way, and one's own weights.

[[generated_layers]]  drawn: sizes, densities, skew, seed; `vectors` inputs
[[weight_layers]]     weights from .npy or .safetensors, shared here; inputs from .npy
[[model_layers]]      a layer of a model file; its own inputs, or the model's
[[networks]]          every layer of a model file, for inputs of the model
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator
from safetensors import SafetensorError, safe_open

from eie.chip import Hardware, simulate_network
from eie.encoding.clustering import share
from eie.errors import InputError
from eie.model.network import Network
from eie.model.reference import calibrate, input_batch
from eie.storage import load
from eie.support.numpy_files import read_npy
from eie.support.output_files import existing_file
from eie.workloads.layers import Benchmark, LayerData, benchmarks, draw

__all__ = [
    "BENCHMARK_NAMES",
    "GeneratedLayer",
    "ModelLayer",
    "OwnLayer",
    "SweptLayer",
    "WeightLayer",
    "WholeNetwork",
    "files_of",
    "layer_data",
]

BENCHMARK_NAMES = tuple(benchmarks())
MOST_VECTORS = 1000

Density = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, eq=False)
class SweptLayer:
    """Codes, (outputs, inputs), and for each input vector what the layer is given, (runs, inputs).

    A layer inside another step, such as a convolution, runs several times for one input.
    """

    name: str
    codes: npt.NDArray[np.uint8]
    vectors: tuple[npt.NDArray[Any], ...]

    @classmethod
    def of(cls, layer: LayerData, more: tuple[npt.NDArray[Any], ...] = ()) -> SweptLayer:
        """A generated layer with its inputs, and more of them."""
        return cls(layer.name, layer.codes, tuple(vector[None] for vector in (layer.activations, *more)))


class _Own(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: str

    def beside(self, folder: Path) -> Self:
        """The same with paths relative to `folder`."""
        paths = {name: getattr(self, name) for name in PATHS if getattr(self, name, None) is not None}
        return self.model_copy(update={name: str(folder / path) for name, path in paths.items()})


PATHS = ("model", "weights", "activations", "inputs")


def files_of(layer: _Own) -> Iterator[Path]:
    """The files that a layer is read from."""
    for name in PATHS:
        path = getattr(layer, name, None)
        if isinstance(path, str):
            yield Path(path)


class GeneratedLayer(_Own):
    """A layer to draw: its size, the share of weights kept and of activations that are not zero, and the seed."""

    inputs: int = Field(gt=0, le=2**20)
    outputs: int = Field(gt=0, le=2**20)
    weight_density: Density
    activation_density: Density
    skew: float = Field(default=0.0, ge=0, le=4)
    seed: int = Field(default=0, ge=0, lt=2**63)
    vectors: int = Field(default=1, ge=1, le=MOST_VECTORS)

    def beside(self, folder: Path) -> Self:
        """Nothing of it is a path."""
        return self

    def read(self) -> SweptLayer:
        """Draw it; the same seed gives the same layer, and its first vector is the one it has by itself."""
        shape = Benchmark(
            self.name, self.inputs, self.outputs, self.weight_density, self.activation_density, "", self.seed
        )
        layer = draw(shape, skew=self.skew, exact=True)
        random = [np.random.default_rng((self.seed, number)) for number in range(1, self.vectors)]
        more = tuple(
            np.where(one.random(self.inputs) < self.activation_density, one.integers(1, 2048, self.inputs) / 256, 0)
            for one in random
        )
        return SweptLayer.of(layer, more)


class WeightLayer(_Own):
    """Weights, (outputs, inputs), in a .npy or as a tensor of a .safetensors, 0 where pruned; inputs as .npy.

    They are shared here through a codebook of 15 values.
    """

    weights: str
    tensor: str | None = None
    activations: str

    def read(self) -> SweptLayer:
        """Read and share it. Raises InputError where a file is not as expected."""
        weights = self._weights()
        if weights.ndim != 2 or weights.dtype.kind not in "fiu":
            raise InputError(
                f"weights {self.weights} must be a matrix of real numbers, not {weights.dtype} {weights.shape}"
            )
        codes, _ = share(weights)
        return SweptLayer(self.name, codes, _vectors(self.activations, weights.shape[1], f"weights {self.weights}"))

    def _weights(self) -> npt.NDArray[Any]:
        if self.weights.endswith(".npy"):
            return read_npy(self.weights, "weights")
        if not self.weights.endswith(".safetensors"):
            raise InputError(f"weights {self.weights} must be a .npy or a .safetensors file")
        path = existing_file(self.weights, "weights")
        try:
            with safe_open(path, framework="numpy") as archive:
                names = list(archive.keys())
                if self.tensor in names:
                    found: npt.NDArray[Any] = archive.get_tensor(self.tensor)
                    return found
        except (SafetensorError, OSError, TypeError, ValueError) as error:
            raise InputError(f"weights {path} cannot be read as safetensors: {error}") from error
        raise InputError(f"weights {path} have no tensor {self.tensor!r}; they have {', '.join(sorted(names))}")


class ModelLayer(_Own):
    """A layer of a model file, with inputs of its own (`activations`) or of the whole model (`inputs`), as .npy."""

    model: str
    layer: str
    activations: str | None = None
    inputs: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.activations is None) == (self.inputs is None):
            raise ValueError(f"model layer {self.name} needs either activations, its own, or inputs, the model's")
        return self

    def read(self) -> SweptLayer:
        """Read the layer and its inputs. Raises InputError where there are none of that name or shape."""
        network = load(self.model)
        layers = {layer.name: layer for layer in network.layers}
        if self.layer not in layers:
            raise InputError(f"model {self.model} has no layer {self.layer!r}; it has {', '.join(layers)}")
        matrix = layers[self.layer].matrix
        if self.activations is not None:
            vectors = _vectors(self.activations, matrix.inputs, f"layer {self.layer}")
        else:
            vectors = _inside(network, self.layer, str(self.inputs))
        return SweptLayer(self.name, matrix.decode(), vectors)


class WholeNetwork(_Own):
    """Every layer of a model file, for one input vector of the model or several, as .npy."""

    model: str
    inputs: str

    def layers(self) -> tuple[ModelLayer, ...]:
        """Its layers in order, each under the network's name and its own."""
        return tuple(
            ModelLayer(name=f"{self.name}: {layer.name}", model=self.model, layer=layer.name, inputs=self.inputs)
            for layer in load(self.model).layers
        )


OwnLayer = GeneratedLayer | WeightLayer | ModelLayer


@lru_cache(maxsize=1)
def layer_data(name: str, own: OwnLayer | None) -> SweptLayer:
    """The layer `own`, or else the benchmark `name`; the last is kept, for the encodings of a layer come in a row."""
    return SweptLayer.of(draw(benchmarks()[name], exact=True)) if own is None else own.read()


def _vectors(path: str, inputs: int, what: str) -> tuple[npt.NDArray[Any], ...]:
    """The rows of a .npy of (inputs,) or (vectors, inputs), checked."""
    found = read_npy(path, "activations")
    if found.ndim not in (1, 2) or found.shape[-1] != inputs or not 1 <= len(np.atleast_2d(found)) <= MOST_VECTORS:
        raise InputError(
            f"activations {path} must have shape ({inputs},), the inputs of {what}, or up to {MOST_VECTORS} such rows, "
            f"not {found.shape}"
        )
    if found.dtype.kind not in "fiub":
        raise InputError(f"activations {path} must be real numbers, not {found.dtype}")
    if not np.isfinite(found).all():
        raise InputError(f"activations {path} must be finite, but some are NaN or infinite")
    return tuple(np.atleast_2d(found)[:, None])


@lru_cache(maxsize=1)
def _activations(network: Network, path: str) -> tuple[dict[str, npt.NDArray[Any]], ...]:
    """What each layer of the network is given, (runs, inputs), for each input vector."""
    batch = input_batch(read_npy(path, "inputs"), network.inputs)
    if len(batch) > MOST_VECTORS:
        raise InputError(f"inputs {path} hold {len(batch)} vectors, expected at most {MOST_VECTORS}")
    if any(layer.formats is None for layer in network.layers):
        network = calibrate(network, batch)
    hardware = Hardware(n_pe=network.n_pe)
    return tuple(
        {one.layer.name: np.atleast_2d(one.activations) for one in simulate_network(network, vector, hardware)}
        for vector in batch
    )


def _inside(network: Network, layer: str, path: str) -> tuple[npt.NDArray[Any], ...]:
    return tuple(vector[layer] for vector in _activations(network, path))
