"""A network's weights by name, as PyTorch's state_dict, safetensors or npz."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.steps import Affine, Convolution, Dense, Embedding, Recurrent, Rows, Winograd
from eie.support.extras import needed_for
from eie.support.output_files import atomic_write

__all__ = ["state_dict", "weights_of", "write_arrays", "write_state_dict"]

Arrays = dict[str, npt.NDArray[np.float32]]


def state_dict(network: Network) -> Arrays:
    """Return "layer.weight" (outputs, inputs), of a convolution (out, in, height, width), and "layer.bias", float32.

    In the Winograd domain a convolution's weight is (16, out, in), a recurrent layer's (4 hidden, features + hidden);
    a batch normalisation is "layer.scale" and "layer.shift".
    """
    arrays: Arrays = {}
    for step in network:
        match step:
            case Layer() | Dense():
                weights, bias = weights_of(step), step.bias
            case Convolution():
                weights, bias = weights_of(step.product), step.product.bias
                weights = weights.reshape(len(weights), -1, *step.window.kernel)
            case Winograd():
                weights, bias = np.stack([weights_of(place) for place in step.places]), step.bias
            case Recurrent() | Rows() | Embedding():
                weights, bias = weights_of(step.product), step.product.bias
            case Affine():
                arrays |= {f"{step.name}.scale": step.scale, f"{step.name}.shift": step.shift}
                continue
            case _:
                continue
        arrays[f"{step.name}.weight"] = weights
        if bias is not None:
            arrays[f"{step.name}.bias"] = np.array(bias)
    return arrays


def weights_of(product: Layer | Dense) -> npt.NDArray[np.float32]:
    """Return a product's weights as PyTorch has them: (outputs, inputs), with groups (outputs, inputs / groups)."""
    if isinstance(product, Dense):
        return np.array(product.weights)
    weights, groups = product.matrix.dense(), product.groups
    if groups == 1:
        return weights
    blocks = weights.reshape(groups, product.outputs // groups, groups, -1)
    return blocks[np.arange(groups), :, np.arange(groups)].reshape(product.outputs, -1)


def write_state_dict(network: Network, path: Path) -> None:
    """Write the weights to `path`, as `write_arrays` does."""
    write_arrays(state_dict(network), path)


def write_arrays(arrays: Arrays, path: Path) -> None:
    """Write arrays by name to `path`: .pt or .pth (torch.save), .safetensors or .npz. Raises InputError otherwise."""
    ending = path.suffix.lower()
    if ending == ".npz":
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    elif ending == ".safetensors":
        with atomic_write(path) as temporary:
            temporary.write_bytes(safetensors.numpy.save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))
    elif ending in (".pt", ".pth"):
        with needed_for("a PyTorch file"):
            import torch
        data = io.BytesIO()  # torch.save to a file has an error of its own for a full disk
        torch.save({name: torch.tensor(array) for name, array in arrays.items()}, data)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data.getbuffer())
    else:
        raise InputError(f"weights are written to .pt, .pth, .safetensors or .npz, not to {path.name}")
