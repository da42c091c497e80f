"""PyTorch models as networks: the same outputs, and an error that names what is not supported."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import eie
from eie.errors import InputError
from eie.model.network import Layer
from eie.pytorch.tracing import network_of


class Functional(nn.Module):
    """A model that calls functions and methods instead of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(36, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities."""
        x = torch.relu(self.norm(self.conv(x)))
        x = nn.functional.max_pool2d(x, 2, stride=1, padding=1)
        x = nn.functional.avg_pool2d(x, kernel_size=2, stride=1).tanh()
        x = nn.functional.max_pool2d(x, (2, 2), (2, 2))
        x = nn.functional.dropout(x.view(x.size(0), -1), training=self.training)
        return nn.functional.log_softmax(self.fc(x).sigmoid(), dim=1)


def models() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    torch.manual_seed(1)
    functional = Functional()
    functional.norm.running_mean = torch.randn(4)
    functional.norm.running_var = torch.rand(4) + 0.5
    return {
        "functional": (functional, (1, 12, 12)),
        "modules": (
            nn.Sequential(
                nn.Conv2d(2, 6, (3, 2), padding=(1, 0)),
                nn.ReLU(),
                nn.AvgPool2d(2),
                nn.Conv2d(6, 4, 1),
                nn.Tanh(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Dropout(),
                nn.Linear(4, 8, bias=False),
                nn.BatchNorm1d(8).eval(),
                nn.Sigmoid(),
                nn.Linear(8, 3),
                nn.Softmax(dim=1),
            ),
            (2, 9, 8),
        ),
    }


@pytest.mark.parametrize("name", ["functional", "modules"])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_network_computes_what_the_model_does(name: str, compressed: bool) -> None:
    """As it is, in float; and compressed, with the weights that the model then has."""
    model, shape = models()[name]
    model.eval()
    if compressed:
        eie.compress_(model, eie.compress.Recipe.model_validate({"prune": {"density": 0.5}, "input_shape": shape}))
    network = network_of(model, shape)
    assert any(isinstance(step, Layer) or step.layers for step in network) == compressed
    x = torch.randn(3, *shape)
    with torch.no_grad():
        expected = model(x).numpy()
    found = eie.InferenceSession(network, numerics="float32").run(x.flatten(1).numpy())
    assert np.allclose(found, expected, atol=1e-5)


def test_relu_is_the_layers_own() -> None:
    """After a layer it belongs to that; twice, or after something else, it is a step."""
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.ReLU(), nn.Linear(3, 2), nn.Tanh(), nn.ReLU())
    kinds = [(type(step).__name__, getattr(step, "relu", None)) for step in network_of(model, (4,))]
    assert kinds == [
        ("Dense", True),
        ("Activation", None),
        ("Dense", False),
        ("Activation", None),
        ("Activation", None),
    ]


@pytest.mark.parametrize(
    ("model", "shape", "sentence"),
    [
        (
            nn.Sequential(nn.ConvTranspose2d(4, 4, 3)),
            (4, 5, 5),
            "0 is a transposed convolution, which a network cannot hold: compress the model in place with "
            "eie.compress_ and run its layers with eie.pytorch.nn.convert_",
        ),
        (
            nn.Sequential(nn.MaxPool2d(2, ceil_mode=True)),
            (4, 5, 5),
            "pooling 0 must round down, or have windows that end with the image",
        ),
    ],
)
def test_what_cannot_run_is_named(model: nn.Module, shape: tuple[int, ...], sentence: str) -> None:
    """The error names the first unsupported call, and what to do."""
    with pytest.raises(InputError) as error:
        network_of(model, shape)
    assert str(error.value) == sentence


def test_a_model_that_does_not_run() -> None:
    """For an input shape that the model does not accept, the error gives PyTorch's reason."""
    with pytest.raises(InputError) as error:
        network_of(nn.Sequential(nn.Linear(4, 3)), (5,))
    assert str(error.value).startswith("the model does not run on one input of shape (5,): ")
