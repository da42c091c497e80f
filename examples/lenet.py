"""The networks of Deep Compression's Tables 2 and 3, their layers named as there."""

from collections import OrderedDict

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
