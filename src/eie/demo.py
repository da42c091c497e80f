"""A first real result: a small network trained, pruned, shared, run from the compressed form, and simulated.

It trains on the handwritten digits of scikit-learn (1,797 images of 8 x 8 pixels), and reports accuracy, size, time on
this CPU and cycles on the chip of the dense and the compressed network.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eie.chip import Hardware, LayerSimulation, simulate_network
from eie.encoding.clustering import share
from eie.encoding.csc import encode
from eie.engine import InferenceSession
from eie.engine.accuracy import top1_accuracy
from eie.model.network import Layer, Network
from eie.model.reference import calibrate
from eie.support.extras import needed_for
from eie.support.stopwatch import median_us
from eie.workloads.digits import SEED, digits

with needed_for("the demo"):
    import sklearn.neural_network
    from sklearn.exceptions import ConvergenceWarning

__all__ = ["DigitsResult", "compress_digits"]

HIDDEN = (300, 100)  # LeNet-300-100's layers
DENSITIES = (0.12, 0.15, 0.3)  # weights kept per layer; the last layer is small and sensitive
PRUNING_STEPS = 8
EPOCHS_PER_STEP = 3
TIMED_CALLS = 200

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DigitsResult:
    """The compressed digits network. Accuracies are on the test set, 0 to 1; bytes are of weights and indices."""

    network: Network
    test_digits: int
    dense_accuracy: float
    pruned_accuracy: float
    accuracy: dict[str, float]  # of the compressed network, by numerics
    dense_bytes: int  # float32 weights
    compressed_bytes: int  # entries and codebooks
    weights: int
    kept: int
    dense_us: float  # one input, NumPy float32, measured here
    compressed_us: float  # one input, from the compressed form, measured here
    layers: tuple[LayerSimulation, ...]  # the chip on one test digit

    @property
    def cycles(self) -> int:
        """The chip's cycles for one digit, all layers."""
        return sum(layer.simulation.cycles for layer in self.layers)

    @property
    def host_words(self) -> int:
        """Words that the host writes and reads for one digit, the model being on the chip; not in the cycles."""
        return sum(layer.simulation.host.per_input for layer in self.layers)

    @property
    def chip_us(self) -> float:
        """The chip's time for one digit at its clock."""
        return sum(layer.simulation.latency_us for layer in self.layers)


def compress_digits(log: Callable[[str], None], hardware: Hardware) -> DigitsResult:
    """Train, prune gradually, share and encode a network on scikit-learn's digits, then run and simulate it."""
    x_train, x_test, y_train, y_test = digits()
    log(f"training 64-{HIDDEN[0]}-{HIDDEN[1]}-10 on {len(x_train)} digits")
    model = sklearn.neural_network.MLPClassifier(HIDDEN, random_state=SEED, max_iter=40, n_iter_no_change=40)
    _train(lambda: model.fit(x_train, y_train))
    dense = [(w.astype(np.float32), b.astype(np.float32)) for w, b in zip(model.coefs_, model.intercepts_, strict=True)]
    dense_accuracy = float(model.score(x_test, y_test))
    log("pruning to " + ", ".join(f"{density:.0%}" for density in DENSITIES) + " of the weights, retraining in between")
    _prune(model, x_train, y_train)
    pruned_accuracy = float(model.score(x_test, y_test))

    log("sharing the weights through 16-entry codebooks and encoding them")
    network = calibrate(_encode(model, hardware.n_pe), x_train)
    sessions = {
        numerics: InferenceSession(network, numerics=numerics) for numerics in ("float32", "int16", "int8", "chip")
    }
    accuracy = {numerics: top1_accuracy(session, x_test, y_test) for numerics, session in sessions.items()}
    log("timing and simulating one digit")
    digit = np.ascontiguousarray(x_test[0])
    return DigitsResult(
        network=network,
        test_digits=len(x_test),
        dense_accuracy=dense_accuracy,
        pruned_accuracy=pruned_accuracy,
        accuracy=accuracy,
        dense_bytes=sum(w.nbytes for w, _ in dense),
        compressed_bytes=sum(layer.matrix.entries.nbytes + layer.matrix.codebook.nbytes for layer in network.layers),
        weights=sum(w.size for w, _ in dense),
        kept=sum(layer.matrix.nnz for layer in network.layers),
        dense_us=median_us(lambda: _dense(dense, digit), TIMED_CALLS),
        compressed_us=median_us(lambda: sessions["int16"].run(digit), TIMED_CALLS),
        layers=simulate_network(network, digit, hardware),
    )


def _prune(model: Any, x: Floats, y: npt.NDArray[np.int64]) -> None:
    """Prune the smallest weights step by step to DENSITIES, each step followed by training under the mask."""
    for step in range(1, PRUNING_STEPS + 1):
        progress = 1 - (1 - step / PRUNING_STEPS) ** 3  # cubic: much at first, little at the end
        masks = []
        for weights, density in zip(model.coefs_, DENSITIES, strict=True):
            kept = round(weights.size * (1 - (1 - density) * progress))
            threshold = np.partition(np.abs(weights), -kept, axis=None)[-kept]
            masks.append(np.abs(weights) >= threshold)
        for _ in range(EPOCHS_PER_STEP * (2 if step == PRUNING_STEPS else 1)):
            for weights, mask in zip(model.coefs_, masks, strict=True):
                weights *= mask
            _train(lambda: model.partial_fit(x, y))
        for weights, mask in zip(model.coefs_, masks, strict=True):
            weights *= mask


def _encode(model: Any, n_pe: int) -> Network:
    layers = []
    for number, (weights, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        codes, codebook = share(weights.T)  # scikit-learn's are (inputs, outputs)
        last = number == len(model.coefs_) - 1
        matrix = encode(codes, codebook, n_pe)
        layers.append(Layer(f"fc{number + 1}", matrix, bias.astype(np.float32), relu=not last))
    return Network(tuple(layers), "digits")


def _dense(layers: list[tuple[Floats, Floats]], x: Floats) -> Floats:
    for weights, bias in layers[:-1]:
        x = np.maximum(x @ weights + bias, 0)
    return x @ layers[-1][0] + layers[-1][1]


def _train(call: Callable[[], object]) -> None:
    """Call scikit-learn to train.

    Its warning that training stopped at the maximum number of epochs is ignored. On Ctrl-C, scikit-learn only warns and
    returns a half-trained model; here that warning becomes KeyboardInterrupt again.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("error", "Training interrupted by user")
        try:
            call()
        except UserWarning as warning:
            raise KeyboardInterrupt from warning
