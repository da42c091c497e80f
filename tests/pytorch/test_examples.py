"""The examples, as they stand, on the data that come with the install."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import eie
from eie.compress import compress_, read_recipe
from eie.pytorch.sources import load_model
from eie.workloads.data import load_data

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factory", "recipe", "kinds", "ratio"),
    [
        ("mlp", "digits", ["Layer", "Layer", "Layer"], 18),
        ("cnn", "digits_cnn", ["Convolution", "Winograd", "Pooling", "Convolution", "Layer"], 4),
    ],
)
def test_examples_keep_their_accuracy(tmp_path: Path, factory: str, recipe: str, kinds: list[str], ratio: int) -> None:
    """Compressed as their recipes say: small, within a point of the dense model, the same on the chip."""
    steps = read_recipe(EXAMPLES / f"{recipe}.toml")
    data = load_data("digits", steps.input_shape, steps.seed)
    torch.manual_seed(steps.seed)
    done = compress_(load_model(f"{EXAMPLES / 'digits.py'}:{factory}"), steps, data)
    network = done.network
    assert [type(step).__name__ for step in network] == kinds
    path = tmp_path / "model.safetensors"
    eie.save(network, path, packed=True)
    dense = 4 * sum(parameter.numel() for parameter in load_model(f"{EXAMPLES / 'digits.py'}:{factory}").parameters())
    assert dense / path.stat().st_size > ratio
    first, last = done.stages[0].test_accuracy, done.stages[-1].test_accuracy
    assert first is not None
    assert last is not None
    assert last > first - 0.011
    for numerics in ("float32", "int16", "chip"):
        found = eie.InferenceSession(path, numerics=numerics).run(data.x_test.reshape(len(data.x_test), -1))
        assert np.mean(found.argmax(axis=1) == data.y_test) == pytest.approx(last, abs=0.006)


def test_images_are_moved_while_training_only() -> None:
    """By a pixel at most along each side, what comes in being black; the network of the model has no trace of it."""
    model = load_model(f"{EXAMPLES / 'lenet.py'}:lenet_300_100_moved")
    torch.manual_seed(0)
    images = torch.rand(200, 28, 28) + 1
    framed = torch.nn.functional.pad(images, (1, 1, 1, 1))
    moved = model.train()[0](images.reshape(200, 784)).reshape(200, 28, 28)
    places = set()
    for image, frame in zip(moved, framed, strict=True):
        found = [(y, x) for y in range(3) for x in range(3) if torch.equal(image, frame[y : y + 28, x : x + 28])]
        assert len(found) == 1
        places |= set(found)
    assert len(places) == 9
    assert torch.equal(model.eval()[0](images), images)
    recipe = read_recipe(EXAMPLES / "lenet_300_100_moved.toml")
    network = compress_(model, recipe.model_copy(update={"input_shape": (784,)})).network
    assert [step.name for step in network] == ["ip1", "ip2", "ip3"]
    assert [layer.matrix.nnz for layer in network.layers] == [3998, 810, 150]
