"""The networks of Deep Compression on MNIST: sizes and accuracies beside the paper's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import eie
from data_sets import DataSet
from eie.compress import Recipe, accuracy, compress_, read_recipe
from eie.pytorch.sources import load_model
from eie.workloads.data import read_data

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "weights", "shape", "ratio"),
    [("lenet_300_100", "lenet300100_sparse.npz", None, 110), ("lenet_5", "lenet5_sparse.npz", (1, 28, 28), 160)],
)
def test_pruned_by_others(
    data_set: DataSet, tmp_path: Path, name: str, weights: str, shape: tuple[int, ...] | None, ratio: int
) -> None:
    """Networks that dynamic network surgery pruned, shared and encoded without training: small, and as accurate."""
    data = read_data(data_set("mnist"), shape)
    model = load_model(f"{EXAMPLES / 'lenet.py'}:{name}", data_set("lenet") / weights)
    before = accuracy(model, data.x_test, data.y_test)
    assert before > 0.98
    recipe = Recipe.model_validate({"prune": {"density": 1.0}, "input_shape": data.input_shape})
    network = compress_(model, recipe, None).network
    path = tmp_path / "lenet.safetensors"
    eie.save(path, network, packed=True)
    dense = sum(4 * (layer.outputs * layer.inputs + layer.outputs) for layer in network.products)
    assert dense / path.stat().st_size > ratio
    images = data.x_test[:3000].reshape(3000, -1)
    network = eie.calibrate(eie.load(path), data.x_train[:256].reshape(256, -1))
    expected = accuracy(model, data.x_test[:3000], data.y_test[:3000])
    for numerics in ("float32", "int16", "chip"):
        found = eie.InferenceSession(network, numerics=numerics).run(images).argmax(axis=1)
        assert np.mean(found == data.y_test[:3000]) == pytest.approx(expected, abs=0.002)
    assert accuracy(model, data.x_test, data.y_test) > before - 0.003


@pytest.mark.slow
def test_lenet_300_100_from_nothing(data_set: DataSet, tmp_path: Path) -> None:
    """Trained, pruned, shared and stored: over 60 times fewer bytes (the paper: 40), no accuracy lost but chance's.

    Training rounds differently on another processor, so that 0.2 points, some two standard errors, are allowed for.
    """
    recipe = read_recipe(EXAMPLES / "lenet_300_100.toml")
    data = read_data(data_set("mnist"))
    torch.manual_seed(recipe.seed)
    done = compress_(load_model(f"{EXAMPLES / 'lenet.py'}:lenet_300_100"), recipe, data)
    path = tmp_path / "lenet.safetensors"
    eie.save(path, done.network, packed=True)
    assert 266_610 * 4 / path.stat().st_size > 60
    first, last = done.stages[0].test_accuracy, done.stages[-1].test_accuracy
    assert first is not None
    assert last is not None
    assert first > 0.978
    assert last > first - 0.002
