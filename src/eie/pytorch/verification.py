"""The network that a model became, held against the model on real and on generated inputs, before anyone uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from eie.engine import InferenceSession
from eie.errors import InputError
from eie.model.network import Network, Step, flow
from eie.model.reference import float_layer
from eie.pytorch.modes import evaluated
from eie.steps import Recurrent

__all__ = ["TOLERANCE", "Expected", "Real", "distance", "expected_of", "vectors_of"]

TOLERANCE = 1e-4  # of the largest output: float32's own rounding over many layers stays well below
INPUTS = 4  # of each kind; more than one, so that what mixes the items of a batch shows

Floats = npt.NDArray[np.floating[Any]]
Tensors = tuple[torch.Tensor, ...]
Real = npt.NDArray[Any] | tuple[npt.NDArray[Any], ...]  # inputs (items, ...), or those of each of several inputs


@dataclass(frozen=True, eq=False)
class Expected:
    """What a model computes in float32: by kind of inputs, each of these (items, ...) and its outputs."""

    by_kind: Mapping[str, tuple[Tensors, Floats]]

    def hold(self, model: nn.Module, network: Network) -> None:
        """Raise InputError, naming the first layer of `network` that differs from `model`, where the outputs do."""
        if not self.by_kind:
            raise InputError(
                "the model gives no finite outputs on generated inputs, so its network cannot be held against it: "
                "give data that it was made for"
            )
        session = InferenceSession(network, numerics="float32")
        for kind, (inputs, outputs) in self.by_kind.items():
            found = session.run(vectors_of(inputs))
            error = distance(found, outputs)
            if error > TOLERANCE:
                raise InputError(
                    f"the network does not compute what the model does: {_first_different(model, network, inputs)} "
                    f"differs, and on {kind} inputs the outputs do by {error:.2g} of the largest: compress the model "
                    "in place with eie.compress_ and run its layers with eie.nn.convert_"
                )


def expected_of(model: nn.Module, shape: Any, real: Real | None = None) -> Expected:
    """Run `model` on some of the `real` inputs if given, and on generated ones, and keep its outputs.

    `shape` is that of one input, or anything where `real` are those of several. Real inputs alone would hide much: the
    borders of an image are often zero. Generated ones are normal, with the mean and the deviation of the real ones, or
    whole numbers among them where these are; a model that takes none but whole numbers gets those that its embeddings
    have. Kinds for which the model gives NaN or infinity are left out; raises InputError where it does not run on real
    ones.
    """
    rng = np.random.default_rng(0)
    several = real if isinstance(real, tuple) else () if real is None else (np.reshape(real, (-1, *shape)),)
    kinds: dict[str, Tensors] = {}
    if several:
        kinds["real"] = tuple(torch.from_numpy(np.array(one[:INPUTS])) for one in several)
        kinds["generated"] = tuple(torch.from_numpy(_generated(rng, one)) for one in several)
    else:
        kinds["generated"] = (torch.from_numpy(rng.normal(size=(INPUTS, *shape)).astype(np.float32)),)
    found: dict[str, tuple[Tensors, Floats]] = {}
    for kind, inputs in kinds.items():
        try:
            outputs = _outputs(model, inputs)
        except Exception as error:  # whatever the model's own code raises
            words = min((m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding)), default=0)
            if several and kind == "generated":
                continue
            if kind == "real" or not words:
                what = ", ".join(str(tuple(one.shape[1:])) for one in inputs)
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise InputError(f"the model does not run on one input of shape {what}: {reason}") from error
            inputs = (torch.from_numpy(np.random.default_rng(0).integers(0, words, (INPUTS, *shape))),)
            outputs = _outputs(model, inputs)
        if np.isfinite(outputs).all():
            found[kind] = inputs, outputs
    return Expected(found)


def _generated(rng: np.random.Generator, real: npt.NDArray[Any]) -> npt.NDArray[Any]:
    shape = (INPUTS, *real.shape[1:])
    if real.dtype.kind in "iu":
        return rng.integers(real.min(), real.max(), shape, endpoint=True)
    return rng.normal(float(real.mean()), float(real.std()), shape).astype(np.float32)


def vectors_of(inputs: Tensors) -> npt.NDArray[np.float32]:
    """Return the inputs of a model as those of its network: (items, numbers), one input after the other."""
    rows = [one.reshape(len(one), -1).float().numpy() for one in inputs]
    return np.ascontiguousarray(np.concatenate(rows, axis=1))


def distance(found: Floats, expected: Floats) -> float:
    """Return the largest difference as a part of the largest expected value; infinite where sizes differ."""
    if found.size != expected.size:
        return float("inf")
    largest = float(np.abs(expected).max(initial=0.0)) or 1.0
    return float(np.abs(found.ravel() - expected.ravel()).max(initial=0.0)) / largest


@torch.no_grad()
def _outputs(model: nn.Module, inputs: Tensors) -> Floats:
    """Return (items, outputs): of all tensors that the model returns, one after the other."""
    items = len(inputs[0])
    with evaluated(model):
        outputs = model(*inputs)
        if isinstance(outputs, torch.Tensor) and len(outputs) == items:
            return outputs.flatten(1).float().numpy()
        # States and the like have their batch elsewhere: one item at a time, what there is belongs to it.
        singly = (tuple(one[item : item + 1] for one in inputs) for item in range(items))
        return np.stack([np.concatenate(_numbers(model(*item))) for item in singly])


def _numbers(results: Any) -> list[Floats]:
    if isinstance(results, torch.Tensor):
        return [results.float().numpy().ravel()]
    if isinstance(results, dict):
        results = list(results.values())
    return [one for result in results or () for one in _numbers(result)]


def _first_different(model: nn.Module, network: Network, inputs: Tensors) -> str:
    """Return the first step that computes something else than the module of its name, or the place between two."""
    calls: dict[str, tuple[Floats, Any]] = {}
    modules = dict(model.named_modules())
    hooks = [
        modules[step.name].register_forward_hook(_recorder(calls, step.name))
        for step in network
        if step.name in modules
    ]
    try:
        _outputs(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    different: list[str] = []
    last = "the input"

    def run(number: int, vectors: Floats) -> Floats:
        nonlocal last
        step = network.steps[number]
        results = step.run(vectors, float_layer)
        if step.name not in calls:
            return results
        given, made = calls[step.name]
        expected = _expected_of_step(step, made)
        if given.shape != vectors.shape or expected.shape != results.shape:  # the step has another form of its own
            return results
        if distance(step.run(given, float_layer), expected) > TOLERANCE:
            different.append(f"layer {step.name}")
        elif distance(results, expected) > TOLERANCE:
            different.append(f"what is between {last} and layer {step.name}")
        last = f"layer {step.name}"
        return results

    flow(network.reads, vectors_of(inputs), run)
    return different[0] if different else f"what follows {last}"


def _recorder(calls: dict[str, tuple[Floats, Any]], name: str) -> Any:
    def record(module: nn.Module, arguments: tuple[Any, ...], results: Any) -> None:
        if arguments and isinstance(arguments[0], torch.Tensor):
            calls.setdefault(name, (arguments[0].detach().flatten(1).float().numpy(), results))

    return record


def _expected_of_step(step: Step, results: Any) -> Floats:
    """Return a module's results as the step gives them: all states or the last, after the step's own ReLU."""
    first = (results[0] if isinstance(results, tuple) else results).detach()
    if isinstance(step, Recurrent) and step.last_only:
        first = first[:, -1]
    values: Floats = first.flatten(1).numpy()
    rectified = getattr(step, "relu", False) or getattr(getattr(step, "product", None), "relu", False)
    return np.maximum(values, 0) if rectified else values
