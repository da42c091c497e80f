"""Images, which pass between steps as flat vectors, and the windows that slide over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eie.encoding.csc import MAX_SIDE
from eie.errors import InputError

__all__ = ["Image", "Window"]

Batch = npt.NDArray[np.floating[Any]]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Image:
    """The sizes of an image that is a vector of `size` numbers, channel by channel and row by row."""

    channels: int
    height: int
    width: int

    def __post_init__(self) -> None:
        """Check the sizes."""
        if min(self.channels, self.height, self.width) < 1 or self.size > MAX_SIDE:
            raise InputError(f"an image must have 1 to {MAX_SIDE} values, not {self}")

    def __str__(self) -> str:
        """Channels, height and width."""
        return f"{self.channels} x {self.height} x {self.width}"

    @property
    def size(self) -> int:
        """Numbers in the image."""
        return self.channels * self.height * self.width

    def of(self, vectors: Batch) -> Batch:
        """Return (batch, size) vectors as (batch, channels, height, width)."""
        return vectors.reshape(-1, self.channels, self.height, self.width)


@dataclass(frozen=True)
class Window:
    """A window of `kernel` (height, width) that moves by `stride` over an image padded on each side by `padding`.

    Its values lie `dilation` apart in the image.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    def __post_init__(self) -> None:
        """Check the sizes."""
        for name, least in (("kernel", 1), ("stride", 1), ("padding", 0), ("dilation", 1)):
            for value in getattr(self, name):
                if not least <= value <= 1024:
                    raise InputError(f"a window's {name} must be {least} to 1024, not {value}")

    @property
    def extent(self) -> Pair:
        """What the window covers of an image, (height, width)."""
        (height, width), (down, across) = self.kernel, self.dilation
        return down * (height - 1) + 1, across * (width - 1) + 1

    def places(self, image: Image) -> Pair:
        """Return the number of the window's positions in `image`, (down, across); raise InputError if it has none."""
        height, width = (
            (size + 2 * padding - extent) // stride + 1
            for size, padding, extent, stride in zip(
                (image.height, image.width), self.padding, self.extent, self.stride, strict=True
            )
        )
        if height < 1 or width < 1:
            raise InputError(f"a window of {self.extent[0]} x {self.extent[1]} does not fit an image of {image}")
        return height, width

    def values(self, image: Image) -> int:
        """Return how many numbers the padded image and all windows over it have together."""
        down, across = self.places(image)
        padded = (image.height + 2 * self.padding[0]) * (image.width + 2 * self.padding[1])
        return image.channels * (padded + down * across * self.kernel[0] * self.kernel[1])

    def over(self, images: Batch, fill: float = 0.0) -> Batch:
        """Return the values of every window, shape (batch, channels, down, across, kernel height, kernel width).

        `images` have the shape (batch, channels, height, width); the padding has the value `fill`.
        """
        (down, across), (left, right) = self.padding, self.stride
        padded = np.pad(images, ((0, 0), (0, 0), (down, down), (across, across)), constant_values=fill)
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.extent, axis=(2, 3))
        strided: Batch = windows[:, :, ::left, ::right, :: self.dilation[0], :: self.dilation[1]]
        return strided
