"""The models that benchmarks/models.py measures, each with what it is trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from zoo.networks import (
    Branches,
    Experts,
    Recommender,
    Residual,
    TwoHeads,
    UNet,
    bert,
    conv,
    encoder,
    fire,
    head,
    language_model,
    lenet_5,
    mixer,
    mlp,
    opt,
    recurrent,
    separable,
    temporal,
)
from zoo.samples import Samples, bright_digits, clips, digits, large_digits, pixels, ratings, text

__all__ = ["ZOO", "Example", "Samples"]


@dataclass(frozen=True)
class Example:
    """A model: what makes it, what it is trained on, the share of its weights to keep, epochs of each training."""

    name: str
    make: Callable[[], nn.Module]
    samples: Callable[[], Samples]
    density: float = 0.2
    epochs: int = 30
    learning_rate: float = 2e-3


def _image() -> Samples:
    return digits(1, 8, 8)


def _lines() -> Samples:
    return digits(8, 8)


ZOO = (
    Example("MLP", lambda: mlp(64, 300, 100, 10), lambda: digits(64), density=0.1),
    Example(
        "Residual MLP",
        lambda: nn.Sequential(
            nn.Linear(64, 128), *(Residual(mlp(128, 256, 128)) for _ in range(2)), nn.Linear(128, 10)
        ),
        lambda: digits(64),
    ),
    Example("LeNet-300-100", lambda: mlp(784, 300, 100, 10), lambda: large_digits(784), density=0.1, epochs=8),
    Example("LeNet-5", lenet_5, lambda: large_digits(1, 28, 28), density=0.15, epochs=3),
    Example(
        "VGG-like",
        lambda: nn.Sequential(
            *(conv(1, 32), conv(32, 32), nn.MaxPool2d(2), conv(32, 64), conv(64, 64), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(256, 256), nn.ReLU(), nn.Dropout(), nn.Linear(256, 10)),
        ),
        _image,
        epochs=8,
    ),
    Example(
        "ResNet-like",
        lambda: nn.Sequential(
            *(conv(1, 32), Residual(conv(32, 32), nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32)), nn.ReLU()),
            Residual(conv(32, 64, 3, 2), nn.Conv2d(64, 64, 3, padding=1), around=nn.Conv2d(32, 64, 1, 2)),
            *(nn.ReLU(), *head(64)),
        ),
        _image,
        epochs=8,
    ),
    Example(
        "MobileNet-like, depthwise",
        lambda: nn.Sequential(conv(1, 32), separable(32, 64), separable(64, 128, 2), separable(128, 128), *head(128)),
        _image,
        density=0.3,
        epochs=8,
    ),
    Example(
        "DenseNet-like, concatenation",
        lambda: nn.Sequential(
            *(conv(1, 32), Branches(nn.Identity(), conv(32, 16)), Branches(nn.Identity(), conv(48, 16))),
            *(conv(64, 32, 1), nn.AvgPool2d(2), Branches(nn.Identity(), conv(32, 32)), *head(64)),
        ),
        _image,
        epochs=8,
    ),
    Example(
        "Inception-like, branches",
        lambda: nn.Sequential(
            conv(1, 32),
            Branches(
                *(
                    conv(32, 16, 1),
                    nn.Sequential(conv(32, 8, 1), conv(8, 16)),
                    nn.Sequential(conv(32, 8, 1), conv(8, 16, 5)),
                ),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(32, 16, 1)),
            ),
            *(nn.MaxPool2d(2), *head(64)),
        ),
        _image,
        epochs=8,
    ),
    Example(
        "SqueezeNet-like",
        lambda: nn.Sequential(conv(1, 32), fire(32, 16, 32), nn.MaxPool2d(2), fire(64, 16, 64), *head(128)),
        _image,
        epochs=8,
    ),
    Example("U-Net-like", UNet, lambda: digits(1, 8, 8, noise=0.3, images=True), epochs=4),
    Example(
        "Autoencoder",
        lambda: mlp(64, 128, 16, 128, 64, last=nn.Sigmoid()),
        lambda: digits(64, images=True),
    ),
    Example(
        "Convolutional autoencoder",
        lambda: nn.Sequential(
            *(conv(1, 16, stride=2), conv(16, 8, stride=2), nn.Upsample(scale_factor=2), conv(8, 16)),
            *(nn.Upsample(scale_factor=2), nn.Conv2d(16, 1, 3, padding=1), nn.Sigmoid()),
        ),
        lambda: digits(1, 8, 8, images=True),
        epochs=12,
    ),
    Example(
        "Autoencoder, transposed convolutions",
        lambda: nn.Sequential(
            *(conv(1, 16, stride=2), conv(16, 8, stride=2), nn.ConvTranspose2d(8, 16, 2, 2), nn.ReLU()),
            *(nn.ConvTranspose2d(16, 1, 2, 2), nn.Sigmoid()),
        ),
        lambda: digits(1, 8, 8, images=True),
        epochs=12,
    ),
    Example("Temporal convolutions", temporal, _lines, density=0.3, epochs=15),
    Example("LSTM, 1 layer", lambda: recurrent(nn.LSTM), _lines, epochs=15),
    Example("LSTM, 2 layers", lambda: recurrent(nn.LSTM, 2), _lines, epochs=15),
    Example("LSTM, both directions", lambda: recurrent(nn.LSTM, both=True), _lines, epochs=15),
    Example("GRU, 1 layer", lambda: recurrent(nn.GRU), _lines, epochs=15),
    Example("GRU, 2 layers", lambda: recurrent(nn.GRU, 2), _lines, epochs=15),
    Example("RNN, tanh", lambda: recurrent(nn.RNN), _lines, epochs=15),
    Example("Language model, LSTM", language_model, text, density=0.3, epochs=6),
    Example("BERT-like encoder (transformers)", bert, pixels, density=0.3, epochs=5, learning_rate=5e-4),
    Example("OPT, decoder with ReLU (transformers)", opt, lambda: text(all_next=True), density=0.3, epochs=6),
    Example("nn.TransformerEncoder", encoder, _lines, density=0.3, epochs=10),
    Example("MLP-Mixer", mixer, _image, density=0.3, epochs=15),
    Example("Recommender, two inputs", Recommender, ratings, density=0.3, epochs=8),
    Example("Two outputs, class and value", TwoHeads, bright_digits, density=0.1),
    Example(
        "Convolution in three dimensions",
        lambda: nn.Sequential(nn.Conv3d(1, 8, (2, 3, 3)), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)),
        clips,
    ),
    Example("Experts, chosen by the input", Experts, lambda: digits(64)),
)
