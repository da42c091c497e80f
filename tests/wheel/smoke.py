"""What an installed wheel must do with its plain dependencies alone: run, simulate, and know its machine.

Run by `make wheel` and by cibuildwheel, in an environment that has neither a compiler nor the extras.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import eie

BROADCASTS = 30  # non-zeros of the input below


def answer(*arguments: str | Path) -> dict:
    """Return the JSON document that a command prints."""
    command = [sys.executable, "-c", "from eie.cli import main; main()", *map(str, arguments), "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    """Make a layer of 40 x 60 for 4 PEs, ask doctor, run and simulate, and write it as a C program."""
    draw = np.random.default_rng(0)
    codes = np.where(draw.random((40, 60)) < 0.2, draw.integers(1, 16, (40, 60)), 0).astype(np.uint8)
    codebook = np.concatenate(([0], draw.normal(size=15))).astype(np.float32)
    x = np.where(np.arange(60) % 2, 0, draw.random(60)).astype(np.float32)
    matrix = eie.encode(codes, codebook, n_pe=4)
    with tempfile.TemporaryDirectory() as name:
        model, vector = Path(name, "model.safetensors"), Path(name, "x.npy")
        eie.save(eie.calibrate(eie.Network((eie.Layer("fc", matrix),)), x), model)
        np.save(vector, x)
        doctor = answer("doctor")
        ran = answer("run", model, vector, "--numerics", "float32")
        simulated = answer("simulate", model, vector)
        written = answer("export", "c", model, Path(name, "program"))
    assert doctor["facts"]["eie"] == eie.__version__
    expected = codebook[codes] @ x
    largest = ran["largest"][0][0]
    assert largest["output"] == int(expected.argmax())
    assert np.isclose(largest["value"], expected.max(), rtol=1e-5)
    assert simulated["layers"][0]["counts"]["broadcasts"] == BROADCASTS
    assert written["files"][-1] == "main.c"
    print(f"eie {eie.__version__}, {doctor['facts']['instruction set']}: {simulated['cycles']} cycles")


if __name__ == "__main__":
    main()
