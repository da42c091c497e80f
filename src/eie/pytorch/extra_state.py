"""Compressed layers in a state_dict: the bytes of a model file as a tensor."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.storage import load, save

__all__ = ["bytes_of", "network_of_bytes"]


def bytes_of(what: Network | Layer) -> torch.Tensor:
    """Return the bytes of a model file of a network or layer, uint8."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.safetensors"
        save(what, path)
        return torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)


def network_of_bytes(state: Any) -> Network:
    """Return the network whose bytes `state` holds; raise InputError for anything else."""
    if not isinstance(state, torch.Tensor) or state.dtype != torch.uint8 or state.ndim != 1:
        raise InputError("the state of a compressed layer must be the bytes of a model file, a uint8 tensor")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.safetensors"
        path.write_bytes(state.cpu().numpy().tobytes())
        return load(path)
