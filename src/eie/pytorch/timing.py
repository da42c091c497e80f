"""What a model takes in PyTorch, to set beside the compressed one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from eie.errors import InputError
from eie.support.stopwatch import median_us

__all__ = ["one_input_us"]


def one_input_us(model: nn.Module, one: npt.NDArray[np.float32], calls: int) -> float:
    """Return the median time of one of `calls` calls with the batch of one input `one`, on one thread, in microseconds.

    The model is as it was afterwards. Raises InputError where it does not run on an input of that shape.
    """
    batch = torch.from_numpy(one)
    threads, training = torch.get_num_threads(), model.training
    model.eval()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            return median_us(lambda: model(batch), calls)
    except Exception as error:  # whatever the model's own code raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"the model does not run on one input of shape {one.shape[1:]}: {reason}") from error
    finally:
        torch.set_num_threads(threads)
        model.train(training)
