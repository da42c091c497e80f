"""The networks of Deep Compression's Tables 2 and 3, their layers named as there."""

from collections import OrderedDict

import torch
from torch import nn


def lenet_300_100() -> nn.Module:
    """LeNet-300-100: three linear layers on 28 x 28 pixels."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            ip1=nn.Linear(784, 300),
            relu1=nn.ReLU(),
            ip2=nn.Linear(300, 100),
            relu2=nn.ReLU(),
            ip3=nn.Linear(100, 10),
        )
    )


def lenet_5() -> nn.Module:
    """LeNet-5 as Caffe has it: two convolutions, each followed by pooling, and two linear layers."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 20, 5),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(20, 50, 5),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            ip1=nn.Linear(800, 500),
            relu1=nn.ReLU(),
            ip2=nn.Linear(500, 10),
        )
    )


class Moved(nn.Module):
    """Moves each image by up to a pixel along both sides while the network trains, and does nothing afterwards."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the images, of the shape that they came in; what moves in from outside is black."""
        if not self.training:
            return images
        count = len(images)
        framed = nn.functional.pad(images.reshape(count, 28, 28), (1, 1, 1, 1)).flatten(1)
        down, right = torch.randint(0, 3, (2, count, 1))
        corner = 30 * torch.arange(28)[:, None] + torch.arange(28)
        moved = framed.gather(1, 30 * down + right + corner.flatten())
        return moved.reshape(images.shape)


def lenet_300_100_moved() -> nn.Module:
    """LeNet-300-100, which sees every training image in nine places."""
    return nn.Sequential(OrderedDict(moved=Moved()) | lenet_300_100()._modules)


def lenet_5_moved() -> nn.Module:
    """LeNet-5, which sees every training image in nine places."""
    return nn.Sequential(OrderedDict(moved=Moved()) | lenet_5()._modules)
