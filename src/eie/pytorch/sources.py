"""Loading trained models from a Python factory, an ONNX file or a file of weights; unpickling only on request."""

from __future__ import annotations

import importlib
import re
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from eie.errors import InputError
from eie.pytorch.checkpoints import open_weights, torch_load
from eie.pytorch.names import module_name
from eie.support.output_files import existing_file
from eie.support.python_files import module_from

__all__ = ["in_a_row", "load_model", "mlp_of", "read_weights"]


def load_model(source: str, weights: Path | None = None, *, unpickle: bool = False) -> nn.Module:
    """Return the model that `source` names.

    `source` is "module:factory" or "file.py:factory", a function that returns a torch.nn.Module; an .onnx file; or a
    file of weights, .safetensors, .npz or .pt, whose matrices become linear layers in sequence with ReLU between them.
    `weights`, a file of weights, are loaded into a factory's model. A .pt file is read as tensors only; with `unpickle`
    it may hold a whole module, and the code that it names is run. Raises InputError for any other source.
    """
    if source.endswith(".onnx"):
        from eie.pytorch.onnx import read_onnx  # needs the package onnx

        if weights is not None:
            raise InputError(f"weights {weights} cannot be loaded into {source}, which has its own")
        return read_onnx(source)
    if ":" in source and not Path(source).exists():
        return _with_weights(_made_by(source), source, weights)
    if weights is not None:
        raise InputError(f"weights {weights} need a model to be loaded into: give module:factory, not {source}")
    path = Path(source) if Path(source).is_dir() else existing_file(source, "model")
    if unpickle and path.suffix in (".pt", ".pth"):
        with _importing_from(path.resolve().parent):
            found = torch_load(path, weights_only=False)
        if isinstance(found, nn.Module):
            return found
    weights_by_name = open_weights(path)
    return mlp_of(weights_by_name if weights_by_name.ordered else in_a_row(weights_by_name, str(path)), str(path))


@contextmanager
def _importing_from(folder: str | Path) -> Iterator[None]:
    """Find modules in `folder` first."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _made_by(source: str) -> nn.Module:
    place, _, name = source.rpartition(":")
    try:
        if place.endswith(".py"):
            with _importing_from(Path(place).resolve().parent):
                module = module_from(place)
        else:
            with _importing_from(""):  # as `python -m` does: modules beside the user
                module = importlib.import_module(place)
        model = getattr(module, name)()
    except InputError:
        raise
    except Exception as error:  # whatever the user's module raises
        raise InputError(f"{source} could not make a model: {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise InputError(f"{source} made a {type(model).__name__}, expected a torch.nn.Module")
    return model


def _with_weights(model: nn.Module, source: str, weights: Path | None) -> nn.Module:
    if weights is None:
        return model
    try:
        model.load_state_dict(dict(read_weights(weights)))
    except RuntimeError as error:
        reason = " ".join(line.strip() for line in str(error).splitlines()[1:]) or str(error)
        raise InputError(f"weights {weights} are not those of {source}: {reason}") from error
    return model


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Return the named tensors of a checkpoint, all of them read; `eie.pytorch.checkpoints` says which there are."""
    return dict(open_weights(path))


def in_a_row(weights: Mapping[str, torch.Tensor], source: str) -> dict[str, torch.Tensor]:
    """Return the layers of a file that keeps no order in the order of the numbers in their names, or of their sizes.

    safetensors sorts by name, 10 before 2. Raises InputError where neither numbers nor sizes say which is first.
    """
    names = [name for name in weights if name.rpartition(".")[2] == "weight"]
    pattern = {re.sub(r"\d+", "0", name) for name in names}
    if len(pattern) <= 1:
        names.sort(key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
    elif all(weights[name].ndim == 2 for name in names):
        rows = {name: tuple(weights[name].shape) for name in names}
        left, row = set(names), []
        firsts = [name for name in names if not any(rows[name][1] == rows[other][0] for other in names)]
        while len(firsts) == 1:
            row.append(firsts[0])
            left.remove(firsts[0])
            firsts = [name for name in left if rows[name][1] == rows[row[-1]][0]]
        if left:
            raise InputError(
                f"weights {source} keep no order of their layers, and neither numbers in the names nor sizes give one "
                f"for {', '.join(sorted(left))}: give the model that they belong to as module:factory, and these with "
                "--weights"
            )
        names = row
    biases = [name.removesuffix("weight") + "bias" for name in names]
    first = [name for pair in zip(names, biases, strict=True) for name in pair if name in weights]
    return {name: weights[name] for name in [*first, *(name for name in weights if name not in first)]}


def mlp_of(weights: Mapping[str, torch.Tensor], source: str) -> nn.Sequential:
    """Return linear layers in sequence, ReLU between them, from "x.weight" (outputs, inputs) and "x.bias", in order.

    Raises InputError, naming the tensor, for weights that do not form such a sequence.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    names: dict[str, str] = {}  # the module of each weight, named before any ReLU is
    for name in weights:
        if name.rpartition(".")[2] == "weight":
            names[name] = module_name(name.removesuffix("weight"), names.values())
    outputs = 0
    for name, tensor in weights.items():
        part = name.rpartition(".")[2]
        if part == "bias" and name.removesuffix("bias") + "weight" in weights:
            continue
        if (
            part != "weight"
            or tensor.ndim != 2
            or 0 in tensor.shape
            or not tensor.is_floating_point()
            or (layers and tensor.shape[1] != outputs)
        ):
            expected = f"(outputs, {outputs})" if layers else "(outputs, inputs)"
            raise InputError(
                f"weights {source}: {name} of shape {tuple(tensor.shape)} is not a linear layer's weight {expected}: "
                "give the model that they belong to as module:factory, and these with --weights"
            )
        outputs = tensor.shape[0]
        bias_name = name.removesuffix("weight") + "bias"
        bias = weights.get(bias_name)
        if bias is not None and (bias.shape != (outputs,) or not bias.is_floating_point()):
            raise InputError(
                f"weights {source}: {bias_name} must be real numbers of shape ({outputs},), not {bias.dtype} of "
                f"{tuple(bias.shape)}"
            )
        if layers:
            taken = {*names.values(), *layers}
            layers[module_name(f"relu{len(layers) // 2 + 1}", taken)] = nn.ReLU()
        linear = nn.Linear(tensor.shape[1], outputs, bias is not None)
        linear.weight.data.copy_(tensor)
        if bias is not None:
            linear.bias.data.copy_(bias)
        layers[names[name]] = linear
    if not layers:
        raise InputError(f"weights {source} hold no tensor, expected at least one layer's weight")
    return nn.Sequential(layers)
