"""Compressed layers as PyTorch modules, for models whose other parts stay in PyTorch.

Needs PyTorch: without it, importing this module raises MissingExtra, an ImportError that names the extra to install.
"""

from __future__ import annotations

from eie.support.extras import needed_for

with needed_for("eie.nn"):
    from eie.pytorch.nn import GRU, LSTM, Conv2d, GRUCell, Linear, LSTMCell, convert_, load_

__all__ = ["GRU", "LSTM", "Conv2d", "GRUCell", "LSTMCell", "Linear", "convert_", "load_"]
