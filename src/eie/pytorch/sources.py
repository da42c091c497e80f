"""Loading trained models from a Python factory, an ONNX file or a file of weights; unpickling only on request."""

from __future__ import annotations

import importlib
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn

from eie.errors import InputError
from eie.pytorch.names import module_name
from eie.support.numpy_files import read_npz
from eie.support.output_files import existing_file
from eie.support.python_files import module_from

__all__ = ["load_model", "mlp_of", "read_weights"]

Weights = Mapping[str, torch.Tensor]
WEIGHT_FILES = (".safetensors", ".npz", ".pt", ".pth")


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
    path = existing_file(source, "model")
    if unpickle and path.suffix in (".pt", ".pth"):
        found = _torch_load(path, weights_only=False)
        if isinstance(found, nn.Module):
            return found
    return mlp_of(read_weights(path), str(path))


def _made_by(source: str) -> nn.Module:
    place, _, name = source.rpartition(":")
    try:
        if place.endswith(".py"):
            module = module_from(place)
        else:
            sys.path.insert(0, "")  # as `python -m` does: modules beside the user
            try:
                module = importlib.import_module(place)
            finally:
                sys.path.remove("")
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


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the named tensors of a .safetensors, .npz or .pt file. Raises InputError where it is none of them."""
    existing_file(path, "weights")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        if path.suffix == ".npz":
            return {name: torch.from_numpy(array) for name, array in read_npz(path, "file of weights").items()}
    except InputError:
        raise
    except (safetensors.SafetensorError, ValueError, TypeError, OSError) as error:
        raise InputError(f"weights {path} are not a whole {path.suffix} file of numbers: {error}") from error
    if path.suffix not in WEIGHT_FILES:
        raise InputError(f"a file of weights must end in {', '.join(WEIGHT_FILES)}, not {path.name}")
    found = _torch_load(path, weights_only=True)
    if not isinstance(found, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise InputError(f"weights {path} hold a {type(found).__name__}, expected tensors by name (a state_dict)")
    for name, tensor in found.items():
        if not isinstance(name, str):
            raise InputError(f"weights {path} call a tensor {name!r}, expected its name, a text")
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise InputError(
                f"weights {path}: {name} is a {str(tensor.layout).removeprefix('torch.')} tensor of {tensor.dtype} on "
                f"{tensor.device}, expected a dense one with values"
            )
    return dict(found)


def _torch_load(path: Path, *, weights_only: bool) -> object:
    try:
        found: object = torch.load(path, map_location="cpu", weights_only=weights_only)
        return found
    except Exception as error:  # whatever a damaged or hostile file makes of torch.load
        if weights_only and "eights only" in str(error):
            raise InputError(
                f"weights {path} hold more than tensors, which only running their code would read: give a "
                "state_dict, or --unpickle where you trust the file"
            ) from error
        raise InputError(f"weights {path} are not a whole PyTorch file: {str(error).splitlines()[0]}") from error


def mlp_of(weights: Weights, source: str) -> nn.Sequential:
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
