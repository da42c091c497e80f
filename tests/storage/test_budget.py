"""What a file may cost is known before it is paid, and too much is refused in a sentence."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import eie
from eie.encoding.flat import flatten
from eie.errors import InputError
from eie.steps import Activation, Convolution, Image, Pooling, Window
from eie.storage import huffman
from eie.storage.sizes import layer_size
from eie.support.budget import BUDGET_BYTES, budget

ADVICE = "where you trust it, set the environment variable EIE_BUDGET_BYTES"


def write_empty(path: Path, *, outputs: int, inputs: int, n_pe: int, layers: int = 1, **others: Any) -> None:
    """Write a packed model without a weight: a few hundred bytes of whatever size the document says."""
    linear = {
        "kind": "linear",
        "outputs": outputs,
        "inputs": inputs,
        "n_pe": n_pe,
        "code_bits": 1,
        "index_bits": 8,
        "packed": {"index_bits": 1, "entries": 0},
        "relu": False,
        "bias": "none",
        "formats": None,
    } | others
    tensors = {}
    for number in range(layers):
        tensors[f"layers.{number}.codebook"] = np.zeros(2, np.float32)
        for part in ("codes", "gaps"):
            tensors[f"layers.{number}.{part}"] = huffman.encode(np.zeros(0, np.uint8), 2)
    document = {"format_version": 1, "name": "small", "layers": [linear | {"name": f"{n}"} for n in range(layers)]}
    path.write_bytes(safetensors.numpy.save(tensors, {"eie": json.dumps(document)}))


def test_a_small_file_of_gigabytes_is_refused_at_once(tmp_path: Path) -> None:
    """2^20 inputs on 1024 PEs are 4 GB of pointers: refused within the memory of a program that does nothing."""
    path = tmp_path / "small.safetensors"
    write_empty(path, outputs=16, inputs=2**20, n_pe=1024)
    assert path.stat().st_size < 700
    program = (
        f"import eie, resource\nresource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\n"
        f"try: eie.load({str(path)!r})\nexcept eie.errors.InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith(f"{path}: loading and running it may take 4,294,9")
    assert done.stdout.rstrip().endswith(f"more than the budget of {BUDGET_BYTES:,}: {ADVICE}")
    assert done.stdout.count("\n") == 1


def test_the_budget_is_the_whole_files(tmp_path: Path) -> None:
    """Layers that would each pass are refused together."""
    path = tmp_path / "many.safetensors"
    write_empty(path, outputs=1000, inputs=1000, n_pe=64, layers=10)
    one = tmp_path / "one.safetensors"
    write_empty(one, outputs=1000, inputs=1000, n_pe=64)
    assert eie.load(one, budget_bytes=500_000)
    with pytest.raises(InputError, match=r"may take [\d,]+ bytes, more than the budget of 500,000: "):
        eie.load(path, budget_bytes=500_000)


def test_a_convolution_pays_for_its_windows(tmp_path: Path) -> None:
    """Windows that a run would copy out count when the file is loaded, not when it is run."""
    book = np.array([0.0, 1.0], np.float32)
    product = eie.Layer("conv", eie.encode(np.ones((1, 63 * 63), np.uint8), book, n_pe=1))
    path = tmp_path / "wide.safetensors"
    eie.save(eie.Network((Convolution("conv", Image(1, 4096, 4096), Window((63, 63)), product),)), path)
    with pytest.raises(InputError) as error:
        eie.load(path)
    assert "loading and running it may take 5" in str(error.value)
    assert str(error.value).endswith(ADVICE)


def test_pooling_pays_for_what_it_reads_and_pads(tmp_path: Path) -> None:
    """A window as large as the image, at every pixel, is work without end in a file of a few bytes."""
    path = tmp_path / "pooling.safetensors"
    eie.save(eie.Network((Pooling("pool", Image(1, 2048, 2048), Window((1000, 1000))),)), path)
    assert path.stat().st_size < 500
    with pytest.raises(InputError, match="more than the budget of"):
        eie.load(path)
    eie.save(eie.Network((Pooling("pool", Image(2**22, 1, 1), Window((1024, 1024), (1024, 1024), (512, 512))),)), path)
    with pytest.raises(InputError, match="more than the budget of"):
        eie.load(path)


def test_a_session_takes_what_it_was_said_to_take(tmp_path: Path) -> None:
    """The windows of a batch are made a few at a time: 60 images take no more memory than the budget has for one."""
    book = np.linspace(0, 1, 16).astype(np.float32)
    product = eie.Layer("conv", eie.encode(np.ones((4, 81), np.uint8), book, n_pe=1))
    network = eie.Network((Convolution("conv", Image(1, 200, 200), Window((9, 9)), product),))
    path = tmp_path / "conv.safetensors"
    eie.save(network, path)
    session = eie.InferenceSession(eie.load(path), numerics="float32")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    session.run(np.zeros((60, 40_000), np.float32))
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < 0.6e9  # all 60 at once: 0.7 GB of windows, and as much again


def test_the_budget_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By argument, by the environment, the argument first; what is no number of bytes is refused."""
    path = tmp_path / "small.safetensors"
    write_empty(path, outputs=16, inputs=1000, n_pe=4)
    monkeypatch.setenv("EIE_BUDGET_BYTES", "1000")
    with pytest.raises(InputError, match=r"more than the budget of 1,000: where you trust it"):
        eie.load(path)
    assert eie.load(path, budget_bytes=10**9).inputs == 1000
    monkeypatch.setenv("EIE_BUDGET_BYTES", "much")
    with pytest.raises(InputError) as error:
        budget()
    assert str(error.value) == (
        "environment variable EIE_BUDGET_BYTES must be a positive integer of at most 18 digits, the bytes allowed, "
        "not 'much'"
    )
    with pytest.raises(InputError, match=r"^budget_bytes must be a positive integer"):
        eie.load(path, budget_bytes=-1)


def test_names_are_compared_once_each() -> None:
    """A network of 2,000 layers does not compare its names in pairs."""
    compared = 0

    class Name(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    eie.Network(tuple(Activation(Name(number), 1, "relu") for number in range(2000)))
    assert compared < 20_000  # in pairs: 4,000,000


def test_inspecting_weights_far_apart_makes_no_fillers() -> None:
    """Two weights at the ends of 2^24 x 2^9 zeros are counted, where their flat stream would have 2^32 entries."""
    last = np.concatenate((np.full(65535, 0xFF0, np.uint16), np.array([0xFF1], np.uint16)))
    pointers = np.zeros((1, 513), np.uint32)
    pointers[0, -1] = len(last)
    matrix = eie.InterleavedCSC((2**24, 512), 1, 8, 4, np.zeros(16, np.float32), last, pointers)
    size = layer_size(eie.Layer("far", matrix))
    assert (size.kept, size.weights) == (1, 2**33)
    assert size.entries == 2**25
    with pytest.raises(InputError) as error:
        flatten(matrix, 1)
    assert str(error.value) == (
        "the flat stream of 16777216 x 512 weights with 1 index bits would take 8589934592 bytes, "
        "more than the limit of 4294967296"
    )
