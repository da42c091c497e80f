"""Steps other than linear layers: products with compressed matrices, and operations in floating point."""

from eie.steps.convolution import Convolution
from eie.steps.dense import Dense
from eie.steps.elementwise import ACTIVATIONS, Activation, Affine
from eie.steps.image import Image, Window
from eie.steps.pooling import Pooling
from eie.steps.recurrent import Recurrent
from eie.steps.winograd import Winograd

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Affine",
    "Convolution",
    "Dense",
    "Image",
    "Pooling",
    "Recurrent",
    "Window",
    "Winograd",
]
