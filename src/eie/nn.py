"""Compressed layers as PyTorch modules, for models whose other parts stay in PyTorch.

Needs PyTorch: without it, importing this module raises MissingExtra, an ImportError that names the extra to install.
"""

from __future__ import annotations

from eie.errors import MissingExtra

try:
    from eie.pytorch.nn import Conv2d, Linear, convert_
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtra("eie.nn", "torch", "torch") from error

__all__ = ["Conv2d", "Linear", "convert_"]
