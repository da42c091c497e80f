"""Pruning by magnitude: the choice of the weights to keep, and masks that hold the others at zero during training."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from eie.errors import InputError

__all__ = ["Mask", "cubic_density", "global_masks", "magnitude_mask"]


def magnitude_mask(weights: torch.Tensor, density: float) -> torch.Tensor:
    """Return a boolean mask of the `weights` to keep: the share `density` with the largest magnitudes, at least one.

    It has the shape of `weights`. Raises InputError for a density of 0 or above 1, and for weights that are NaN.
    """
    return global_masks({"the layer": weights}, density)["the layer"]


def global_masks(weights: Mapping[str, torch.Tensor], density: float) -> dict[str, torch.Tensor]:
    """Return masks that keep the share `density` of all tensors' weights together, those largest in magnitude.

    Magnitudes are divided by the root mean square of their tensor, since layers differ in scale; every tensor keeps at
    least one weight.
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
    chosen[torch.topk(everything, kept, sorted=False).indices] = True  # exactly this many, also if magnitudes are equal
    masks = {}
    sizes = [values.numel() for values in magnitudes.values()]
    for (name, values), mask in zip(magnitudes.items(), torch.split(chosen, sizes), strict=True):
        if not mask.any():
            mask[values.argmax()] = True
        masks[name] = mask.reshape(values.shape)
    return masks


def cubic_density(progress: float, final: float, initial: float = 1.0) -> float:
    """Return the density at `progress`, 0 to 1, of gradual pruning, which prunes fast at first and slowly at the end.

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

    With `regrow` pruned weights get their gradient as if they were not masked, so they can grow and be kept when the
    mask is next chosen (dynamic network surgery: Guo, Yao and Chen, 2016).
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
