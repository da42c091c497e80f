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
from eie.model.network import Network, Step
from eie.model.reference import float_layer
from eie.steps import Recurrent

__all__ = ["TOLERANCE", "Expected", "distance", "expected_of"]

TOLERANCE = 1e-4  # of the largest output: float32's own rounding over many layers stays well below
INPUTS = 4  # of each kind; more than one, so that what mixes the items of a batch shows

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Expected:
    """What a model computes in float32: by kind of inputs, these (items, ...) and its outputs."""

    by_kind: Mapping[str, tuple[torch.Tensor, Floats]]

    def hold(self, model: nn.Module, network: Network) -> None:
        """Raise InputError, naming the first layer of `network` that differs from `model`, where the outputs do."""
        session = InferenceSession(network, numerics="float32")
        for kind, (inputs, outputs) in self.by_kind.items():
            found = session.run(np.ascontiguousarray(inputs.flatten(1).numpy()))
            error = distance(found, outputs)
            if error > TOLERANCE:
                raise InputError(
                    f"the network does not compute what the model does: {_first_different(model, network, inputs)} "
                    f"differs, and on {kind} inputs the outputs do by {error:.2g} of the largest: compress the model "
                    "in place with eie.compress_ and run its layers with eie.nn.convert_"
                )


def expected_of(model: nn.Module, shape: tuple[int, ...], real: npt.NDArray[np.float32] | None = None) -> Expected:
    """Run `model` on some of the `real` inputs, (items, *shape), if given, and on generated ones, and keep its outputs.

    Real inputs alone would hide much: the borders of an image are often zero. Generated ones are normal, with the mean
    and the deviation of the real ones. Kinds for which the model gives NaN, infinity or no tensor are left out; raises
    InputError where it does not run on real ones.
    """
    mean, deviation = (0.0, 1.0) if real is None else (float(real.mean()), float(real.std()))
    generated = np.random.default_rng(0).normal(mean, deviation, (INPUTS, *shape)).astype(np.float32)
    kinds = {"generated": torch.from_numpy(generated)}
    if real is not None:
        kinds = {"real": torch.from_numpy(np.array(real[:INPUTS]).reshape(-1, *shape)), **kinds}
    found: dict[str, tuple[torch.Tensor, Floats]] = {}
    for kind, inputs in kinds.items():
        try:
            outputs = _outputs(model, inputs)
        except Exception as error:  # whatever the model's own code raises
            if kind == "real":
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise InputError(f"the model does not run on inputs of shape {shape}: {reason}") from error
            continue
        if outputs is not None and np.isfinite(outputs).all():
            found[kind] = inputs, outputs
    return Expected(found)


def distance(found: Floats, expected: Floats) -> float:
    """Return the largest difference as a part of the largest expected value; infinite where sizes differ."""
    if found.size != expected.size:
        return float("inf")
    largest = float(np.abs(expected).max(initial=0.0)) or 1.0
    return float(np.abs(found.ravel() - expected.ravel()).max(initial=0.0)) / largest


@torch.no_grad()
def _outputs(model: nn.Module, inputs: torch.Tensor) -> Floats | None:
    training = model.training
    model.eval()
    try:
        outputs = model(inputs)
    finally:
        model.train(training)
    return outputs.float().numpy() if isinstance(outputs, torch.Tensor) else None


def _first_different(model: nn.Module, network: Network, inputs: torch.Tensor) -> str:
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
    vectors: Floats = inputs.flatten(1).numpy()
    last = "the input"
    for step in network:
        vectors = step.run(vectors, float_layer)
        if step.name not in calls:
            continue
        given, results = calls[step.name]
        expected = _expected_of_step(step, results)
        if given[0].size != step.inputs or distance(step.run(given, float_layer), expected) > TOLERANCE:
            return f"layer {step.name}"
        if distance(vectors, expected) > TOLERANCE:
            return f"what is between {last} and layer {step.name}"
        last = f"layer {step.name}"
    return f"what follows {last}"


def _recorder(calls: dict[str, tuple[Floats, Any]], name: str) -> Any:
    def record(module: nn.Module, arguments: tuple[Any, ...], results: Any) -> None:
        calls.setdefault(name, (arguments[0].detach().flatten(1).numpy(), results))

    return record


def _expected_of_step(step: Step, results: Any) -> Floats:
    """Return a module's results as the step gives them: all states or the last, after the step's own ReLU."""
    first = (results[0] if isinstance(results, tuple) else results).detach()
    if isinstance(step, Recurrent) and step.last_only:
        first = first[:, -1]
    values: Floats = first.flatten(1).numpy()
    rectified = getattr(step, "relu", False) or getattr(getattr(step, "product", None), "relu", False)
    return np.maximum(values, 0) if rectified else values
