"""Convolution as matrix-vector products: each window of the image, as a vector, times the matrix of all filters.

A 1 x 1 convolution is the paper's case (section VII-B): the channels of one pixel times an (out, in) matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from eie.errors import InputError
from eie.model.network import Batch, Layer, Multiply, Step
from eie.steps.dense import Dense
from eie.steps.image import Image, Window

__all__ = ["Convolution"]


@dataclass(frozen=True, eq=False)
class Convolution(Step):
    """`product` applied at every position of `window` in `image`.

    The product's inputs are a window's values, channel by channel and row by row; its outputs are the channels of one
    pixel. The result is an image of `product.outputs` channels.
    """

    name: str
    image: Image
    window: Window
    product: Layer | Dense

    def __post_init__(self) -> None:
        """Check that the window fits the image, and the product the window."""
        self.window.places(self.image)
        expected = self.image.channels * self.window.kernel[0] * self.window.kernel[1]
        if self.product.inputs != expected:
            raise InputError(
                f"convolution {self.name}: its windows have {expected} values, but its product takes "
                f"{self.product.inputs}"
            )

    @property
    def inputs(self) -> int:
        """Values of the image."""
        return self.image.size

    @property
    def image_out(self) -> Image:
        """The sizes of the output image."""
        return Image(self.product.outputs, *self.window.places(self.image))

    @property
    def outputs(self) -> int:
        """Values of the output image."""
        return self.image_out.size

    @property
    def working_values(self) -> int:
        """The image, its windows, and what comes of them."""
        return self.inputs + self.window.values(self.image) + 2 * self.outputs

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The product if it is compressed, else nothing."""
        return self.product.layers

    def with_layers(self, layers: Sequence[Layer]) -> Convolution:
        """Return the convolution with another product."""
        return replace(self, product=self.product.with_layers(layers))

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Multiply once per position of the window."""
        windows = self.window.over(self.image.of(vectors))
        batch, _, down, across, _, _ = windows.shape
        columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(batch * down * across, self.product.inputs)
        pixels = self.product.run(columns, multiply).reshape(batch, down * across, self.product.outputs)
        return pixels.transpose(0, 2, 1).reshape(batch, self.outputs)
