"""Linear layers stored transposed: the `Conv1D` of the package transformers, of which GPT-2 is made."""

from __future__ import annotations

import sys
from typing import Any

from torch import nn

__all__ = ["as_linear", "is_transposed"]


def is_transposed(module: nn.Module | None) -> bool:
    """Return whether a module is transformers' `Conv1D`: a linear layer whose weight is (inputs, outputs)."""
    package: Any = sys.modules.get("transformers.pytorch_utils")  # whoever has one has imported it
    return package is not None and type(module) is package.Conv1D and "forward" not in vars(module)


def as_linear(module: Any) -> nn.Linear:
    """Return the linear layer that computes what a `Conv1D` does."""
    inputs, outputs = module.weight.shape
    linear = nn.Linear(inputs, outputs, device="meta")
    linear.weight = nn.Parameter(module.weight.detach().t().contiguous(), module.weight.requires_grad)
    linear.bias = module.bias
    return linear.train(module.training)
