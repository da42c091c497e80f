"""What the models are trained on: real data where the install or this project has some."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eie.workloads.data import Data, load_data

ROOT = Path(__file__).parents[2]
MNIST = ROOT.parent / "shared" / "data" / "mnist"
WORDS, WINDOW = 96, 16  # the printable characters of ASCII, and how many a language model sees
USERS, ITEMS = 200, 100

Arrays = tuple[npt.NDArray[Any], ...]


@dataclass(frozen=True)
class Samples:
    """Where data come from, and an array (items, ...) for each input of a model and for what each output should be.

    Whole numbers to reach are labels, real ones values. The last fifth is to test on.
    """

    source: str
    inputs: Arrays
    targets: Arrays

    @property
    def train(self) -> slice:
        """The items to train on."""
        return slice(0, len(self.inputs[0]) * 4 // 5)

    @property
    def test(self) -> slice:
        """The items to test on."""
        return slice(self.train.stop, len(self.inputs[0]))

    @property
    def data(self) -> Data | None:
        """The same as `eie.compress_` takes it, an eighth set apart to choose by; None for other than labels."""
        (x, *more), (y, *others) = self.inputs, self.targets
        if more or others or y.dtype != np.int64 or y.ndim > 1:
            return None
        end, apart = self.train.stop, self.train.stop * 7 // 8
        return Data(x[:apart], y[:apart], x[apart:end], y[apart:end], x[end:], y[end:])


def digits(*shape: int, noise: float = 0.0, images: bool = False) -> Samples:
    """Return scikit-learn's digits, each of `shape`, as labels; with `images` as they are, without the noise."""
    found = load_data("digits")
    x = np.concatenate((found.x_train, found.x_valid, found.x_test))
    y = np.concatenate((found.y_train, found.y_valid, found.y_test))
    noisy = x + noise * np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    given = noisy.reshape(len(x), *shape)
    return Samples("digits" + ", noisy" * bool(noise), (given,), (x.reshape(given.shape) if images else y,))


def pixels() -> Samples:
    """Return the digits as words: 64 whole numbers, 0 to 16."""
    found = digits(64)
    return Samples(found.source, ((found.inputs[0] * 16).astype(np.int64),), found.targets)


def bright_digits() -> Samples:
    """Return the digits, to tell which each is and how bright."""
    found = digits(64)
    return Samples(found.source, found.inputs, (*found.targets, found.inputs[0].mean(axis=1, keepdims=True)))


def large_digits(*shape: int) -> Samples:
    """Return MNIST's first 6,000 digits where it is, or scikit-learn's with pixels of 3 x 3 and a frame."""
    if MNIST.is_dir():
        found = load_data(MNIST)
        return Samples("MNIST", (found.x_train[:6000].reshape(-1, *shape),), (found.y_train[:6000],))
    small = digits(8, 8)
    framed = np.pad(np.kron(small.inputs[0], np.ones((1, 3, 3), np.float32)), ((0, 0), (2, 2), (2, 2)))
    return Samples("digits, enlarged", (framed.reshape(-1, *shape),), small.targets)


def text(*, all_next: bool = False) -> Samples:
    """Return windows of this project's own words as whole numbers, and the next character; or that of every place."""
    words = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "README.md", ROOT / "ARCHITECTURE.md"))
    codes = np.clip(np.frombuffer(words.encode("ascii", "replace"), np.uint8).astype(np.int64) - 32, 0, WORDS - 1)
    windows = np.lib.stride_tricks.sliding_window_view(codes, WINDOW + 1)[::8]
    following = windows[:, 1:] if all_next else windows[:, -1]
    return Samples("text of this project", (windows[:, :-1].copy(),), (following.copy(),))


def ratings() -> Samples:
    """Return what users may think of items: products of hidden tastes."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, USERS, 6000), rng.integers(0, ITEMS, 6000)
    tastes, kinds = rng.normal(size=(USERS, 4)), rng.normal(size=(ITEMS, 4))
    found = np.tanh((tastes[users] * kinds[items]).sum(axis=1, keepdims=True) / 2)
    return Samples("generated", (users, items), (found.astype(np.float32),))


def clips() -> Samples:
    """Return digits as films of two frames, the second turned."""
    found = digits(8, 8)
    frames = np.stack((found.inputs[0], np.rot90(found.inputs[0], axes=(1, 2))), axis=1)[:, None]
    return Samples(found.source, (np.ascontiguousarray(frames),), found.targets)
