"""A model as it is when it is used, not trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

__all__ = ["evaluated"]


@contextmanager
def evaluated(model: nn.Module) -> Iterator[None]:
    """Within it, `model` is in evaluation mode, module by module as it was afterwards.

    Models of the package transformers that would return keys and values for another call do not: these are no outputs.
    """
    training = [module for module in model.modules() if module.training]
    configurations: list[Any] = [getattr(module, "config", None) for module in model.modules()]
    caching = [one for one in configurations if getattr(one, "use_cache", False)]
    model.eval()
    for one in caching:
        one.use_cache = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
        for one in caching:
            one.use_cache = True
