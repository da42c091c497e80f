"""Model files, plain and packed: what loads must validate, be measured, run as the reference, and be saved again."""

from __future__ import annotations

import json
import random
import warnings
from typing import Any

import numpy as np

import eie
from eie.engine.chain import Chain
from eie.model.network import Layer, Network
from eie.model.reference import float_layer
from eie.program.arithmetic import chip_layer
from eie.storage.sizes import layer_size
from fuzz.mutators import INTEGERS, mutate_bytes, mutate_tree
from fuzz.target import Target
from networks import carrying_network, graph_network, image_network, sequence_network

__all__ = ["ModelFiles", "check_layer"]

LARGEST_RUN = 100_000  # numbers that a run may make here: what is accepted is run, thousands of times


class ModelFiles(Target):
    """eie.load."""

    name = "model"

    def seeds(self) -> list[bytes]:
        """Return every kind of step, plain and packed, with and without formats."""
        found = []
        rng = np.random.default_rng(1)
        codes = np.where(rng.random((9, 12)) < 0.3, rng.integers(1, 16, (9, 12)), 0)
        small = Layer("fc", eie.encode(codes, np.linspace(-1, 1, 16) * (np.arange(16) > 0), 2), relu=True)
        wide = Layer("wide", eie.encode(codes[:, :9], np.arange(256), 3, 8), np.ones(9, np.float32))
        small_images = eie.calibrate(image_network(), rng.normal(size=(4, 128)))
        graph = graph_network()
        networks = [Network((small, wide), "two"), sequence_network(), small_images, image_network(winograd=False)]
        networks += [carrying_network(), graph, eie.calibrate(graph, [0, 6, 3])]
        for network in networks:
            for packed in (False, True):
                path = self.folder / "seed.safetensors"
                eie.save(network, path, packed=packed)
                found.append(path.read_bytes())
        return found

    def mutate(self, data: bytes, random: random.Random) -> bytes:
        """Change the document, a tensor, a shape or any byte; all but the last get past the container's checks."""
        kind = random.randrange(8)
        header, tensors = split(data)
        document = json.loads(header["__metadata__"]["eie"])
        if kind < 3:
            header["__metadata__"]["eie"] = json.dumps(mutate_tree(document, random))
        elif kind < 6 and tensors:
            name = random.choice(list(tensors))
            tensors[name] = mutate_bytes(tensors[name], random, keep_size=kind < 5)
            if kind == 5:
                header[name]["shape"] = _shape(len(tensors[name]), header[name]["shape"], random)
        elif kind == 6 and tensors:
            name = random.choice(list(tensors))
            header[name] = mutate_tree(header[name], random)
        else:
            return mutate_bytes(data, random)
        return join(header, tensors)

    def read(self, data: bytes) -> None:
        """Load, validate, measure, run beside the reference, save, and load again."""
        network = eie.load(self.path("x.safetensors", data))
        for layer in network.layers:
            layer.matrix.validate()
            layer_size(layer)
            check_layer(layer, np.random.default_rng(len(data)))
        if sum(step.working_values for step in network) < LARGEST_RUN:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                eie.InferenceSession(network, numerics="float32", kernel="columns").run(
                    np.ones(network.inputs, np.float32)
                )
        again = self.folder / "again.safetensors"
        eie.save(network, again)
        for before, after in zip(network.layers, eie.load(again).layers, strict=True):
            assert np.array_equal(before.matrix.entries, after.matrix.entries)
            assert before.formats == after.formats


def check_layer(layer: Layer, rng: np.random.Generator) -> None:
    """Assert that a layer's outputs are the reference's: in float to rounding, on the chip bit for bit."""
    if layer.inputs + layer.outputs > LARGEST_RUN:
        return
    x = rng.integers(-3, 4, layer.inputs).astype(np.float32)
    out = np.empty((1, layer.outputs), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = float_layer(layer, x[None].astype(np.float64))
        absolute = eie.InterleavedCSC(
            layer.matrix.shape, layer.matrix.n_pe, layer.matrix.index_bits, layer.matrix.code_bits,
            np.abs(layer.matrix.codebook), layer.matrix.entries, layer.matrix.pointers,
        )  # fmt: skip
        scale = float_layer(
            Layer("scale", absolute, None if layer.bias is None else np.abs(layer.bias)), np.abs(x)[None]
        )
        Chain([layer], "float32", 1, "").run(x[None], out)
        near = np.abs(out - expected) <= 1e-5 * scale + 1e-30
    assert np.all(near | (scale > 1e37)), "a float32 session differs from the reference"
    if layer.formats is None or abs(layer.formats.activation_fraction) > 20 or abs(layer.formats.output_fraction) > 90:
        return
    overflows = np.zeros(1, np.uint64)
    limit = 2 ** (layer.formats.value_bits - 1) - 1
    activations = np.clip(rng.integers(-50, 50, layer.inputs), -limit - 1, limit)
    Chain([layer], "chip", 1, "").run(
        np.ldexp(activations, -layer.formats.activation_fraction).astype(np.float32)[None], out, overflows
    )
    reference = chip_layer(layer, activations)
    assert np.array_equal(np.ldexp(out[0].astype(np.float64), layer.formats.output_fraction), reference.values)
    assert int(overflows[0]) == reference.overflows


def split(data: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return a safetensors file's header and every tensor's bytes."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    offsets = {name: facts["data_offsets"] for name, facts in header.items() if name != "__metadata__"}
    return header, {name: body[first:end] for name, (first, end) in offsets.items()}


def join(header: dict[str, Any], tensors: dict[str, bytes]) -> bytes:
    """Return the file again, offsets as the tensors' sizes now are."""
    at = 0
    for name, data in tensors.items():
        if isinstance(header.get(name), dict):
            header[name]["data_offsets"] = [at, at + len(data)]
        at += len(data)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(tensors.values())


def _shape(size: int, shape: list[int], random: random.Random) -> list[int]:
    if random.randrange(4) == 0:
        return [random.choice(INTEGERS[:8]) for _ in range(random.choice((1, 2, 3, 65)))]
    width = shape[-1] if len(shape) == 2 and shape[-1] and size % shape[-1] == 0 else 1
    return [size // width, width] if len(shape) == 2 else [size]
