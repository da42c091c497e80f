"""Deep Compression's `.net` files: SqueezeNet byte for byte, any layers there and back, hostile files in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eie
from data_sets import DataSet
from eie.errors import InputError
from eie.exporters.dotnet import write_dotnet
from eie.importers.dotnet import Layout, load_layout, read_dotnet
from eie.storage.sizes import layer_size, total
from strategies import Case, layers


def test_squeezenet_byte_for_byte(data_set: DataSet, tmp_path: Path) -> None:
    """Read into our own form and written again, the file is the same; a third of 1,244,448 weights is kept."""
    path = data_set("squeezenet") / "compressed_SqueezeNet.net"
    found = read_dotnet(path, load_layout("squeezenet"))
    write_dotnet(found, tmp_path / "again.net")
    assert (tmp_path / "again.net").read_bytes() == path.read_bytes()
    size = total([layer_size(layer) for layer in found])
    assert size.weights == 1_244_448
    assert size.density == pytest.approx(0.334, abs=5e-4)
    assert size.bytes_pqh < path.stat().st_size  # with Huffman coding, and gaps of the best width


def layout_of(cases: list[Case], names: list[str]) -> Layout:
    return Layout.model_validate(
        {
            "layers": [
                {"name": name, "shape": case.matrix.shape, "code_bits": case.matrix.code_bits}
                for name, case in zip(names, cases, strict=True)
            ]
        }
    )


@given(cases=st.lists(st.one_of(layers(code_bits=(4, 4)), layers(code_bits=(8, 8))), min_size=1, max_size=3))
def test_any_layers_come_back(tmp_path: Path, cases: list[Case]) -> None:
    """Of 4 or 8 bits, empty ones and odd numbers of entries too."""
    names = [f"layer{number}" for number in range(len(cases))]
    written = [eie.Layer(name, case.matrix, None) for name, case in zip(names, cases, strict=True)]
    write_dotnet(written, tmp_path / "a.net")
    found = read_dotnet(tmp_path / "a.net", layout_of(cases, names), n_pe=3)
    for case, layer in zip(cases, found, strict=True):
        assert np.array_equal(layer.matrix.decode(), case.codes)
        assert np.array_equal(layer.matrix.codebook, case.matrix.codebook)
        assert layer.bias is not None
        assert not layer.bias.any()
    write_dotnet(found, tmp_path / "b.net")
    assert (tmp_path / "a.net").read_bytes() == (tmp_path / "b.net").read_bytes()


LAYOUT = Layout.model_validate(
    {"layers": [{"name": "a", "shape": (3, 2), "code_bits": 4}, {"name": "b", "shape": (2, 3), "code_bits": 8}]}
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    a = eie.Layer("a", eie.encode(np.ones((3, 2), np.uint8), np.arange(16), n_pe=1))
    b = eie.Layer("b", eie.encode(np.ones((2, 3), np.uint8), np.arange(256), n_pe=1))
    write_dotnet((a, b), tmp_path / "small.net")
    return tmp_path / "small.net"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data[:5], "it ends at byte 5, within the numbers of entries, which take bytes 0 to 8"),
        (lambda data: data[:40], "it ends at byte 40, within the codebook of a, which take bytes 8 to 72"),
        (lambda data: data + b"\0\0", "it has 2 bytes too many"),
        (
            lambda data: b"\xff\xff\xff\xff" + data[4:],
            "it ends at byte 1131, within the codes of a, which take bytes 84 to 2147483732",
        ),
        (
            lambda data: data[:87] + b"\xff" + data[88:],
            "layer a: not a flat stream of 3 x 2 weights: entry 0 lies past the last of the matrix's 3 rows",
        ),
        (
            lambda data: data[:8] + b"\0\0\x80\x3f" + data[12:],
            "layer a: codebook entry 0 must be 0, the pruned weight, not 1.0",
        ),
    ],
)
def test_hostile_files(small: Path, change: object, sentence: str) -> None:
    """Cut short, too long, or with entries that cannot be: the file, the layer and the place."""
    small.write_bytes(change(small.read_bytes()))  # type: ignore[operator]
    with pytest.raises(InputError) as error:
        read_dotnet(small, LAYOUT)
    assert str(error.value) == f"{small} is not a .net file of this layout: {sentence}"


def test_refusals(tmp_path: Path) -> None:
    """Codes of other bits, and layouts that are not there."""
    with pytest.raises(InputError) as error:
        write_dotnet([eie.Layer("a", eie.encode(np.ones((2, 2), np.uint8), np.arange(8), n_pe=1))], tmp_path / "a.net")
    assert str(error.value) == "layer a has codes of 3 bits, and .net holds 4 or 8"
    with pytest.raises(InputError) as error:
        load_layout("alexnet")
    assert str(error.value) == "there is no layout called alexnet: it must be squeezenet or a TOML file"


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ("{name='a',shape=[2,3],code_bits=4},{name='a',shape=[2,3],code_bits=4}", "2 layers are called 'a', expected"),
        (
            "{name='a',shape=[2,16777216,16777216],code_bits=4}",
            "layer 'a' has 281474976710656 inputs, expected 16777216 at most",
        ),
    ],
)
def test_layouts_that_no_file_has(tmp_path: Path, layers: str, sentence: str) -> None:
    """Two layers of one name, of which one would be lost; and inputs without end."""
    path = tmp_path / "layout.toml"
    path.write_text(f"layers = [{layers}]")
    with pytest.raises(InputError) as error:
        load_layout(str(path))
    assert str(error.value).startswith(f"layout {path}: {sentence}")
