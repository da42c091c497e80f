"""Weight sharing as a parametrisation: each weight has a fixed code into a codebook, and the codebook is trained.

A centroid's gradient is the sum of its weights' gradients (Deep Compression, section 3.3); any optimiser and any
training loop therefore train the centroids as they would any parameter.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["Shared", "is_shared"]


class _Lookup(torch.autograd.Function):
    """codebook[codes], where code 0 is the pruned weight; the gradient of a centroid is the sum over its code."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, centroids: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(codes)
        ctx.clusters = len(centroids)  # type: ignore[attr-defined]
        codebook = torch.cat((centroids.new_zeros(1), centroids))
        return codebook[codes.long()]

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (codes,) = ctx.saved_tensors  # type: ignore[attr-defined]
        sums = torch.bincount(codes.flatten(), gradient.flatten(), ctx.clusters + 1)  # type: ignore[attr-defined]
        return sums[1:], None


class Shared(nn.Module):
    """A parametrisation whose one trained tensor is the centroids, float32 (2**bits - 1,).

    `codes`, uint8 and of the weights' shape, are fixed: 0 is a pruned weight, code k is centroid k - 1.
    """

    codes: torch.Tensor

    def __init__(self, codes: torch.Tensor, centroids: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes)
        self._initial = centroids

    def forward(self, centroids: torch.Tensor) -> torch.Tensor:
        """Return the weights."""
        weights: torch.Tensor = _Lookup.apply(centroids, self.codes)  # type: ignore[no-untyped-call]
        return weights

    def right_inverse(self, weights: torch.Tensor) -> torch.Tensor:
        """Return the initial centroids, which become the trained tensor in place of the weights."""
        return self._initial


def is_shared(module: nn.Module) -> bool:
    """Whether the module's weights are centroids and codes."""
    parametrisations: Any = getattr(module, "parametrizations", {})
    return "weight" in parametrisations and isinstance(parametrisations["weight"][-1], Shared)
