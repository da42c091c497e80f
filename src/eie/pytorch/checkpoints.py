"""Weights by name from a checkpoint, read one tensor at a time, the masks of whoever pruned them applied."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import safetensors
import torch

from eie.errors import InputError
from eie.support.numpy_files import read_npz
from eie.support.output_files import existing_file

__all__ = ["WEIGHT_FILES", "Weights", "open_weights", "torch_load"]

WEIGHT_FILES = (".safetensors", ".npz", ".pt", ".pth", ".bin")
INDEX = ".index.json"  # of a checkpoint in several files, as the packages transformers and accelerate write it
IN_A_FOLDER = ("model.safetensors", f"model.safetensors{INDEX}", "pytorch_model.bin", f"pytorch_model.bin{INDEX}")

Read = Callable[[], torch.Tensor]

# How pruned tensors are kept: a pattern of the mask's name, and the names of what it masks and of the result.
_MASKS = (
    # torch.nn.utils.prune
    (re.compile(r"(.*?)([^.]+)_mask"), "{0}{1}_orig", "{0}{1}"),
    # torch.nn.utils.parametrize with a mask, as torch.ao.pruning and this package write it
    (re.compile(r"(.*?)parametrizations\.([^.]+)\.0\.mask"), "{0}parametrizations.{1}.original", "{0}{1}"),
    # NNCF's hooks, with colons for the dots of the masked name
    (re.compile(r"(?:.*\.)?__nncf_hooks\.post_hooks\.([^.]+)__0\.\d+\._?binary_mask()"), "{0}", "{0}"),
    # NNCF's wrapped layers
    (re.compile(r"(.*?)pre_ops\.\d+\.op\._?binary_mask()"), "{0}weight", "{0}weight"),
)


class Weights(Mapping[str, torch.Tensor]):
    """Tensors by name, each read from `source` when it is asked for; `ordered` if the file keeps the model's order."""

    def __init__(self, source: Path, reads: Mapping[str, Read], ordered: bool) -> None:
        self.source, self.ordered = source, ordered
        self._reads = _unmasked(source, reads)

    def __getitem__(self, name: str) -> torch.Tensor:
        """Read one tensor."""
        return self._reads[name]()

    def __contains__(self, name: object) -> bool:
        """Whether there is such a tensor; it is not read."""
        return name in self._reads

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in the file's order."""
        return iter(self._reads)

    def __len__(self) -> int:
        """The number of tensors."""
        return len(self._reads)


def _unmasked(source: Path, reads: Mapping[str, Read]) -> dict[str, Read]:
    """Return `reads` with every masked tensor in place of its original, at its place, and without the masks."""
    found = dict(reads)
    for mask in reads:
        for pattern, original_name, plain_name in _MASKS:
            match = pattern.fullmatch(mask)
            if match is None:
                continue
            parts = [part.replace(":", ".") for part in match.groups()]
            original, plain = original_name.format(*parts), plain_name.format(*parts)
            if original not in reads:
                continue
            found = {
                plain if name == original else name: _masked(source, reads[original], reads[mask], original, mask)
                if name == original
                else read
                for name, read in found.items()
                if name != mask
            }
            break
    return found


def _masked(source: Path, read: Read, read_mask: Read, original: str, mask: str) -> Read:
    def product() -> torch.Tensor:
        weights, kept = read(), read_mask()
        if weights.shape != kept.shape:
            raise InputError(
                f"weights {source}: the mask {mask} has the shape {tuple(kept.shape)}, expected {tuple(weights.shape)} "
                f"as {original} has"
            )
        return weights * kept.to(weights.dtype)

    return product


def open_weights(path: str | Path) -> Weights:
    """Return the named tensors of a checkpoint, each read when it is asked for.

    `path` is a .safetensors, .npz, .pt, .pth or .bin file, the index of one in several files (*.index.json), or a
    folder with either under the names that Hugging Face gives them. Masks that torch.nn.utils.prune,
    torch.nn.utils.parametrize and NNCF keep beside the weights are applied. Nothing is unpickled but tensors. Raises
    InputError where it is none of them.
    """
    path = Path(path)
    if path.is_dir():
        path = next((path / name for name in IN_A_FOLDER if (path / name).exists()), path / IN_A_FOLDER[0])
    existing_file(path, "weights")
    if path.name.endswith(INDEX):
        return _sharded(path)
    if path.suffix == ".safetensors":
        return Weights(path, _safetensors(path), ordered=False)
    if path.suffix == ".npz":
        arrays = read_npz(path, "file of weights")
        try:
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        except (TypeError, ValueError) as error:  # numbers of a kind that PyTorch has not
            raise InputError(f"weights {path} are not a whole .npz file of numbers: {error}") from error
        return Weights(path, _at_hand(tensors), ordered=True)
    if path.suffix not in WEIGHT_FILES:
        raise InputError(f"a file of weights must end in {', '.join(WEIGHT_FILES)}, not {path.name}")
    found = torch_load(path, weights_only=True)
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
    return Weights(path, _at_hand(found), ordered=True)


def _at_hand(tensors: Mapping[str, torch.Tensor]) -> dict[str, Read]:
    return {name: lambda tensor=tensor: tensor for name, tensor in tensors.items()}  # type: ignore[misc]


def _safetensors(path: Path) -> dict[str, Read]:
    def read(name: str) -> torch.Tensor:
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                tensor: torch.Tensor = file.get_tensor(name)
                return tensor
        except (safetensors.SafetensorError, ValueError, TypeError, OSError) as error:
            raise InputError(f"weights {path}: {name} cannot be read: {error}") from error

    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return {name: lambda name=name: read(name) for name in file.keys()}  # type: ignore[misc]  # noqa: SIM118
    except (safetensors.SafetensorError, ValueError, TypeError, OSError) as error:
        raise InputError(f"weights {path} are not a whole {path.suffix} file of numbers: {error}") from error


def _sharded(index: Path) -> Weights:
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        shards = {name: str(file) for name, file in places.items()}
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise InputError(f"weights {index} are not the index of a checkpoint, with a weight_map: {error}") from error
    reads: dict[str, Read] = {}
    opened: dict[str, Weights] = {}
    for name, file in shards.items():
        if Path(file).name != file:
            raise InputError(f"weights {index} name the file {file!r}, expected one beside the index")
        if file not in opened:
            opened[file] = open_weights(index.with_name(file))
        if name not in opened[file]._reads:
            raise InputError(f"weights {index} say that {name} is in {file}, which has none of that name")
        reads[name] = opened[file]._reads[name]
    return Weights(index, reads, ordered=False)


def torch_load(path: Path, *, weights_only: bool) -> object:
    """Return what a file of torch.save holds. Raises InputError where it is damaged, or holds code unasked."""
    try:
        mapped = weights_only and zipfile.is_zipfile(path)  # the form of before PyTorch 1.6 cannot be
        found: object = torch.load(path, map_location="cpu", weights_only=weights_only, mmap=mapped or None)
        return found
    except Exception as error:  # whatever a damaged or hostile file makes of torch.load
        if weights_only and "eights only" in str(error):
            raise InputError(
                f"weights {path} hold more than tensors, which only running their code would read: give a "
                "state_dict, or --unpickle where you trust the file"
            ) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"weights {path} are not a whole PyTorch file: {reason}") from error
