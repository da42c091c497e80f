"""What is not a linear layer, as products of compressed matrices and vectors with floating point around them."""

from eie.lowering.convolution import Convolution
from eie.lowering.dense import Dense
from eie.lowering.elementwise import ACTIVATIONS, Activation, Affine
from eie.lowering.image import Image, Window
from eie.lowering.pooling import Pooling
from eie.lowering.recurrent import Recurrent
from eie.lowering.winograd import Winograd

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
