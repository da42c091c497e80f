"""From a trained network to a compressed one: prune, share, fine-tune, encode (Deep Compression, Han et al., 2016).

Needs PyTorch: without it, importing this module raises MissingExtra, an ImportError that names the extra to install.
"""

from __future__ import annotations

from eie.encoding.clustering import Clusters, assign, cluster
from eie.errors import MissingExtra

try:
    from eie.pytorch.pipeline import Compression, Stage, compress_
    from eie.pytorch.pruning import Mask, cubic_density, global_masks, magnitude_mask
    from eie.pytorch.recipe import Recipe, read_recipe
    from eie.pytorch.sharing import Shared
    from eie.pytorch.training import Training, accuracy, finetune
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtra("eie.compress", "torch", "torch") from error

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
