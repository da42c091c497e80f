"""Steps other than linear layers: products with compressed matrices, and operations in floating point."""

from eie.steps.attention import Attention
from eie.steps.combination import Matmul, Product, Sum
from eie.steps.convolution import Convolution
from eie.steps.dense import Dense
from eie.steps.elementwise import ACTIVATIONS, Activation, Affine
from eie.steps.gather import Gather
from eie.steps.image import Image, Window
from eie.steps.pooling import Pooling
from eie.steps.recurrent import Recurrent
from eie.steps.rows import Embedding, Normalisation, Reduction, Rows
from eie.steps.winograd import Winograd

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Affine",
    "Attention",
    "Convolution",
    "Dense",
    "Embedding",
    "Gather",
    "Image",
    "Matmul",
    "Normalisation",
    "Pooling",
    "Product",
    "Recurrent",
    "Reduction",
    "Rows",
    "Sum",
    "Window",
    "Winograd",
]
