"""Pruning by magnitude: which weights stay, and masks that stay masks while the rest is trained."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from eie.errors import InputError

__all__ = ["Mask", "cubic_density", "global_masks", "magnitude_mask"]


def magnitude_mask(weights: torch.Tensor, density: float) -> torch.Tensor:
    """Return which of `weights` to keep: the `density` of them that are largest in magnitude, one at least.

    A boolean tensor of the same shape. Raises InputError for a density of 0 or above 1, and weights that are NaN.
    """
    return global_masks({"the layer": weights}, density)["the layer"]


def global_masks(weights: Mapping[str, torch.Tensor], density: float) -> dict[str, torch.Tensor]:
    """Return masks that keep the `density` of all `weights` together that are largest in magnitude.

    Magnitudes are taken in units of each tensor's own root mean square, since layers differ in scale; every tensor
    keeps one weight at least.
    """
    if not 0 < density <= 1:
        raise InputError(f"density must be above 0 and at most 1, not {density}")
    magnitudes = {}
    for name, tensor in weights.items():
        values = tensor.detach()
        if not torch.isfinite(values).all():
            raise InputError(f"the weights of {name} must be finite, but some are NaN or infinite")
        magnitudes[name] = values.abs() / values.square().mean().sqrt().clamp_min(1e-30)
    everything = torch.cat([values.flatten() for values in magnitudes.values()])
    kept = max(1, round(len(everything) * density))
    chosen = torch.zeros(len(everything), dtype=torch.bool)
    chosen[torch.topk(everything, kept, sorted=False).indices] = True  # exactly as many, however many are equal
    masks = {}
    sizes = [values.numel() for values in magnitudes.values()]
    for (name, values), mask in zip(magnitudes.items(), torch.split(chosen, sizes), strict=True):
        if not mask.any():
            mask[values.argmax()] = True
        masks[name] = mask.reshape(values.shape)
    return masks


def cubic_density(progress: float, final: float, initial: float = 1.0) -> float:
    """Return the density at `progress`, 0 to 1, of gradual pruning: much is pruned at first and little at the end.

    final + (initial - final) (1 - progress)^3: Zhu and Gupta, "To prune, or not to prune" (2017).
    """
    return final + (initial - final) * (1 - min(max(progress, 0.0), 1.0)) ** 3


class _KeepGradient(torch.autograd.Function):
    """w * mask, whose gradient reaches pruned weights too."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, weights: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return weights * mask

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


class Mask(nn.Module):
    """A parametrisation (`torch.nn.utils.parametrize`) that keeps pruned weights at zero.

    With `regrow` the gradient reaches pruned weights as if they were there, so that one can come back when the mask is
    chosen anew (dynamic network surgery: Guo, Yao and Chen, 2016).
    """

    mask: torch.Tensor

    def __init__(self, mask: torch.Tensor, regrow: bool = False) -> None:
        super().__init__()
        self.register_buffer("mask", mask)
        self.regrow = regrow

    def forward(self, weights: torch.Tensor) -> torch.Tensor:
        """Return the weights with zeros where the mask is false."""
        if self.regrow and self.training:
            pruned: torch.Tensor = _KeepGradient.apply(weights, self.mask)  # type: ignore[no-untyped-call]
            return pruned
        return weights * self.mask
