"""What a model takes in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from eie.errors import InputError
from eie.pytorch.timing import one_input_us


def test_the_model_and_pytorch_are_as_before() -> None:
    """It runs in evaluation mode on one thread, and then trains on."""
    seen: list[tuple[bool, int]] = []
    model = nn.Linear(3, 2).train()
    model.register_forward_hook(lambda module, _, __: seen.append((module.training, torch.get_num_threads())))
    threads = torch.get_num_threads()
    assert one_input_us(model, np.ones((1, 3), np.float32), 5) > 0
    assert seen == [(False, 1)] * 5
    assert model.training
    assert torch.get_num_threads() == threads


def test_an_input_of_another_shape_is_refused() -> None:
    """With the model's own reason."""
    with pytest.raises(InputError, match=r"^the model does not run on one input of shape \(4,\): mat1 and mat2"):
        one_input_us(nn.Linear(3, 2), np.ones((1, 4), np.float32), 5)
