"""3 x 3 convolution by Winograd's F(2 x 2, 3 x 3): sixteen products per patch of 4 x 4, for four outputs.

A patch d is transformed to V = B^T d B, sixteen numbers per channel, and a filter g to U = G g G^T. For each of the
sixteen places p, the vector of V[p] over the channels is multiplied with the matrix of U[p] over filters and channels.
From the sixteen results M, A^T M A gives 2 x 2 outputs per filter (Lavin and Gray, 2015). This takes 2.25 times fewer
multiplications than the direct form; the EIE paper proposes it for 3 x 3 convolutions (section VII-B). Weights are
pruned and shared as U, which no 3 x 3 filters correspond to any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from eie.errors import InputError
from eie.model.network import Batch, Layer, Multiply, Step
from eie.steps.image import Image, Window
from eie.support.arrays import owned

__all__ = ["INPUT", "OUTPUT", "PLACES", "Winograd", "transform_filters"]

INPUT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float64)  # B^T
_FILTER = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float64)  # G
OUTPUT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float64)  # A^T
PLACES = 16

Pair = tuple[int, int]


def transform_filters(filters: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return G g G^T, shape (16, out, in), for filters of shape (out, in, 3, 3)."""
    transformed = np.einsum("ik,ockl,jl->ijoc", _FILTER, filters, _FILTER)
    places: npt.NDArray[np.floating] = transformed.reshape(PLACES, *filters.shape[:2]).astype(filters.dtype)
    return places


@dataclass(frozen=True, eq=False)
class Winograd(Step):
    """A 3 x 3 convolution of stride 1 over `image`, padded by `padding` (down, across), as sixteen `places`.

    Each place is a layer, (filters, channels), without bias and ReLU; all sixteen share one codebook. `bias`, float32
    (filters,), and ReLU are applied after the outputs' transform.
    """

    name: str
    image: Image
    padding: Pair
    places: tuple[Layer, ...]
    bias: npt.NDArray[np.float32] = field(repr=False)
    relu: bool = False

    def __post_init__(self) -> None:
        """Check the sixteen places against the image and each other; copy the bias if other code could write to it."""
        object.__setattr__(self, "places", tuple(self.places))
        Window((3, 3), (1, 1), self.padding).places(self.image)
        if len(self.places) != PLACES:
            raise InputError(f"convolution {self.name} must have {PLACES} places, not {len(self.places)}")
        for number, place in enumerate(self.places):
            if place.name != f"{self.name}.{number}":
                raise InputError(
                    f"convolution {self.name}: place {number} must be called {self.name}.{number}, not {place.name}"
                )
            if place.inputs != self.image.channels or place.outputs != self.bias.size:
                raise InputError(
                    f"convolution {self.name}: place {place.name} must be {self.bias.size} x {self.image.channels}, "
                    f"not {place.outputs} x {place.inputs}"
                )
            if place.bias is not None or place.relu:
                raise InputError(f"convolution {self.name}: place {place.name} must have no bias and no ReLU")
            first, own = self.places[0].matrix, place.matrix
            if (own.n_pe, own.index_bits) != (first.n_pe, first.index_bits) or not np.array_equal(
                own.codebook, first.codebook
            ):
                raise InputError(f"convolution {self.name}: its places must have one codebook and one encoding")
        if self.bias.dtype != np.float32 or self.bias.ndim != 1 or not np.isfinite(self.bias).all():
            raise InputError(f"convolution {self.name}: bias must be finite float32 of one dimension")
        object.__setattr__(self, "bias", owned(self.bias))

    @property
    def inputs(self) -> int:
        """Values of the image."""
        return self.image.size

    @property
    def image_out(self) -> Image:
        """The sizes of the output image."""
        return Image(self.bias.size, *Window((3, 3), (1, 1), self.padding).places(self.image))

    @property
    def outputs(self) -> int:
        """Values of the output image."""
        return self.image_out.size

    @property
    def working_values(self) -> int:
        """The padded image, and sixteen numbers per patch and channel, before and after each transform."""
        out = self.image_out
        patches = -(-out.height // 2) * -(-out.width // 2)
        padded = Window((3, 3), (1, 1), self.padding).values(self.image)
        return self.inputs + padded + 2 * PLACES * patches * (self.image.channels + out.channels) + self.outputs

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The sixteen places."""
        return self.places

    def with_layers(self, layers: Sequence[Layer]) -> Winograd:
        """Return the convolution with other places."""
        return replace(self, places=tuple(layers))

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Multiply sixteen times per patch."""
        kind = vectors.dtype
        out = self.image_out
        down, across = -(-out.height // 2), -(-out.width // 2)  # patches; the last may reach past the image
        images = self.image.of(vectors)
        top, left = self.padding
        bottom, right = (
            2 * patches + 2 - size - before
            for patches, size, before in ((down, self.image.height, top), (across, self.image.width, left))
        )
        padded = np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)))
        patches = Window((4, 4), (2, 2)).over(padded)  # (batch, channels, down, across, 4, 4)
        transform = INPUT.astype(kind)
        values = np.einsum("ik,bcyxkl,jl->ijbyxc", transform, patches, transform, optimize=True)
        columns = np.ascontiguousarray(values.reshape(PLACES, -1, self.image.channels))
        results = np.stack([multiply(place, columns[p]) for p, place in enumerate(self.places)])
        shaped = results.reshape(4, 4, len(vectors), down, across, out.channels).astype(kind, copy=False)
        back = OUTPUT.astype(kind)
        pixels = np.einsum("ik,klbyxo,jl->boyixj", back, shaped, back, optimize=True)
        whole = pixels.reshape(len(vectors), out.channels, 2 * down, 2 * across)[:, :, : out.height, : out.width]
        sums: Batch = whole + self.bias.astype(kind)[:, None, None]
        return (np.maximum(sums, 0) if self.relu else sums).reshape(len(vectors), self.outputs)
