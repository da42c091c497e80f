"""The modules made of an ONNX graph, held against what the standard's own reference computes."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from eie.errors import InputError
from eie.pytorch.verification import TOLERANCE, distance
from eie.support.extras import needed_for

with needed_for("reading ONNX"):
    import onnx
    from onnx.reference import ReferenceEvaluator

__all__ = ["require_same"]

MOST_VALUES = 2**24  # of weights and of all values in between: the reference is plain NumPy, meant for small graphs


def require_same(model: onnx.ModelProto, modules: nn.Sequential, values: Mapping[str, str]) -> None:
    """Raise InputError, naming the first of `modules` that gives another result than the graph's value `values[name]`.

    Both run on two generated inputs. A graph whose inputs are of unknown size, or too large for the reference, is
    held against the reference nowhere; what it became is still held against PyTorch's modules.
    """
    shape = _shape(model)
    if shape is None or _values(modules, shape) > MOST_VALUES:
        return
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    name = next(one.name for one in model.graph.input if one.name not in {i.name for i in model.graph.initializer})
    try:
        found: Any = ReferenceEvaluator(model).run(None, {name: x}, intermediate=True)
    except Exception:  # a graph that the reference cannot run, such as a reshape to a batch of one
        return
    result = torch.from_numpy(x)
    modules.eval()
    with torch.no_grad():
        for layer, module in modules.named_children():
            try:
                result = module(result)
            except Exception as error:  # sizes that do not fit each other
                reason = " ".join(str(error).split()) or type(error).__name__
                raise InputError(f"node {layer} does not take what comes before it: {reason}") from error
            if layer not in values:
                continue
            expected = np.asarray(found[values[layer]])
            difference = distance(result.numpy(), expected)
            if np.isfinite(expected).all() and difference > TOLERANCE:
                raise InputError(
                    f"node {layer} was not read as ONNX means it: its results differ by {difference:.2g} of the largest"
                )


def _values(modules: nn.Sequential, shape: tuple[int, ...]) -> int:
    """Return how many numbers the weights, all results and all windows over them are, without making any."""
    values = math.prod(shape) + sum(parameter.numel() for parameter in modules.parameters())
    if values > MOST_VALUES:
        return values
    result = torch.empty(shape, device="meta")
    for module in copy.deepcopy(modules).to("meta").eval():
        channels = result.shape[1]
        try:
            result = module(result)
        except Exception:  # sizes that do not fit each other: the real run says so
            break
        kernel = getattr(module, "kernel_size", 1)
        windows = math.prod(kernel) if isinstance(kernel, tuple) else kernel**2
        values += result.numel() + result.numel() // result.shape[1] * channels * windows
    return values


def _shape(model: onnx.ModelProto) -> tuple[int, ...] | None:
    """Return the shape of the input, two for the batch, or None where the graph leaves another size open."""
    constants = {one.name for one in model.graph.initializer}
    (given,) = (one for one in model.graph.input if one.name not in constants)
    sizes = [size.dim_value for size in given.type.tensor_type.shape.dim]
    if len(sizes) < 2 or min(sizes[1:]) < 1 or given.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        return None
    return (sizes[0] or 2, *sizes[1:])
