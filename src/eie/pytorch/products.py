"""The layers of a PyTorch model that are matrices, as compressed or dense layers of a network."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from eie.encoding.csc import encode
from eie.model.network import Layer
from eie.pytorch.recurrent import RecurrentCell
from eie.pytorch.recurrent_and_winograd import WinogradConv2d
from eie.pytorch.sharing import is_shared
from eie.steps import Dense
from eie.steps.winograd import PLACES

__all__ = ["Target", "array", "is_lookup", "product_names", "products_of"]

Target = nn.Linear | nn.Conv2d | WinogradConv2d | RecurrentCell  # modules whose weights can be shared


def is_lookup(module: nn.Module) -> TypeGuard[nn.Embedding]:
    """Return whether a module does nothing but look up columns: its table can be shared where that is asked for."""
    return isinstance(module, nn.Embedding) and type(module).forward is nn.Embedding.forward and module.max_norm is None


def products_of(
    module: Target | nn.Embedding, name: str, n_pe: int = 64, index_bits: int = 4
) -> tuple[Layer | Dense, ...]:
    """Return the module's matrix and bias: a compressed layer if its weights are shared, a dense one otherwise.

    The matrix of a convolution is (channels out, channels in x height x width), with weights only within its groups. A
    convolution in the Winograd domain has sixteen matrices, called name.0 to name.15, without bias. That of a lookup is
    (width, entries), without bias.
    """
    lookup = isinstance(module, nn.Embedding)
    weights: Any = module.weight
    weights = array(weights.T if lookup else weights)
    bias = None if isinstance(module, nn.Embedding) or module.bias is None else array(module.bias)
    sixteen = isinstance(module, WinogradConv2d)
    names = product_names(module, name)
    bias = None if sixteen else bias

    def parts(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values if sixteen else values.reshape(1, len(values), -1)

    shared, groups = _shared(module), int(getattr(module, "groups", 1))
    if shared is None:
        zeros = np.zeros(parts(weights).shape[1], np.float32)
        return tuple(
            Dense(part_name, part, zeros if bias is None else bias, groups=groups)
            for part_name, part in zip(names, parts(weights), strict=True)
        )
    codes, codebook = shared
    codes = np.ascontiguousarray(codes.T) if lookup else codes
    return tuple(
        Layer(part_name, encode(_in_groups(part, groups), codebook, n_pe, index_bits), bias, groups=groups)
        for part_name, part in zip(names, parts(codes), strict=True)
    )


def _in_groups(codes: npt.NDArray[np.uint8], groups: int) -> npt.NDArray[np.uint8]:
    """Return the whole matrix, (outputs, inputs), for (outputs, inputs / groups): 0 outside the groups."""
    if groups == 1:
        return codes
    blocks = codes.reshape(groups, -1, codes.shape[1])
    whole = np.zeros((groups, blocks.shape[1], groups, codes.shape[1]), np.uint8)
    whole[np.arange(groups), :, np.arange(groups)] = blocks
    return whole.reshape(len(codes), -1)


def product_names(module: Target | nn.Embedding, name: str) -> list[str]:
    """Return the names of the module's matrices: its own, or one for each place of the Winograd domain."""
    return [f"{name}.{place}" for place in range(PLACES)] if isinstance(module, WinogradConv2d) else [name]


def _shared(module: nn.Module) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]] | None:
    """Return the codes and the codebook of shared weights, or None where they are not shared."""
    if not is_shared(module):
        return None
    parametrisations: Any = module.parametrizations
    centroids = array(parametrisations["weight"].original)
    return parametrisations["weight"][-1].codes.numpy(), np.concatenate((np.zeros(1, np.float32), centroids))


def array(tensor: torch.Tensor) -> npt.NDArray[np.float32]:
    """Return a tensor as a contiguous float32 array."""
    return np.ascontiguousarray(tensor.detach().to(torch.float32).numpy())
