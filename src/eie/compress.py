"""From a trained network to a compressed one: prune, share, fine-tune, encode (Deep Compression, Han et al., 2016).

Needs PyTorch: without it, importing this module raises MissingExtra, an ImportError that names the extra to install.
"""

from __future__ import annotations

from eie.encoding.clustering import Clusters, assign, cluster
from eie.support.extras import needed_for

with needed_for("eie.compress"):
    from eie.pytorch.compressor import Compression, Compressor, Stage
    from eie.pytorch.decoding import decoder_of
    from eie.pytorch.pipeline import compress_
    from eie.pytorch.pruning import Mask, cubic_density, global_masks, magnitude_mask
    from eie.pytorch.recipe import Recipe, read_recipe, ready_recipes
    from eie.pytorch.sharing import Shared
    from eie.pytorch.training import Training, accuracy, finetune

__all__ = [
    "Clusters",
    "Compression",
    "Compressor",
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
    "decoder_of",
    "finetune",
    "global_masks",
    "magnitude_mask",
    "read_recipe",
    "ready_recipes",
]
