"""Embeddings that have a layer's weights: a file has them once, and what is loaded is what was saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from typer.testing import CliRunner

import eie
from eie.cli.commands import app
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.model.numerics import Formats
from eie.steps import Dense, Embedding, Reduction, Rows
from eie.storage.ties import stored_layers, ties

WORDS, WIDTH, TOKENS = 40, 12, 3


def tied(*, compressed: bool = True, rows: bool = False, same: bool = True) -> Network:
    """A lookup, the mean of what it finds, and a head with the same weights, or with one that differs."""
    rng = np.random.default_rng(0)
    codes = (rng.integers(1, 16, (WORDS, WIDTH)) * (rng.random((WORDS, WIDTH)) < 0.4)).astype(np.uint8)
    book = np.concatenate(([0], rng.normal(size=15))).astype(np.float32)
    other = codes.copy()
    if not same:
        other[np.nonzero(codes)[0][0], np.nonzero(codes)[1][0]] ^= 15
    bias = rng.normal(size=WORDS).astype(np.float32)
    head: Layer | Dense = Dense("head", book[codes], bias)
    table: Layer | Dense = Dense("words", np.ascontiguousarray(book[other].T), np.zeros(WIDTH, np.float32))
    if compressed:
        head = Layer("head", eie.encode(codes, book, n_pe=4), bias, formats=Formats(1, 2))
        matrix = eie.encode(np.ascontiguousarray(other.T), book, n_pe=3, index_bits=6)
        table = Layer("words", matrix, formats=Formats(3, 4, 12, 20))
    lookup = Embedding("words", TOKENS, table)
    if rows:
        return Network((lookup, Rows("head", TOKENS, head)), "tied")
    return Network((lookup, Reduction("mean", WIDTH, TOKENS), head), "tied")


def document_of(path: Path) -> dict[str, Any]:
    with safetensors.safe_open(path, "numpy") as file:
        document: dict[str, Any] = json.loads(file.metadata()["eie"])
        return document


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_weights_are_in_the_file_once(compressed: bool, rows: bool, packed: bool, tmp_path: Path) -> None:
    """The tensors are the head's alone; the lookup comes back as it was, its encoding and formats too."""
    network = tied(compressed=compressed, rows=rows)
    path, other = tmp_path / "tied.safetensors", tmp_path / "other.safetensors"
    eie.save(network, path, packed=packed)
    eie.save(tied(compressed=compressed, rows=rows, same=False), other, packed=packed)
    assert not any(name.startswith("layers.0.") for name in safetensors.numpy.load_file(path))
    assert path.stat().st_size < other.stat().st_size
    assert document_of(path)["format_version"] == 2
    found = eie.load(path)
    before, after = (one.steps[0].product for one in (network, found))
    if compressed:
        assert (after.matrix.n_pe, after.matrix.index_bits, after.formats) == (3, 6, before.formats)
        np.testing.assert_array_equal(after.matrix.entries, before.matrix.entries)
        np.testing.assert_array_equal(after.matrix.pointers, before.matrix.pointers)
    else:
        np.testing.assert_array_equal(after.weights, before.weights)
    x = np.random.default_rng(1).integers(0, WORDS, (5, TOKENS)).astype(np.float32)
    runs = [eie.InferenceSession(one, numerics="float32").run(x) for one in (network, found)]
    np.testing.assert_array_equal(*runs)


def test_only_what_is_the_same_is_tied() -> None:
    """One other weight, a bias, another codebook, or weights that are not compressed: each has its own."""
    assert ties(tied()) == {0: 2}
    assert [layer.name for layer in stored_layers(tied())] == ["head"]
    assert ties(tied(same=False)) == {}
    network = tied()
    lookup, mean, head = network.steps
    matrix = lookup.product.matrix
    bias = replace(lookup, product=replace(lookup.product, bias=np.ones(WIDTH, np.float32)))
    book = replace(lookup, product=replace(lookup.product, matrix=replace(matrix, codebook=matrix.codebook * 2)))
    dense = replace(lookup, product=Dense("words", matrix.dense(), np.zeros(WIDTH, np.float32)))
    for other in (bias, book, dense):
        changed = Network((other, mean, head), "other")
        assert ties(changed) == {}
        assert len(stored_layers(changed)) == len(changed.layers)


def test_the_sizes_of_inspect_count_it_once(tmp_path: Path) -> None:
    """The ratio is that of weights that are there once, in the file as in the model."""
    eie.save(tied(), tmp_path / "tied.safetensors", packed=True)
    done = CliRunner().invoke(app, ["inspect", str(tmp_path / "tied.safetensors"), "--json"])
    assert [layer["layer"] for layer in json.loads(done.stdout)["layers"]] == ["head"]
    done = CliRunner().invoke(app, ["inspect", str(tmp_path / "tied.safetensors")])
    assert "words has the weights of head, which are in the file once" in done.output


def change(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Edit a file's document."""
    document = document_of(path)
    edit(document)
    path.write_bytes(safetensors.numpy.save(safetensors.numpy.load_file(path), {"eie": json.dumps(document)}))


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        ({"of": 9}, "layer words: step 9 must be a linear layer without groups, but there is none"),
        ({"of": 1}, "layer words: step 1 must be a linear layer without groups, but mean is none"),
        ({"of": 0}, "layer words: step 0 must be a linear layer without groups, but words is none"),
        ({"of": -1}, "layers.0.embedding.product.transposed.of in the 'eie' document is wrong"),
        ({"n_pe": None}, "layer words has the weights of head: n_pe and index_bits must be given, since it is compr"),
        ({"n_pe": None, "index_bits": None}, "layer words has the weights of head: n_pe and index_bits must be given"),
        ({"n_pe": 2000}, "in the 'eie' document is wrong"),
        ({"sources": [0]}, "a layer inside a step has no sources of its own"),
        ({"relu": True}, "in the 'eie' document is wrong: Extra inputs are not permitted"),
    ],
)
def test_what_no_file_may_say_is_refused(edit: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    """In a sentence, whatever else the file has."""
    path = tmp_path / "tied.safetensors"
    eie.save(tied(), path)
    change(path, lambda document: document["layers"][0]["product"].update(edit))
    with pytest.raises(InputError) as error:
        eie.load(path)
    assert sentence in str(error.value)


def test_a_file_of_float32_weights_gives_no_encoding(tmp_path: Path) -> None:
    """And its tables are counted before they are made, however often they are named."""
    path = tmp_path / "tied.safetensors"
    eie.save(tied(compressed=False), path)
    with pytest.raises(InputError, match=r"may take [0-9,]* bytes, more than"):
        eie.load(path, budget_bytes=8 * WORDS * WIDTH - 1)
    change(path, lambda document: document["layers"][0]["product"].update(n_pe=4, index_bits=4))
    with pytest.raises(InputError, match="n_pe and index_bits must be null, since it is not compressed"):
        eie.load(path)


def test_a_matrix_turns_around() -> None:
    """Rows become columns, for other PEs and indices too, and back."""
    rng = np.random.default_rng(2)
    codes = (rng.integers(1, 8, (9, 14)) * (rng.random((9, 14)) < 0.3)).astype(np.uint8)
    matrix = eie.encode(codes, np.arange(8.0), n_pe=4, index_bits=2)
    turned = matrix.transpose(5, 1)
    assert (turned.n_pe, turned.index_bits, turned.shape) == (5, 1, (14, 9))
    np.testing.assert_array_equal(turned.decode(), codes.T)
    back = turned.transpose(4, 2)
    np.testing.assert_array_equal(back.entries, matrix.entries)
    assert (matrix.transpose().n_pe, matrix.transpose().index_bits) == (4, 2)
