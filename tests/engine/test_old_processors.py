"""The native code on processors without AVX-512, and with neither AVX2 nor AVX-512, emulated: the same results."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import eie
from eie.engine.int8 import int8_layer
from eie.engine.int16 import int16_layer
from eie.model.network import Layer, Network
from eie.model.numerics import quantise
from eie.model.reference import calibrate
from eie.program.arithmetic import chip_layer

# NumPy's own matrix product does not run under the emulator, so nothing here uses it.
PROGRAM = """
import sys
import numpy as np
import eie
from eie import _native

network = eie.load("model.safetensors")
x = np.load("x.npy")
cycles = [eie.simulate(layer.matrix, np.ones(layer.inputs, int), eie.Hardware(n_pe=6)).cycles for layer in network]
sessions = [eie.InferenceSession(network, numerics="chip", kernel=kernel) for kernel in sys.argv[1:]]
int8 = [eie.InferenceSession(network, numerics="int8", kernel=kernel) for kernel in [*sys.argv[1:], "bitmask", None]]
int16 = [eie.InferenceSession(network, kernel=kernel) for kernel in [*sys.argv[1:], None]]
every = {"outputs": sessions, "int8": int8, "int16": int16}
outputs = {numerics: [session.run(x) for session in some] for numerics, some in every.items()}
np.savez("out.npz", cycles=cycles, **outputs)
print(_native.instruction_set())
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="no emulator: Debian's qemu-user brings it")
@pytest.mark.parametrize(
    ("processor", "instruction_set", "kernels"),
    [("IvyBridge", "portable", ["columns"]), ("Haswell", "avx2", ["window-avx2", "columns"])],
)
def test_results_are_the_same(tmp_path: Path, processor: str, instruction_set: str, kernels: list[str]) -> None:
    """Cycles, and outputs bit for bit, with what the processor has and no instruction more."""
    rng = np.random.default_rng(1)
    codes = np.where(rng.random((300, 400)) < 0.2, rng.integers(1, 16, (300, 400)), 0)
    matrix = eie.encode(codes, np.concatenate(([0], rng.normal(size=15))), n_pe=6)
    x = rng.normal(size=400).astype(np.float32)
    network = calibrate(Network((Layer("fc", matrix),)), x)
    eie.save(network, tmp_path / "model.safetensors")
    np.save(tmp_path / "x.npy", x)
    done = subprocess.run(
        ["qemu-x86_64", "-cpu", processor, sys.executable, "-c", PROGRAM, *kernels],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == instruction_set
    found = np.load(tmp_path / "out.npz")
    formats = network.layers[0].formats
    assert formats is not None
    expected = chip_layer(network.layers[0], quantise(x, formats.activation_fraction)).values
    for outputs in found["outputs"]:
        assert np.array_equal(outputs, (expected * 2.0**-formats.output_fraction).astype(np.float32))
    for outputs in found["int8"]:
        assert np.array_equal(outputs, int8_layer(network.layers[0], x).outputs)
    for outputs in found["int16"]:
        assert np.array_equal(outputs, int16_layer(network.layers[0], x).outputs)
    assert found["cycles"].tolist() == [eie.simulate(matrix, np.ones(400, int), eie.Hardware(n_pe=6)).cycles]
