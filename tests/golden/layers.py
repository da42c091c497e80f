"""The golden layers as arrays, with the hardware and the counts that belong to them; README.md says whose counts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import eie
from eie.workloads.layers import codebook, generate
from implementations import CODEBOOK, FORMATS

FOLDER = Path(__file__).parent
GENERATED: list[dict[str, Any]] = json.loads((FOLDER / "generated_layers.json").read_text(encoding="utf-8"))
SMALL: list[dict[str, Any]] = json.loads((FOLDER / "small_layers.json").read_text(encoding="utf-8"))
REAL_ALEX8: dict[str, Any] = json.loads((FOLDER / "real_alex8.json").read_text(encoding="utf-8"))


class GoldenLayer(NamedTuple):
    """A layer, the chip it was measured on, and what was counted: `Counts` by name, and `cycles`."""

    name: str
    layer: eie.Layer
    activations: npt.NDArray[np.float32] | npt.NDArray[np.int64]
    hardware: eie.Hardware
    counts: dict[str, int]


def generated_layer(row: dict[str, Any]) -> GoldenLayer:
    """Draw one of `GENERATED`; raise AssertionError where it is not the layer that was measured."""
    layer = generate(row["layer"], row["seed"], row["skew"])
    digest = hashlib.sha256(layer.codes.tobytes() + layer.activations.tobytes()).hexdigest()
    assert digest == row["sha256"], f"{row['layer']} with seed {row['seed']} is not the layer that was measured"
    hardware = eie.Hardware(**row["hardware"])
    matrix = eie.encode(layer.codes, codebook(), hardware.n_pe)
    return GoldenLayer(
        row["layer"], eie.Layer("layer", matrix, formats=FORMATS), layer.activations, hardware, row["counts"]
    )


def small_layer(row: dict[str, Any], register_entries: int | None = None) -> GoldenLayer:
    """Return one of `SMALL` in one scan, or in batches of `register_entries` rows with the counts that then differ."""
    codes = np.array([[int(digit, 16) for digit in codes] for codes in row["codes"]], np.uint8)
    matrix = eie.encode(codes, CODEBOOK, row["hardware"]["n_pe"])
    counts = dict(row["counts"])
    if register_entries is None:
        register_entries = -(-max(matrix.shape) // matrix.n_pe)
    else:
        counts |= {name: row["batched"][name] for name in ("cycles", "spmat_reads")}
    hardware = eie.Hardware(**row["hardware"], batched=True, register_entries=register_entries)
    layer = eie.Layer("layer", matrix, formats=FORMATS)
    return GoldenLayer(row["why"], layer, np.array(row["activations"], np.int64), hardware, counts)


def small_layers() -> list[GoldenLayer]:
    """Return all of `SMALL`, those that were measured in batches too once more so."""
    batched = [small_layer(row, row["batched"]["register_entries"]) for row in SMALL if "batched" in row]
    return [small_layer(row) for row in SMALL] + batched
