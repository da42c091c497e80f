"""From a trained network to a compressed one: prune, share, fine-tune, encode (Deep Compression, Han et al., 2016).

What trains needs PyTorch, and is imported when it is first asked for: `compress_`, `finetune`, `Shared`, `Mask`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from eie.compress.clustering import Clusters, assign, cluster
from eie.compress.recipe import Recipe, read_recipe

if TYPE_CHECKING:
    from eie.compress.pipeline import Compression, Stage, compress_
    from eie.compress.pruning import Mask, cubic_density, global_masks, magnitude_mask
    from eie.compress.sharing import Shared
    from eie.compress.training import Training, accuracy, finetune

__all__ = [
    "Clusters",
    "Compression",
    "Mask",
    "Recipe",
    "Shared",
    "Stage",
    "Training",
    "accuracy",
    "assign",
    "cluster",
    "compress_",
    "cubic_density",
    "finetune",
    "global_masks",
    "magnitude_mask",
    "read_recipe",
]

_NEED_TORCH = {
    "Compression": "pipeline",
    "Stage": "pipeline",
    "compress_": "pipeline",
    "Mask": "pruning",
    "cubic_density": "pruning",
    "global_masks": "pruning",
    "magnitude_mask": "pruning",
    "Shared": "sharing",
    "Training": "training",
    "accuracy": "training",
    "finetune": "training",
}


def __getattr__(name: str) -> Any:
    """Import what needs PyTorch; MissingExtra where it is not installed."""
    if name not in _NEED_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from eie.errors import MissingExtra

    try:
        module = importlib.import_module(f"{__name__}.{_NEED_TORCH[name]}")
    except ModuleNotFoundError as error:
        raise MissingExtra(f"eie.compress.{name}", "torch", "torch") from error
    return getattr(module, name)
