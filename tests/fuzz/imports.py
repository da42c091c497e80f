"""Files from elsewhere: `.net`, the authors' streams, ONNX, .npz of weights, .npy of inputs, Liberty."""

from __future__ import annotations

import io
import json
import random
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper

import eie
from eie.errors import EieError
from eie.exporters.dotnet import write_dotnet
from eie.exporters.onnx import onnx_model
from eie.importers.dotnet import Layout, read_dotnet
from eie.importers.eie_simulator import read_eie_simulator
from eie.pytorch.onnx import read_onnx
from eie.pytorch.sources import load_model
from eie.silicon.liberty import read_library
from eie.support.numpy_files import read_npy
from eie.workloads.data import load_data
from fuzz.mutators import FLOATS, INTEGERS, TEXTS, mutate_bytes, mutate_text
from fuzz.target import Target, check_sentence
from networks import image_network

__all__ = ["DotNet", "Liberty", "Npy", "Npz", "Onnx", "Streams"]


class DotNet(Target):
    """read_dotnet: what it reads is written back byte for byte, or has other padding bits."""

    name = "dotnet"
    layout = Layout.model_validate(
        {"layers": [{"name": "a", "shape": [6, 5], "code_bits": 4}, {"name": "b", "shape": [3, 2, 3], "code_bits": 8}]}
    )

    def seeds(self) -> list[bytes]:
        """Return a file of two layers."""
        rng = np.random.default_rng(1)
        layers = []
        for one, outputs, inputs in (("a", 6, 5), ("b", 3, 6)):
            bits = 4 if one == "a" else 8
            codes = np.where(rng.random((outputs, inputs)) < 0.4, rng.integers(1, 2**bits, (outputs, inputs)), 0)
            layers.append(eie.Layer(one, eie.encode(codes, np.arange(2**bits)), np.ones(outputs, np.float32)))
        write_dotnet(layers, self.folder / "seed.net")
        return [(self.folder / "seed.net").read_bytes()]

    def read(self, data: bytes) -> None:
        """Read, validate, write and read again."""
        layers = read_dotnet(self.path("x.net", data), self.layout, 2)
        write_dotnet(layers, self.folder / "y.net")
        for one, other in zip(layers, read_dotnet(self.folder / "y.net", self.layout, 2), strict=True):
            one.matrix.validate()
            assert np.array_equal(one.matrix.decode(), other.matrix.decode())


class Streams(Target):
    """read_eie_simulator; a document of the files' bytes in hexadecimal stands for the folder."""

    name = "streams"

    def seeds(self) -> list[bytes]:
        """Return a layer of two PEs, with and without a bias column."""
        rng = np.random.default_rng(1)
        codes = np.where(rng.random((9, 4)) < 0.5, rng.integers(1, 16, (9, 4)), 0)
        matrix = eie.encode(codes, np.arange(16), 2)
        files = {"act.dat": rng.normal(size=4).astype("<f4"), "arithm.dat": np.arange(16, dtype="<f4")}
        for pe in range(2):
            own = slice(*matrix.slice_starts[pe : pe + 2])
            pairs = np.stack((matrix.codes[own], matrix.relative_indices[own]), axis=1)
            files |= {f"ptr/ptr{pe}.dat": matrix.pointers[pe].astype("<u4"), f"spm/spm{pe}.dat": pairs.astype("<u4")}
        document = {name: array.tobytes().hex() for name, array in files.items()}
        return [json.dumps(document).encode(), json.dumps(document | {"act.dat": document["act.dat"][8:]}).encode()]

    def mutate(self, data: bytes, random: random.Random) -> bytes:
        """Change the bytes of one file."""
        files = json.loads(data)
        name = random.choice(list(files))
        files[name] = mutate_bytes(bytes.fromhex(files[name]), random, keep_size=random.randrange(3) > 0).hex()
        return json.dumps(files).encode()

    def read(self, data: bytes) -> None:
        """Read the folder, and save what it holds."""
        folder = self.folder / "streams"
        try:
            files = {name: bytes.fromhex(text) for name, text in json.loads(data).items()}
        except (ValueError, AttributeError, TypeError):
            return
        for part in ("ptr", "spm"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for name in ("act.dat", "arithm.dat", *(f"{part}/{part}{pe}.dat" for part in ("ptr", "spm") for pe in (0, 1))):
            (folder / name).write_bytes(files.get(name, b""))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            network, _ = read_eie_simulator(folder)
        eie.save(network, self.folder / "streams.safetensors")
        eie.load(self.folder / "streams.safetensors")


class Onnx(Target):
    """read_onnx: a module that PyTorch can print."""

    name = "onnx"

    def seeds(self) -> list[bytes]:
        """Return what we write."""
        return [onnx_model(image_network(winograd=False)).SerializeToString()]

    def mutate(self, data: bytes, random: random.Random) -> bytes:
        """Change a field of any message, which the wire format survives, or a byte."""
        if random.randrange(5) == 0:
            return mutate_bytes(data, random)
        model = onnx.ModelProto()
        model.ParseFromString(data)
        for _ in range(random.choice((1, 1, 2, 3))):
            _mutate_message(random.choice(list(_messages(model))), random)
        return bytes(model.SerializeToString())

    def read(self, data: bytes) -> None:
        """Read it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            str(read_onnx(self.path("x.onnx", data)))


def _messages(message: Any) -> Any:
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for one in value if field.is_repeated else [value]:
                yield from _messages(one)


def _mutate_message(message: Any, random: random.Random) -> None:
    field = random.choice(message.DESCRIPTOR.fields)
    name, whole = field.name, getattr(message, field.name)
    try:
        if field.is_repeated and len(whole) and random.randrange(3) == 0:
            del whole[random.randrange(len(whole))]
        elif field.message_type is not None:
            if not field.is_repeated:
                message.ClearField(name) if random.randrange(2) else whole.SetInParent()
            elif len(whole):
                whole.append(random.choice(list(whole)))
        else:
            old = (
                random.choice(list(whole)) if field.is_repeated and len(whole) else None if field.is_repeated else whole
            )
            values: list[Any] = [*INTEGERS, *FLOATS, *TEXTS, *(text.encode("utf-8", "replace") for text in TEXTS)]
            if isinstance(old, bytes):
                values = [mutate_bytes(old, random, keep_size=bool(random.randrange(2)))]
            elif isinstance(old, str):
                values = [mutate_text(old, random), *TEXTS]
            elif isinstance(old, int):
                values = [old + 1, old - 1, *INTEGERS]
            new = random.choice(values)
            if not field.is_repeated:
                setattr(message, name, new)
            elif len(whole) and random.randrange(2):
                whole[random.randrange(len(whole))] = new
            else:
                whole.append(new)
    except (TypeError, ValueError, OverflowError, UnicodeError):
        return  # a value that the field does not take


class Npz(Target):
    """Weights and data as .npz: a row of linear layers, or labelled inputs."""

    name = "npz"

    def seeds(self) -> list[bytes]:
        """Return weights and data, stored and deflated."""
        rng = np.random.default_rng(1)
        weights = {"a.weight": rng.normal(size=(3, 4)), "a.bias": np.ones(3), "b.weight": np.ones((2, 3), np.float32)}
        x, y = rng.integers(0, 255, (12, 4)).astype(np.uint8), np.arange(12)
        found = []
        for arrays in (weights, {"x_train": x, "y_train": y, "x_test": x, "y_test": y}):
            for write in (np.savez, np.savez_compressed):
                file = io.BytesIO()
                write(file, **arrays)
                found.append(file.getvalue())
        return found

    def mutate(self, data: bytes, random: random.Random) -> bytes:
        """Change a member inside its archive, its name, or any byte of the archive."""
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = random.choice(list(members))
        if random.randrange(3) == 0:
            return mutate_bytes(data, random)
        member = _mutate_npy(members.pop(name), random)
        members[mutate_text(name, random) if random.randrange(6) == 0 else name] = member
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(name.encode("utf-8", "replace").decode() or "x", content)
        return file.getvalue()

    def read(self, data: bytes) -> None:
        """Read it as both."""
        path = self.path("x.npz", data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                load_model(str(path))
            except EieError as error:
                check_sentence(error)
            load_data(path)


class Npy(Target):
    """Inputs as .npy."""

    name = "npy"

    def seeds(self) -> list[bytes]:
        """Return a vector, a batch, numbers of the other byte order, and text."""
        found = []
        for array in (
            np.ones(9),
            np.ones((2, 9), np.float32),
            np.ones(9, ">i4"),
            np.array(["a"]),
            np.ones((3, 3), "F"),
        ):
            file = io.BytesIO()
            np.save(file, array)
            found.append(file.getvalue())
        return found

    def mutate(self, data: bytes, random: random.Random) -> bytes:
        """Change the header's text, its length kept true, or any byte."""
        return _mutate_npy(data, random)

    def read(self, data: bytes) -> None:
        """Read it and run a layer on it."""
        layer = eie.Layer("fc", eie.encode(np.ones((2, 9), np.uint8), [0, 1], 1))
        inputs = read_npy(self.path("x.npy", data), "input file")
        eie.InferenceSession(eie.Network((layer,)), kernel="columns").run(inputs)


def _mutate_npy(data: bytes, random: random.Random) -> bytes:
    if random.randrange(2) or len(data) < 10:
        return mutate_bytes(data, random)
    length = int.from_bytes(data[8:10], "little")
    text = data[10 : 10 + length].decode("latin-1")
    numbers = [str(one) for one in (*INTEGERS, "(1,)", "()", "'O'", "'<f4'", "'<U9'", "'|V0'", "'>f8'", "True", "[1]")]
    for old in ("(", "'<f8'", "'<f4'", "False", "9", "3", "descr"):
        if old in text and random.randrange(3) == 0:
            text = text.replace(old, old + random.choice(numbers) if old == "(" else random.choice(numbers), 1)
    if random.randrange(3) == 0:
        text = mutate_text(text, random)
    raw = text.encode("latin-1", "replace")[:60_000]
    return data[:8] + len(raw).to_bytes(2, "little") + raw + data[10 + length :]


LIBRARY = """library (small) {
  nom_voltage : 1.1;
  capacitive_load_unit (1, ff);
  cell (INV_X1) {
    cell_leakage_power : 14.3;
    pin (A) { direction : input; capacitance : 1.7; }
    pin (ZN) {
      direction : output;
      internal_power () {
        rise_power (p) { index_1 ("0.001, 0.1"); index_2 ("0.3, 60"); values ("0.1, 0.2", "0.3, 0.4"); }
        fall_power (p) { index_1 ("0.001, 0.1"); values ("0.1, 0.2"); }
      }
    }
  }
  cell (DFF_X1) {
    ff (IQ, IQN) { next_state : "D"; clocked_on : "CK"; }
    pin (CK) { direction : input; clock : true; capacitance : 0.9; }
  }
}
"""


class Liberty(Target):
    """read_library: a cell library's text."""

    name = "liberty"

    def seeds(self) -> list[bytes]:
        """Return two cells."""
        return [LIBRARY.encode()]

    def mutate(self, data: bytes, random: random.Random) -> bytes:
        """Change a word, a line or a byte."""
        return mutate_text(data.decode("utf-8", "replace"), random).encode("utf-8", "surrogatepass")

    def read(self, data: bytes) -> None:
        """Read it, and look every table up."""
        library = read_library(data.decode("utf-8", "replace"), Path("x.lib"))
        for cell in library.cells.values():
            for pin in cell.pins.values():
                assert pin.energy is None or np.isfinite(pin.energy.at(1.0))
                assert np.isfinite(pin.capacitance)
            assert np.isfinite(cell.leakage)
