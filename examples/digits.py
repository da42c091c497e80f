"""Small networks for the handwritten digits that scikit-learn ships: 8 x 8 pixels, `--data digits`."""

from collections import OrderedDict

from torch import nn


def mlp() -> nn.Module:
    """LeNet-300-100's layers on 64 pixels."""
    return nn.Sequential(
        OrderedDict(
            fc1=nn.Linear(64, 300), relu1=nn.ReLU(), fc2=nn.Linear(300, 100), relu2=nn.ReLU(), fc3=nn.Linear(100, 10)
        )
    )


def cnn() -> nn.Module:
    """A 3 x 3 convolution that may be computed by Winograd's way, a 1 x 1 one, and a linear layer."""
    return nn.Sequential(
        OrderedDict(
            image=nn.Unflatten(1, (1, 8, 8)),
            conv1=nn.Conv2d(1, 16, 3, padding=1),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(16, 32, 3, padding=1),
            relu2=nn.ReLU(),
            pool=nn.MaxPool2d(2),
            conv3=nn.Conv2d(32, 32, 1),
            relu3=nn.ReLU(),
            flatten=nn.Flatten(),
            fc=nn.Linear(512, 10),
        )
    )
