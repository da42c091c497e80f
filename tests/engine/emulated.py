"""Layers run by the engine built for another processor, under its emulator, behind the sessions of this one."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from eie import _native

Array = np.ndarray[Any, Any]


class EmulatedNetwork:
    """Takes the place of the native module's Network for one layer; the program is that of one_layer.cpp."""

    def __init__(self, command: list[str | Path], numerics: str, threads: int) -> None:
        self._command, self._numerics, self._threads = command, numerics, threads

    def add_layer(self, inputs: int, *arguments: Any) -> SimpleNamespace:
        """Keep the layer; the arguments are those of the native module."""
        starts, columns, codes, code_bits, codebook, integers, unit = arguments[:7]
        bias, chip_bias, relu, *settings, kernel, _, _ = arguments[7:]
        numbers = np.array([inputs, code_bits, relu, *settings, self._threads], np.int64)
        self._layer = [_text(self._numerics), _text(kernel), numbers, starts, columns, codes, codebook, integers]
        self._layer += [np.array([unit]), bias, chip_bias]
        return SimpleNamespace(kernel=kernel, bytes=0, measured={}, few_kernel="", few_bytes=0, few_below=0)

    def run(self, x: Array, y: Array, overflows: Array) -> bool:
        """Write the outputs for `x` to `y`."""
        given = b"".join(np.uint64(part.size).tobytes() + part.tobytes() for part in (*self._layer, x))
        done = subprocess.run(self._command, input=given, capture_output=True, check=True, timeout=60)
        y[...] = np.frombuffer(done.stdout, np.float32).reshape(y.shape)
        return True


class EmulatedPlan:
    """Takes the place of the native module's Plan for a network of one layer."""

    layers = 1

    def __init__(self, lengths: list[int], threads: int) -> None:
        pass

    def add_layers(self, sources: list[int], network: EmulatedNetwork) -> int:
        """Keep the layer, and return the number of its value."""
        self._network = network
        return 1

    def finish(self, outputs: list[int], most_bytes: int) -> None:
        """Nothing is left to be done."""

    def run(self, x: list[Array], y: list[Array], overflows: Array) -> int:
        """Write the outputs for `x` to `y`."""
        self._network.run(x[0], y[0], overflows)
        return int(_native.PLAN_DONE)


def _text(text: str) -> Array:
    return np.frombuffer(text.encode(), np.uint8)
