"""Pooling: the largest or the mean value of each window of each channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from eie.errors import InputError
from eie.model.network import Batch, Multiply, Step
from eie.steps.image import Image, Window

__all__ = ["Pooling"]


@dataclass(frozen=True, eq=False)
class Pooling(Step):
    """`kind` is "max" or "average"; the padding never is the maximum, and counts as zeros in the average."""

    name: str
    image: Image
    window: Window
    kind: Literal["max", "average"] = "max"

    def __post_init__(self) -> None:
        """Check that the window fits the image and always covers a part of it."""
        self.window.places(self.image)
        for kernel, padding in zip(self.window.kernel, self.window.padding, strict=True):
            if 2 * padding > kernel:
                raise InputError(f"pooling {self.name}: padding must be at most half of {kernel}, not {padding}")

    @property
    def inputs(self) -> int:
        """Values of the image."""
        return self.image.size

    @property
    def image_out(self) -> Image:
        """The sizes of the output image."""
        return Image(self.image.channels, *self.window.places(self.image))

    @property
    def outputs(self) -> int:
        """Values of the output image."""
        return self.image_out.size

    @property
    def working_values(self) -> int:
        """The image, its windows, which are read one by one, and what comes of them."""
        return self.inputs + self.window.values(self.image) + self.outputs

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Pool in the vectors' own precision."""
        windows = self.window.over(self.image.of(vectors), -np.inf if self.kind == "max" else 0.0)
        pooled = windows.max(axis=(4, 5)) if self.kind == "max" else windows.mean(axis=(4, 5))
        return np.ascontiguousarray(pooled.reshape(len(vectors), self.outputs))
