"""The model file: what goes in comes out, nothing is copied, and a hostile or broken file is one sentence."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import eie
from eie.errors import InputError
from eie.model.numerics import Formats
from eie.storage import FORMAT_VERSION
from strategies import Case, examples, layers


def network() -> eie.Network:
    rng = np.random.default_rng(3)
    codes = np.where(rng.random((9, 12)) < 0.3, rng.integers(1, 16, (9, 12)), 0).astype(np.uint8)
    matrix = eie.encode(codes, np.concatenate(([0], rng.normal(size=15))), n_pe=4)
    square = eie.encode(codes[:, :9], np.arange(256), n_pe=2)
    bias = rng.normal(size=9).astype(np.float32)
    return eie.Network(
        (eie.Layer("hidden", matrix, bias, True, Formats(11, 14)), eie.Layer("out", square)), "two layers"
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    eie.save(network(), path)
    return path


def test_what_goes_in_comes_out(model: Path) -> None:
    """Every array and fact, 8-bit codes among them."""
    for before, after in zip(network(), eie.load(model), strict=True):
        assert (after.name, after.relu, after.formats) == (before.name, before.relu, before.formats)
        assert (after.matrix.shape, after.matrix.n_pe) == (before.matrix.shape, before.matrix.n_pe)
        assert np.array_equal(after.matrix.decode(), before.matrix.decode())
        assert np.array_equal(after.matrix.codebook, before.matrix.codebook)
        assert (after.bias is None) == (before.bias is None)
        assert after.bias is None or np.array_equal(after.bias, before.bias)
    assert eie.load(model).name == "two layers"


@given(case=layers(code_bits=(1, 8), index_bits=(1, 8)))
def test_any_layer_survives(tmp_path: Path, case: Case) -> None:
    """Empty layers, one PE, one weight: all come back as they were."""
    path = tmp_path / "layer.safetensors"
    eie.save(eie.Layer("layer", case.matrix), path)
    matrix = eie.load(path).layers[0].matrix
    assert np.array_equal(matrix.decode(), case.codes)


def test_loading_maps_the_file(model: Path) -> None:
    """Entries and pointers are views of the file, not copies."""
    for layer in eie.load(model):
        for array in (layer.matrix.entries, layer.matrix.pointers, layer.matrix.codebook):
            base: Any = array
            while isinstance(base.base, np.ndarray):
                base = base.base
            assert isinstance(base, np.memmap)


def test_a_failed_save_leaves_what_was_there(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk in the middle of writing is one sentence, and the old file stays whole."""
    before = model.read_bytes()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError) as error:
        eie.save(network(), model)
    assert str(error.value) == f"cannot write {model}: No space left on device"
    monkeypatch.undo()
    assert model.read_bytes() == before
    assert [path.name for path in model.parent.iterdir()] == [model.name]


def rewrite(path: Path, change: Callable[[dict[str, Any], dict[str, np.ndarray]], None]) -> None:
    """Change the document and the tensors of a model file and write it back."""
    with safetensors.safe_open(path, framework="numpy") as file:
        document = json.loads(file.metadata()["eie"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a file is no mapping
    change(document, tensors)
    path.write_bytes(safetensors.numpy.save(tensors, {"eie": json.dumps(document)}))


def layer_of(document: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = document["layers"][0]
    return first


HOSTILE: dict[str, tuple[Callable[[dict[str, Any], dict[str, np.ndarray]], Any], str]] = {
    "a version from the future": (
        lambda d, t: d.update(format_version=FORMAT_VERSION + 1),
        f"format version {FORMAT_VERSION + 1} is newer than this program, which reads up to {FORMAT_VERSION}: update ",
    ),
    "no version": (lambda d, t: d.pop("format_version"), f"format_version must be 1 to {FORMAT_VERSION}, not None"),
    "an unknown field": (
        lambda d, t: d.update(surprise=1),
        "surprise in the 'eie' document is wrong: Extra inputs are not permitted",
    ),
    "a field of the wrong type": (
        lambda d, t: layer_of(d).update(outputs="many"),
        "layers.0.linear.outputs in the 'eie' document is wrong: Input should be a valid integer",
    ),
    "too many PEs": (
        lambda d, t: layer_of(d).update(n_pe=4096),
        "layers.0.linear.n_pe in the 'eie' document is wrong: Input should be less than or equal to 1024",
    ),
    "a size that asks for terabytes": (
        lambda d, t: layer_of(d).update(inputs=2**40),
        "layers.0.linear.inputs in the 'eie' document is wrong: Input should be less than or equal to 16777216",
    ),
    "other sizes than the arrays": (
        lambda d, t: layer_of(d).update(inputs=13),
        "layer hidden: pointers must have shape (4, 14), not (4, 13)",
    ),
    "fewer outputs than rows": (
        lambda d, t: layer_of(d).update(outputs=5),
        "layer hidden: not a valid encoding: ",
    ),
    "a missing tensor": (
        lambda d, t: t.pop("layers.0.pointers"),
        "layer hidden: the tensor layers.0.pointers is missing",
    ),
    "a tensor too many": (
        lambda d, t: t.update({"layers.7.entries": np.zeros(1, np.uint8)}),
        "tensor layers.7.entries belongs to no layer",
    ),
    "a tensor of a foreign type": (
        lambda d, t: t.update({"layers.0.codebook": np.zeros(16)}),
        "tensor layers.0.codebook has type F64, expected one of U8, U16, U32, F32",
    ),
    "a pointer past the end": (
        lambda d, t: t["layers.0.pointers"].__setitem__((3, 12), 4_000_000_000),
        "layer hidden: not a valid encoding: pointer 12 of PE 3 is 4000000000, past the ",
    ),
    "a pointer that runs backwards": (
        lambda d, t: t["layers.0.pointers"].__setitem__((0, 1), 8_000),
        "layer hidden: not a valid encoding: pointer 1 of PE 0 is 8000, past the PE's last entry, ",
    ),
    "a codebook that is not finite": (
        lambda d, t: t["layers.0.codebook"].__setitem__(3, np.nan),
        "layer hidden: codebook must be finite, but some of its values are NaN or infinite",
    ),
    "a codebook without its zero": (
        lambda d, t: t["layers.0.codebook"].__setitem__(0, 1.0),
        "layer hidden: codebook entry 0 must be 0, the pruned weight, not 1.0",
    ),
    "a bias that is not finite": (
        lambda d, t: t["layers.0.bias"].__setitem__(0, np.inf),
        "layer hidden: bias must be finite, but some of it is NaN or infinite",
    ),
    "formats out of range": (
        lambda d, t: layer_of(d)["formats"].update(value_bits=99),
        "layer hidden: value_bits must be 2 to 16, not 99",
    ),
    "no layers": (
        lambda d, t: (d.update(layers=[]), t.clear()),
        "network two layers has no steps, expected at least one",
    ),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_files(model: Path, attack: str) -> None:
    """Each is refused in a sentence that names the file and the fault."""
    change, sentence = HOSTILE[attack]
    rewrite(model, lambda d, t: change(d, t))
    with pytest.raises(InputError) as error:
        eie.load(model)
    assert str(error.value).startswith(f"{model}: {sentence}")


@examples(200)
@given(data=st.data())
def test_any_damage_is_refused_or_harmless(model: Path, data: st.DataObject) -> None:
    """A file cut short, or with bytes changed anywhere, never gets further than a sentence or a valid network."""
    original = model.read_bytes()
    damaged = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = model.with_name("damaged.safetensors")
    path.write_bytes(damaged[: data.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged))))])
    try:
        loaded = eie.load(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        for layer in loaded:
            layer.matrix.decode()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "{path} is not a whole safetensors file: "),
        (b"not a model at all", "{path} is not a whole safetensors file: "),
        (struct.pack("<Q", 2**60), "{path} is not a whole safetensors file: "),
        (
            safetensors.numpy.save({"a": np.zeros(1, np.float32)}),
            "{path} is a safetensors file without an 'eie' document: not a model of ours",
        ),
        (
            safetensors.numpy.save({"a": np.zeros(1, np.float32)}, {"eie": "{"}),
            "{path}: the 'eie' document is not JSON: ",
        ),
        (
            safetensors.numpy.save({"a": np.zeros(1, np.float32)}, {"eie": "[" * 100_000}),
            "{path}: the 'eie' document is not JSON: ",
        ),
    ],
)
def test_foreign_files(tmp_path: Path, content: bytes, sentence: str) -> None:
    """The error distinguishes a file that is not a model from a broken model file."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        eie.load(path)
    assert str(error.value).startswith(sentence.format(path=path))


def test_missing_paths(tmp_path: Path) -> None:
    """A file that is not there, a folder in its place, a folder that is not there."""
    with pytest.raises(InputError) as error:
        eie.load(tmp_path / "none.safetensors")
    assert str(error.value) == f"model file {tmp_path / 'none.safetensors'} does not exist"
    with pytest.raises(InputError) as error:
        eie.load(tmp_path)
    assert str(error.value) == f"model file {tmp_path} is a folder, expected a file"
    with pytest.raises(InputError) as error:
        eie.save(network(), tmp_path / "no" / "model.safetensors")
    assert str(error.value) == (
        f"cannot write {tmp_path / 'no' / 'model.safetensors'}: the folder {tmp_path / 'no'} does not exist"
    )
    with pytest.raises(InputError) as error:
        eie.save(network(), tmp_path)
    assert str(error.value) == f"cannot write {tmp_path}: it is a folder, expected the name of a file"
