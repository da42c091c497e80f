"""One model, start to finish: read, trained, compressed, saved, loaded, run, simulated, timed."""

from __future__ import annotations

import copy
import logging
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

import eie
from eie.compress import Compression, Compressor, Recipe
from eie.engine import NUMERICS
from eie.engine.plan import is_native
from eie.errors import InputError
from eie.peers.measure import Contender, reason_of, rounds
from eie.pytorch.onnx import read_onnx
from eie.pytorch.tracing import network_of
from eie.pytorch.verification import distance, vectors_of
from eie.storage.sizes import layer_size, total
from zoo import Example, Samples

__all__ = ["ONNX_RUNTIME", "OURS", "PYTORCH", "Refused", "Result", "measure"]

OURS, PYTORCH, ONNX_RUNTIME = ("int16", "int8"), "PyTorch", "ONNX Runtime"
HELD = 32  # test inputs that outputs are compared on

Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Refused:
    """Why something could not be done, in the words of the error; `asked` where it is a refusal and no failure."""

    words: str
    asked: bool = True


@dataclass
class Result:
    """What was measured of a model; Refused where it could not be, None where an earlier step already was refused.

    Errors are the largest difference from PyTorch's outputs over the largest of these. Scores are the part of the test
    inputs that is right or, of values, the part of their variance that is explained.
    """

    name: str
    source: str
    weights: int
    from_pytorch: float | Refused
    from_onnx: float | Refused
    scores: tuple[float, float] | Refused | None = None  # before and after the compression
    density: float | None = None
    bits: float | None = None
    file_bytes: int | Refused | None = None
    dense_bytes: int = 0
    loads: bool | Refused | None = None  # whether the file's outputs in int8 are those of what was saved, to the bit
    errors: dict[str, float | Refused] = field(default_factory=dict)
    in_numpy: tuple[str, ...] = ()  # the kinds of its steps that have no native code
    cycles: dict[str, int] | Refused | None = None
    times_us: dict[str, list[float] | Refused] = field(default_factory=dict)


def measure(example: Example, turns: int) -> Result:
    """Take the model of `example` as far as it goes."""
    samples = example.samples()
    torch.manual_seed(0)
    model = example.make().eval()
    held = tuple(torch.from_numpy(array[samples.test][:HELD]) for array in samples.inputs)
    one = tuple(tensor[:1] for tensor in held)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onnx_file = Path(folder) / "model.onnx"
        written = _tried(lambda: _export(model, one, onnx_file))
        result = Result(
            example.name,
            samples.source,
            sum(parameter.numel() for parameter in model.parameters()),
            _tried(lambda: _error(network_of(model, one), "float32", model, held)),
            written or _tried(lambda: _error(network_of(read_onnx(onnx_file).eval(), one), "float32", model, held)),
        )
        dense = copy.deepcopy(model)
        done = _tried(lambda: _trained(example, model, samples, result))
        if isinstance(done, Refused):
            result.scores = done
            return result
        _file(done, model, held, Path(folder) / "model.safetensors", result)
        if isinstance(result.loads, bool):
            network = eie.load(Path(folder) / "model.safetensors")
            result.cycles = _tried(lambda: _cycles(network, vectors_of(held)[0]))
            _times(network, dense, one, written or onnx_file, turns, result)
    return result


def _tried(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except InputError as error:
        return Refused(str(error))
    except Exception as error:  # what should have been a refusal, or another's bug: the table says so
        return Refused(f"{type(error).__name__}: {reason_of(error)}", asked=False)


def _export(model: nn.Module, one: Tensors, path: Path) -> None:
    """Write a model as torch.onnx.export does where nothing is said about how."""
    logging.disable(logging.WARNING)
    try:
        torch.onnx.export(model, one, str(path), verbose=False)
    finally:
        logging.disable(logging.NOTSET)


def _outputs(model: nn.Module, inputs: Tensors) -> npt.NDArray[np.float32]:
    with torch.inference_mode():
        found = model(*inputs)
    return vectors_of(_parts(found))


def _error(network: Any, numerics: str, model: nn.Module, held: Tensors) -> float:
    found = eie.InferenceSession(network, numerics=numerics).run(vectors_of(held))
    return distance(found, _outputs(model, held))


def _trained(example: Example, model: nn.Module, samples: Samples, result: Result) -> Compression:
    """Train, prune, share and fine-tune: by the recipe alone where it can, in a loop of one's own for other losses."""
    usual = {"epochs": example.epochs, "learning_rate": example.learning_rate, "batch_size": 32}
    tables = {
        "train": usual,
        "prune": {**usual, "density": example.density},
        "finetune": {**usual, "epochs": max(1, example.epochs // 4), "learning_rate": 3e-4},
    }
    recipe = Recipe.model_validate({**tables, "encode": {"index_bits": "best"}})
    if samples.data is not None:
        done = eie.compress_(model, recipe, samples.data, chain=True)
        first, last = done.stages[0].test_accuracy, done.stages[-1].test_accuracy
        assert first is not None
        assert last is not None
        result.scores = first, last
        return done
    compressor = Compressor(model, recipe)
    _fit(model, samples, recipe.train, lambda progress: None)
    before = _score(model, samples)
    _fit(model, samples, recipe.pruning, compressor.prune)
    compressor.share()
    _fit(model, samples, recipe.finetune, lambda progress: None)
    result.scores = before, _score(model, samples)
    return compressor.encode(tuple(array[samples.train][:256] for array in samples.inputs))


def _fit(model: nn.Module, samples: Samples, table: Any, before: Callable[[float], None]) -> None:
    """Train on labels and values alike; `before` is told how far it is before every step."""
    inputs, targets = (
        [torch.from_numpy(array[samples.train]) for array in arrays] for arrays in (samples.inputs, samples.targets)
    )
    optimiser = torch.optim.Adam(model.parameters(), table.learning_rate)
    model.train()
    for epoch in range(table.epochs):
        for number, batch in enumerate(torch.split(torch.randperm(len(inputs[0])), table.batch_size)):
            before((epoch + number * table.batch_size / len(inputs[0])) / table.epochs)
            found = model(*(tensor[batch] for tensor in inputs))
            loss = sum(_loss(part, target[batch]) for part, target in zip(_parts(found), targets, strict=True))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model.eval()


def _parts(found: Any) -> tuple[torch.Tensor, ...]:
    return found if isinstance(found, tuple) else (found,)


def _loss(found: torch.Tensor, target: torch.Tensor) -> Any:
    if target.dtype == torch.int64:
        return nn.functional.cross_entropy(found.flatten(0, -2), target.flatten())
    return nn.functional.mse_loss(found, target)


@torch.no_grad()
def _score(model: nn.Module, samples: Samples) -> float:
    """Return how good the first output is on test data."""
    found = _parts(model(*(torch.from_numpy(array[samples.test]) for array in samples.inputs)))[0]
    target = torch.from_numpy(samples.targets[0][samples.test])
    if target.dtype == torch.int64:
        return float((found.argmax(dim=-1) == target).double().mean())
    return 1 - float((found - target).square().mean() / (target - target.mean(dim=0)).square().mean())


def _file(done: Compression, model: nn.Module, held: Tensors, path: Path, result: Result) -> None:
    """Save and load what was compressed, and run it in every numerics."""
    network = _tried(lambda: done.network)
    if isinstance(network, Refused):
        result.file_bytes = network
        return
    sizes = total([layer_size(layer) for layer in network.layers])
    result.density, result.bits = sizes.density, sizes.weight_bits_pq
    result.dense_bytes = 4 * result.weights
    result.file_bytes = _tried(lambda: eie.save(network, path, packed=True)) or path.stat().st_size
    if isinstance(result.file_bytes, Refused):
        return
    loaded = _tried(lambda: eie.load(path))
    if isinstance(loaded, Refused):
        result.loads = loaded
        return
    vectors = vectors_of(held)
    # int8 gives the same bits whatever kernel a session finds to be fastest.
    before, after = (eie.InferenceSession(each, numerics="int8").run(vectors) for each in (network, loaded))
    result.loads = bool(np.array_equal(before, after))
    for numerics in NUMERICS:
        result.errors[numerics] = _tried(partial(_error, loaded, numerics, model, held))
    slow = {type(step).__name__ for step in loaded if not is_native(step, "int8")}
    result.in_numpy = tuple(sorted(slow))


def _cycles(network: Any, vector: npt.NDArray[np.float32]) -> dict[str, int]:
    return {layer.layer.name: layer.simulation.cycles for layer in eie.simulate_network(network, vector)}


def _times(network: Any, dense: nn.Module, one: Tensors, onnx_file: Path | Refused, turns: int, result: Result) -> None:
    """Time one input in each of OURS, and in the model as it was: PyTorch's, and ONNX Runtime's of its file."""
    vector = vectors_of(one)[0]

    def ours(numerics: str) -> Callable[[], Any]:
        session = eie.InferenceSession(network, numerics=numerics)
        return lambda: session.run(vector)

    def pytorch() -> Callable[[], Any]:
        def call() -> Any:
            with torch.inference_mode():
                return dense(*one)

        return call

    def onnx_runtime() -> Callable[[], Any]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(str(onnx_file), options, providers=["CPUExecutionProvider"])
        feed = {given.name: tensor.numpy() for given, tensor in zip(session.get_inputs(), one, strict=True)}
        return lambda: session.run(None, feed)

    makers: dict[str, Callable[[], Callable[[], Any]]] = {name: partial(ours, name) for name in OURS}
    makers[PYTORCH] = pytorch
    if isinstance(onnx_file, Path):
        makers[ONNX_RUNTIME] = onnx_runtime
    else:
        result.times_us[ONNX_RUNTIME] = onnx_file
    contenders = []
    for name, make in makers.items():
        call = _tried(make)
        if isinstance(call, Refused):
            result.times_us[name] = call
        else:
            contenders.append(Contender(name, (call,), 0))
    for name, found in rounds(contenders, 0.0, fewest=turns).items():
        result.times_us[name] = [seconds * 1e6 for seconds, _ in found]
