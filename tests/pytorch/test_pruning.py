"""Masks keep the given share of weights, those largest in magnitude, throughout training."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrize

from eie.compress import Mask, cubic_density, global_masks, magnitude_mask
from eie.errors import InputError


@given(density=st.floats(0.001, 1), seed=st.integers(0, 1000), ties=st.booleans())
def test_the_largest_stay(density: float, seed: int, ties: bool) -> None:
    """Exactly the share asked for, and at least one; no kept weight is smaller than a pruned one."""
    torch.manual_seed(seed)
    weights = torch.randint(-2, 3, (13, 7)).float() if ties else torch.randn(13, 7)
    mask = magnitude_mask(weights, density)
    assert int(mask.sum()) == max(1, round(91 * density))
    if not mask.all():
        assert weights[mask].abs().min() >= weights[~mask].abs().max()


def test_together_each_in_its_own_scale() -> None:
    """Two layers of different scales are pruned alike, and one with only small weights keeps its largest."""
    torch.manual_seed(1)
    small, large = torch.randn(100) * 1e-3, torch.randn(100)
    masks = global_masks({"small": small, "large": large}, 0.3)
    assert sum(int(mask.sum()) for mask in masks.values()) == 60
    assert 20 < int(masks["small"].sum()) < 40
    masks = global_masks({"flat": torch.full((50,), 1.0), "peak": torch.tensor([100.0] + [1e-3] * 50)}, 0.01)
    assert bool(masks["peak"][0])
    assert int(masks["flat"].sum()) >= 1


def test_the_schedule_is_cubic() -> None:
    """From all to the end's density, fast at first; constant outside."""
    assert cubic_density(0, 0.1) == 1
    assert cubic_density(1, 0.1) == pytest.approx(0.1)
    assert cubic_density(2, 0.1) == pytest.approx(0.1)
    assert cubic_density(0.5, 0.1) == pytest.approx(0.1 + 0.9 / 8)
    assert cubic_density(0.5, 0.1, initial=0.5) == pytest.approx(0.1 + 0.4 / 8)


@pytest.mark.parametrize("regrow", [False, True])
def test_masks_stay_through_training(regrow: bool) -> None:
    """Pruned weights stay zero; their gradient is kept from them, or with regrow reaches them."""
    torch.manual_seed(1)
    layer = nn.Linear(6, 4)
    mask = magnitude_mask(layer.weight, 0.5)
    parametrize.register_parametrization(layer, "weight", Mask(mask, regrow))
    original = layer.parametrizations["weight"].original  # type: ignore[index, union-attr]
    before = original.detach().clone()
    optimiser = torch.optim.Adam(layer.parameters(), 0.01)
    for _ in range(5):
        optimiser.zero_grad()
        layer(torch.randn(8, 6)).square().sum().backward()
        optimiser.step()
        assert torch.all(layer.weight[~mask] == 0)
    assert torch.all(layer.weight[mask] != before[mask])
    assert torch.equal(original[~mask], before[~mask]) != regrow


@pytest.mark.parametrize("density", [0, -0.5, 1.01])
def test_densities_out_of_range(density: float) -> None:
    """None of the weights, or more than all, cannot be kept."""
    with pytest.raises(InputError) as error:
        magnitude_mask(torch.ones(3), density)
    assert str(error.value) == f"density must be above 0 and at most 1, not {density}"


def test_weights_that_are_no_numbers() -> None:
    """They have no magnitude to be chosen by."""
    with pytest.raises(InputError) as error:
        global_masks({"fc": torch.tensor([1.0, float("nan")])}, 0.5)
    assert str(error.value) == "the weights of fc must be finite, but some are NaN or infinite"
