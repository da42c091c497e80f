"""How often a session is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from eie.engine.session import InferenceSession
from eie.model.network import Network

__all__ = ["accuracies", "top1_accuracy"]


def top1_accuracy(session: InferenceSession, x: npt.NDArray[np.float32], labels: npt.NDArray[Any]) -> float:
    """Return the part of the inputs `x`, (items, ...), whose largest output is number `labels`, (items,); 0 to 1."""
    outputs = session.run(np.ascontiguousarray(x.reshape(len(x), -1)))
    return float(np.mean(outputs.argmax(axis=1) == labels))


def accuracies(network: Network, x: npt.NDArray[np.float32], labels: npt.NDArray[Any]) -> dict[str, float]:
    """Return `top1_accuracy` in every numerics; `chip` is left out for a network without formats."""
    numerics = ["float32", "int16", "int8"]
    if all(layer.formats is not None for layer in network.layers):
        numerics.append("chip")
    return {one: top1_accuracy(InferenceSession(network, numerics=one), x, labels) for one in numerics}
