"""The modules made of an ONNX graph, held against what the standard's own reference computes."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from eie.errors import InputError
from eie.pytorch.verification import TOLERANCE, distance
from eie.support.extras import needed_for

with needed_for("reading ONNX"):
    import onnx
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

__all__ = ["gathered", "reference", "require_same"]

MOST_VALUES = 2**24  # of weights and of all values in between: the reference is plain NumPy, meant for small graphs


class Graph(Protocol):
    """What a graph became: `nodes` are name, function, and the names of what each takes and gives."""

    nodes: list[tuple[str, Any, list[str], list[str]]]

    def values(self, *inputs: torch.Tensor) -> dict[str, Any]:
        """Return every value of the graph by its name."""


def gathered(x: torch.Tensor, index: torch.Tensor, axis: int) -> torch.Tensor:
    """Return what ONNX's GatherElements does: along `axis` the number that `index` names at each place."""
    if len(index) != len(x) and axis % x.dim() != 0:  # a batch that the file was not made for
        raise ValueError(f"indices of {tuple(index.shape)} for numbers of {tuple(x.shape)}")
    return torch.gather(x, axis, torch.where(index < 0, index + x.shape[axis], index).to(torch.int64))


class GatherElements(OpRun):
    """In place of ONNX's own, which cannot take more than 63 numbers along the axis: numpy.choose does not."""

    def _run(self, x: Any, index: Any, axis: int) -> tuple[Any]:
        return (gathered(torch.from_numpy(np.array(x)), torch.from_numpy(np.array(index)), axis).numpy(),)


def reference(model: onnx.ModelProto) -> ReferenceEvaluator:
    """Return what runs a graph as the standard does, in NumPy."""
    return ReferenceEvaluator(model, new_ops=[GatherElements])


def require_same(model: onnx.ModelProto, module: Graph) -> None:
    """Raise InputError, naming the first node whose value in `module` is another than in the graph.

    Both run on two generated inputs. A graph whose inputs are of unknown size, or too large for the reference, is
    held against the reference nowhere; what it became is still held against PyTorch's modules.
    """
    shapes = _inputs(model)
    if shapes is None or _values(model, module, list(shapes.values())) > MOST_VALUES:
        return
    rng = np.random.default_rng(0)
    given = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    try:
        found: Any = reference(model).run(None, given, intermediate=True)
    except Exception:  # a graph that the reference cannot run, such as a reshape to a batch of one
        return
    with torch.no_grad():
        values = module.eval().values(*map(torch.from_numpy, given.values()))  # type: ignore[attr-defined]
    for node, _, _, gives in module.nodes:
        for value in gives:
            expected, result = found.get(value), values.get(value)
            if not isinstance(result, torch.Tensor) or not isinstance(expected, np.ndarray):
                continue
            if not np.isfinite(expected).all():
                continue
            difference = distance(result.numpy().astype(np.float64), expected.astype(np.float64))
            if difference > TOLERANCE:
                raise InputError(
                    f"node {node} was not read as ONNX means it: its results differ by {difference:.2g} of the largest"
                )


def _values(model: onnx.ModelProto, module: Any, shapes: list[tuple[int, ...]]) -> int:
    """Return how many numbers the weights, all results and all windows over them are at most, without making any."""
    weights: int = sum(map(math.prod, shapes)) + sum(parameter.numel() for parameter in module.parameters())
    if weights > MOST_VALUES:
        return weights
    windows = max((child.weight[0].numel() for child in module.children() if isinstance(child, nn.Conv2d)), default=1)
    for attribute in (one for node in model.graph.node for one in node.attribute if one.name == "kernel_shape"):
        windows = max(windows, math.prod(attribute.ints))
    try:
        with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
            results = module.eval().values(*map(torch.empty, shapes))
    except Exception as error:
        if isinstance(error, InputError) and error.__cause__ is None:  # more than a node may make
            raise
        return weights  # sizes that do not fit each other: the real run says so
    return weights + windows * sum(value.numel() for value in results.values() if isinstance(value, torch.Tensor))


def _inputs(model: onnx.ModelProto) -> dict[str, tuple[int, ...]] | None:
    """Return the inputs' names and shapes, two for the batch, or None where another size is open.

    The batch is the first side of the first input, and wherever that side's name is. None, too, where an input has no
    floats.
    """
    constants = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in constants]
    sides = [list(one.type.tensor_type.shape.dim) for one in inputs]
    if not inputs or any(one.type.tensor_type.elem_type != onnx.TensorProto.FLOAT for one in inputs):
        return None
    if len(sides[0]) < 2:
        return None
    batch = sides[0][0].dim_param
    shapes = [[2 if batch and one.dim_param == batch else one.dim_value for one in shape] for shape in sides]
    shapes[0][0] = shapes[0][0] or 2
    if any(side < 1 for shape in shapes for side in shape):
        return None
    return {one.name: tuple(shape) for one, shape in zip(inputs, shapes, strict=True)}
