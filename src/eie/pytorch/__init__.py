"""Everything that needs PyTorch: models read, pruned, shared, fine-tuned and traced; compressed layers as modules.

The public names are `eie.compress` and `eie.nn`.
"""
