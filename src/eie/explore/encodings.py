"""The layers of a space: the paper's nine or any other size and density, drawn the same way, in any number of codes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from eie.encoding.csc import InterleavedCSC, encode
from eie.errors import InputError
from eie.storage import load
from eie.support.numpy_files import read_npy
from eie.workloads.layers import Benchmark, LayerData, benchmarks, draw

__all__ = ["BENCHMARK_NAMES", "GeneratedLayer", "ModelLayer", "OwnLayer", "encoded", "layer_data"]

BENCHMARK_NAMES = tuple(benchmarks())

Density = Annotated[float, Field(gt=0, le=1)]


class GeneratedLayer(BaseModel):
    """A layer to draw: its size, the share of weights kept and of activations that are not zero, and the seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    inputs: int = Field(gt=0, le=2**20)
    outputs: int = Field(gt=0, le=2**20)
    weight_density: Density
    activation_density: Density
    skew: float = Field(default=0.0, ge=0, le=4)
    seed: int = Field(default=0, ge=0, lt=2**63)


class ModelLayer(BaseModel):
    """A layer of a model file, and one input vector of it as .npy."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: str
    model: str
    layer: str
    activations: str

    def beside(self, folder: Path) -> Self:
        """The same with paths relative to `folder`."""
        return self.model_copy(
            update={"model": str(folder / self.model), "activations": str(folder / self.activations)}
        )

    def read(self) -> LayerData:
        """Read the layer and its inputs. Raises InputError where there are none of that name or shape."""
        layers = {layer.name: layer for layer in load(self.model).layers}
        if self.layer not in layers:
            raise InputError(f"model {self.model} has no layer {self.layer!r}; it has {', '.join(layers)}")
        matrix = layers[self.layer].matrix
        activations = read_npy(self.activations, "activations")
        if activations.shape != (matrix.inputs,):
            raise InputError(
                f"activations {self.activations} must have shape ({matrix.inputs},), the inputs of layer {self.layer}"
            )
        if activations.dtype.kind not in "fiub":
            raise InputError(f"activations {self.activations} must be real numbers, not {activations.dtype}")
        if not np.isfinite(activations).all():
            raise InputError(f"activations {self.activations} must be finite, but some are NaN or infinite")
        return LayerData(self.name, matrix.decode(), matrix.codebook, activations)


OwnLayer = GeneratedLayer | ModelLayer


@lru_cache(maxsize=1)
def layer_data(name: str, own: OwnLayer | None) -> LayerData:
    """The layer `own`, or else the benchmark `name`; the last is kept, for the encodings of a layer come in a row."""
    if own is None:
        return draw(benchmarks()[name])
    if isinstance(own, ModelLayer):
        return own.read()
    shape = Benchmark(own.name, own.inputs, own.outputs, own.weight_density, own.activation_density, "", own.seed)
    return draw(shape, skew=own.skew)


def encoded(layer: LayerData, n_pe: int, index_bits: int, code_bits: int) -> InterleavedCSC:
    """The layer encoded, its codes folded into `code_bits` bits."""
    values = 2**code_bits - 1
    codes = layer.codes
    if values != 15:
        codes = np.where(codes > 0, (codes - 1) % values + 1, 0).astype(np.uint8)
    codebook = np.concatenate(([0], np.arange(1, values + 1) / (values + 1))).astype(np.float32)
    return encode(codes, codebook, n_pe=n_pe, index_bits=index_bits)
