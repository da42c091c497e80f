"""The shared parametrisation: weights by code, and gradients summed by code."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize

from eie.compress import Shared


def test_gradients_are_summed_by_code() -> None:
    """dL/dC_k is the sum of dL/dW_ij over the weights of code k (Deep Compression, section 3.3); code 0 has none."""
    torch.manual_seed(1)
    codes = torch.randint(0, 4, (5, 6), dtype=torch.uint8)
    centroids = torch.tensor([-1.0, 0.5, 2.0])
    layer = nn.Linear(6, 5)
    parametrize.register_parametrization(layer, "weight", Shared(codes, centroids.clone()))
    book = torch.cat((torch.zeros(1), centroids))
    assert torch.equal(layer.weight, book[codes.long()])
    x = torch.randn(7, 6)
    (layer(x) ** 3).sum().backward()
    plain = nn.Linear(6, 5)
    plain.load_state_dict({"weight": book[codes.long()], "bias": layer.bias.detach()})
    (plain(x) ** 3).sum().backward()
    assert plain.weight.grad is not None
    expected = torch.stack([plain.weight.grad[codes == code].sum() for code in (1, 2, 3)])
    found = layer.parametrizations["weight"].original.grad  # type: ignore[index, union-attr]
    assert torch.allclose(found, expected, rtol=1e-4)


def test_any_optimiser_trains_the_centroids() -> None:
    """The parameters of the layer are its centroids and its bias; codes are not trained."""
    layer = nn.Linear(4, 3)
    parametrize.register_parametrization(
        layer, "weight", Shared(torch.ones(3, 4, dtype=torch.uint8), torch.tensor([0.5, 1.0, 2.0]))
    )
    assert {tuple(parameter.shape) for parameter in layer.parameters()} == {(3,)}
    optimiser = torch.optim.SGD(layer.parameters(), 0.1)
    layer(torch.ones(1, 4)).sum().backward()
    optimiser.step()
    assert torch.allclose(layer.weight, torch.full((3, 4), 0.5 - 0.1 * 12))
