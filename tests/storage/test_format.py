"""docs/format.md, sentence by sentence: each rule is broken alone, and the file refused for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import eie
from eie.errors import InputError
from eie.steps import Affine
from networks import image_network, sequence_network

Tensors = dict[str, np.ndarray]
Document = dict[str, Any]


def rewritten(path: Path, network: eie.Network, change: Callable[[Document, Tensors], None], packed: bool) -> None:
    """Save `network` with one thing about it changed."""
    eie.save(network, path, packed=packed)
    with safetensors.safe_open(path, framework="numpy") as file:
        document = json.loads(file.metadata()["eie"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a file is no mapping
    change(document, tensors)
    path.write_bytes(safetensors.numpy.save(tensors, {"eie": json.dumps(document)}))


# image_network: 0 convolution, 1 affine, 2 pooling, 3 winograd, 4 pooling, 5 linear, 6 activation, 7 dense, 8 linear.
def step(number: int, *way: str | int, **values: Any) -> Callable[[Document, Tensors], None]:
    """Change fields of one step, or of what lies `way` into it."""

    def change(document: Document, _: Tensors) -> None:
        place = document["layers"][number]
        for part in way:
            place = place[part]
        place.update(values)

    return change


def tensor(name: str, make: Callable[[np.ndarray], Any]) -> Callable[[Document, Tensors], None]:
    """Put another tensor in the place of `layers.name`."""

    def change(_: Document, tensors: Tensors) -> None:
        tensors[f"layers.{name}"] = np.ascontiguousarray(make(tensors[f"layers.{name}"]))

    return change


def both(*changes: Callable[[Document, Tensors], None]) -> Callable[[Document, Tensors], None]:
    """Make several changes."""

    def change(document: Document, tensors: Tensors) -> None:
        for one in changes:
            one(document, tensors)

    return change


def cut_places(rows: int) -> Callable[[Document, Tensors], None]:
    """Give Winograd's places, of no weights then, another number of rows."""
    return both(
        step(3, "places", outputs=rows),
        tensor("3.places.entries", lambda a: a[:0]),
        tensor("3.places.pointers", np.zeros_like),
    )


def filled(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the tensor with its last value changed."""

    def change(array: np.ndarray) -> np.ndarray:
        return np.append(array.ravel()[:-1], array.dtype.type(value)).reshape(array.shape)

    return change


RULES: dict[str, tuple[Callable[[Document, Tensors], None], str]] = {
    "format_version is 1, not true": (lambda d, t: d.update(format_version=True), "format_version in the 'eie'"),
    "format_version is 1, not 1.0": (lambda d, t: d.update(format_version=1.0), "format_version in the 'eie'"),
    "version 1 has no sources": (step(6, sources=[5]), "layer tanh needs format_version 2, not 1"),
    "version 1 has no later functions": (step(6, function="gelu"), "layer tanh needs format_version 2, not 1"),
    "version 1 has no later fields": (step(6, rows=1), "layer tanh needs format_version 2, not 1"),
    "version 1 has no later kinds": (
        lambda d, t: d["layers"].append({"kind": "sum", "name": "sum", "size": 2, "terms": 2}),
        "layer sum needs format_version 2, not 1",
    ),
    "layers: 1 or more": (lambda d, t: (d["layers"].clear(), t.clear()), "network images has no steps"),
    "outputs fit the next inputs": (step(6, size=11), "layer fc1 has 12 outputs, but tanh after it has 11 inputs"),
    "names differ": (step(5, name="conv1"), "network images has 2 layers called conv1"),
    "names inside steps differ": (step(5, name="conv2.3"), "network images has 2 layers called conv2.3"),
    "names are printable": (step(5, name="a\nb"), r"layers.5.linear.name in the 'eie' document is wrong: a name must"),
    "names are Unicode": (step(5, name="\ud800"), r"layers.5.linear.name in the"),
    "kind is known": (step(5, kind="cubic"), "layers.5 in the 'eie' document is wrong: "),
    "every field is required": (lambda d, t: d["layers"][6].pop("size"), "layers.6.activation.size in the"),
    "no other field": (step(6, more=1), "layers.6.activation.more in the"),
    "outputs: 1 or more": (step(5, outputs=0), "layers.5.linear.outputs in the"),
    "inputs: at most 2^24": (step(5, inputs=2**24 + 1), "layers.5.linear.inputs in the"),
    "n_pe: 1 or more": (step(5, n_pe=0), "layers.5.linear.n_pe in the"),
    "n_pe: at most 1024": (step(5, n_pe=1025), "layers.5.linear.n_pe in the"),
    "code_bits: at most 8": (step(5, code_bits=9), "layers.5.linear.code_bits in the"),
    "index_bits: 1 or more": (step(5, index_bits=0), "layers.5.linear.index_bits in the"),
    "relu is true or false": (step(5, relu=1), "layers.5.linear.relu in the"),
    "bias is one of three": (step(5, bias="some"), "layers.5.linear.bias in the"),
    "float32 bias has its tensor": (lambda d, t: t.pop("layers.5.bias"), "layer fc1: the tensor layers.5.bias is"),
    "no bias, no tensor": (step(5, bias="none"), "tensor layers.5.bias belongs to no layer"),
    "a shared bias has two tensors": (step(5, bias="shared"), "layer fc1: the tensor layers.5.bias_codebook is"),
    "formats within the datapath": (
        step(
            0,
            "product",
            formats=dict.fromkeys(("activation_fraction", "codebook_fraction", "value_bits", "accumulator_bits"), 1),
        ),
        "layer conv1: ",
    ),
    "a window fits its image": (step(2, "window", kernel=[9, 9]), "layer pool1: a window of 9 x 9 does not fit"),
    "a stride is 1 or more": (step(2, "window", stride=[0, 2]), "layer pool1: a window's stride must be 1 to 1024"),
    "padding is at most half a window": (step(2, "window", padding=[2, 2]), "layer pool1: pooling pool1: padding"),
    "an image has at most 2^24 values": (step(2, "image", height=2**22), "layer pool1: an image must have 1 to"),
    "the product fits the window": (step(0, "window", kernel=[3, 2]), "layer conv1: convolution conv1: its windows"),
    "winograd has sixteen formats": (lambda d, t: d["layers"][3]["formats"].pop(), "layers.3.winograd.formats in the"),
    "winograd: 17 rows": (cut_places(81), "layer conv2: its places must have 16 times as many rows as there are "),
    "winograd: rows without places": (cut_places(15), "layer conv2: its places must have 16 times as many rows"),
    "winograd: rows as the bias": (cut_places(96), "layer conv2: convolution conv2: place conv2.0 must be 5 x 6"),
    "winograd's places have no ReLU": (step(3, "places", relu=True), "layer conv2: its places must have no bias, no"),
    "winograd's places have no formats": (
        step(
            3,
            "places",
            formats={
                "activation_fraction": 1,
                "codebook_fraction": 1,
                "value_bits": 16,
                "accumulator_bits": 24,
            },
        ),
        "layer conv2: its places must have no bias, no ReLU and no formats",
    ),
    "winograd's bias is finite": (tensor("3.bias", filled(np.inf)), "layer conv2: convolution conv2: bias must be fin"),
    "a function is known": (step(6, function="gulp"), "layer tanh: activation tanh must be relu, sigmoid, tanh"),
    "scale is finite": (tensor("1.scale", filled(np.nan)), "layer norm: norm: scale and shift must be finite"),
    "shift is finite": (tensor("1.shift", filled(-np.inf)), "layer norm: norm: scale and shift must be finite"),
    "scale has a value per channel": (tensor("1.scale", lambda a: a[:-1]), "layer norm: norm: scale and shift must be"),
    "dense weights are finite": (tensor("7.weights", filled(np.nan)), "layer dense: weights and bias must be finite"),
    "dense weights are outputs x inputs": (tensor("7.weights", np.ravel), "layer dense: weights must be (outputs, "),
    "dense weights are F32": (tensor("7.weights", lambda a: a.astype(np.uint8)), "tensor layers.7.weights must be"),
    "codebook entry 0 is 0": (tensor("5.codebook", lambda a: a + 1), "layer fc1: codebook entry 0 must be 0"),
    "codebook is finite": (tensor("5.codebook", filled(np.nan)), "layer fc1: codebook must be finite"),
    "codebook has 2^code_bits values": (tensor("5.codebook", lambda a: a[:8]), "layer fc1: codebook must have shape"),
    "codebook is F32": (
        tensor("5.codebook", lambda a: a.astype(np.uint32)),
        "layer fc1: tensor layers.5.codebook must be float",
    ),
    "entries are U8": (tensor("5.entries", lambda a: a.astype(np.uint16)), "layer fc1: entries must be uint8, not"),
    "entries have one dimension": (tensor("5.entries", lambda a: a[None]), "layer fc1: entries must have shape (ent"),
    "pointers are U32": (tensor("5.pointers", lambda a: a.astype(np.uint16)), "layer fc1: pointers must be uint32"),
    "pointers have inputs + 1 columns": (tensor("5.pointers", lambda a: a[:, 1:]), "layer fc1: pointers must have sh"),
    "pointers start at 0": (tensor("5.pointers", lambda a: np.maximum(a, 1)), "layer fc1: not a valid encoding: "),
    "pointers end where entries do": (tensor("5.entries", lambda a: np.append(a, a[-1:])), "layer fc1: not a valid en"),
    "pointers never run backwards": (tensor("5.pointers", lambda a: a[:, ::-1]), "layer fc1: not a valid encoding: "),
    "an entry lies within its PE's rows": (tensor("5.entries", filled(0xF1)), "layer fc1: not a valid encoding: "),
    "padding is never a column's last": (tensor("5.entries", filled(0xF0)), "layer fc1: not a valid encoding: "),
    "padding has the largest index": (tensor("5.entries", lambda a: a & 0xF0), "layer fc1: not a valid encoding: "),
    "bias is finite": (tensor("5.bias", filled(np.nan)), "layer fc1: bias must be finite"),
    "bias has a value per output": (tensor("5.bias", lambda a: a[1:]), "layer fc1: bias must be float32 of shape"),
    "types are four": (tensor("5.entries", lambda a: a.astype(np.int8)), "tensor layers.5.entries has type I8"),
    "nothing else is in the file": (lambda d, t: t.update(more=np.zeros(1, np.uint8)), "tensor more belongs to no lay"),
    "a tensor has 1 or 2 dimensions": (
        tensor("5.bias", lambda a: a.reshape((12,) + (1,) * 40)),
        "tensor layers.5.bias",
    ),
}

PACKED: dict[str, tuple[Callable[[Document, Tensors], None], str]] = {
    "packed index_bits: at most 8": (step(5, "packed", index_bits=9), "layers.5.linear.packed.index_bits in the"),
    "packed entries: 0 or more": (step(5, "packed", entries=-1), "layers.5.linear.packed.entries in the"),
    "the bits hold the entries": (step(5, "packed", entries=10**7), "layer fc1: packed codes: 10000000 symbols do"),
    "the bits hold no more": (step(5, "packed", entries=1), "layer fc1: packed codes: there are "),
    "nothing after the bits": (tensor("5.gaps", lambda a: np.append(a, a[:1])), "layer fc1: packed gaps: there are "),
    "a length for each code": (tensor("5.codes", lambda a: a[:15]), "layer fc1: packed codes: there are 15 bytes"),
    "lengths make a prefix code": (tensor("5.codes", lambda a: np.concatenate((np.ones(16, np.uint8), a[16:]))),
        "layer fc1: packed codes: the code lengths are of no prefix code"),
    "a code has at most 24 bits": (tensor("5.codes", lambda a: np.concatenate((np.full(16, 25, np.uint8), a[16:]))),
        "layer fc1: packed codes: the code of symbol 0 has 25 bits, expected at most 24"),
    "no entry lies past the matrix": (step(5, outputs=1, bias="none"), "layer fc1: not a flat stream of 1 x "),
    "a shared bias has at most 256 values": (
        both(
            step(5, bias="shared"),
            lambda d, t: t.update({
                "layers.5.bias_codebook": np.zeros(257, np.float32), "layers.5.bias_codes": np.zeros(12, np.uint8),
            }),
        ),
        "layer fc1: bias_codebook must be 1 to 256 finite values, not 257",
    ),
    "a bias code is below the values": (
        both(
            step(5, bias="shared"),
            lambda d, t: t.update({
                "layers.5.bias_codebook": np.zeros(3, np.float32), "layers.5.bias_codes": np.full(12, 3, np.uint8),
            }),
        ),
        "layer fc1: bias_codes must be uint8 and below 3, the values of bias_codebook",
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", [*RULES, *PACKED])
def test_a_broken_rule_is_one_sentence(tmp_path: Path, rule: str) -> None:
    """It names the file, the layer, and what is wrong."""
    path = tmp_path / "model.safetensors"
    change, sentence = (RULES | PACKED)[rule]
    rewritten(path, image_network(), change, packed=rule in PACKED)
    with pytest.raises(InputError) as error:
        eie.load(path)
    assert str(error.value).startswith(f"{path}: {sentence}")
    assert len(str(error.value).splitlines()) == 1


def test_recurrent_products_have_four_outputs_per_hidden_value(tmp_path: Path) -> None:
    """The product of an LSTM takes features and state, and gives four gates."""
    path = tmp_path / "model.safetensors"
    rewritten(path, sequence_network(), step(0, features=7), packed=False)
    with pytest.raises(InputError, match="layer lstm: lstm: its product must take 7 features, 6 hidden values"):
        eie.load(path)


def test_the_metadata_has_one_key_once(tmp_path: Path) -> None:
    """Another key beside the document, and a field that is given twice, are refused."""
    path = tmp_path / "model.safetensors"
    eie.save(image_network(), path)
    with safetensors.safe_open(path, framework="numpy") as file:
        text = file.metadata()["eie"]
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a file is no mapping
    path.write_bytes(safetensors.numpy.save(tensors, {"eie": text, "format": "pt"}))
    with pytest.raises(InputError) as error:
        eie.load(path)
    assert str(error.value) == f"{path}: the metadata must have the one key 'eie', not 'format' as well"
    path.write_bytes(safetensors.numpy.save(tensors, {"eie": text.replace('"name"', '"name": "x", "name"', 1)}))
    with pytest.raises(InputError, match="the 'eie' document is not JSON: the key 'name' is there twice"):
        eie.load(path)


@pytest.mark.parametrize("shape", [[0] + [1] * 64, [0, 2**63], [0, 2**62, 4], []])
def test_shapes_that_numpy_cannot_have(tmp_path: Path, shape: list[int]) -> None:
    """65 dimensions, or one of 2^63, of a tensor without values."""
    path = tmp_path / "model.safetensors"
    eie.save(image_network(), path)
    data = path.read_bytes()
    header_bytes = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + header_bytes])
    end = len(data) - 8 - header_bytes
    header["layers.9.bias"] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + (0 if shape else 4)]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + header_bytes :] + (b"" if shape else bytes(4)))
    with pytest.raises(InputError, match=r"tensor layers.9.bias has .* dimensions"):
        eie.load(path)


def test_what_cannot_be_written_is_refused_before(tmp_path: Path) -> None:
    """A name that a file may not have is a sentence when saving, too, and nothing is written."""
    path = tmp_path / "model.safetensors"
    one = np.ones(1, np.float32)
    with pytest.raises(InputError) as error:
        eie.save(eie.Network((Affine("a\x1b[2J", 1, one, one),)), path)
    assert str(error.value) == (
        "a model file cannot hold network 'network': name in the 'eie' document is wrong: a name must have printable "
        "characters only, not 'a\\x1b[2J'"
    )
    assert not path.exists()
