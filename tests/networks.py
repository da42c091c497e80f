"""Small networks of every kind of step, for tests of what takes any network."""

from __future__ import annotations

import numpy as np

import eie
from eie.model.network import Layer, Network, Step
from eie.steps import (
    Activation,
    Affine,
    Attention,
    Convolution,
    Dense,
    Embedding,
    Gather,
    Image,
    Matmul,
    Normalisation,
    Pooling,
    Product,
    Recurrent,
    Reduction,
    Rows,
    Sum,
    Window,
    Winograd,
)

__all__ = ["graph_network", "image_network", "sequence_network"]


def _layer(
    rng: np.random.Generator, name: str, outputs: int, inputs: int, *, bias: bool = True, relu: bool = False
) -> Layer:
    codes = np.where(rng.random((outputs, inputs)) < 0.5, rng.integers(1, 16, (outputs, inputs)), 0).astype(np.uint8)
    book = np.concatenate(([0.0], np.linspace(-1, 1, 15) / np.sqrt(inputs)))
    values = rng.normal(size=outputs).astype(np.float32) if bias else None
    return Layer(name, eie.encode(codes, book, n_pe=4), values, relu)


def image_network(seed: int = 3, *, winograd: bool = True) -> Network:
    """2 x 8 x 8 pixels: a convolution, normalisation, Winograd's or a 1 x 1 convolution, poolings, linear layers."""
    rng = np.random.default_rng(seed)
    conv1 = Convolution("conv1", Image(2, 8, 8), Window((3, 3), (1, 1), (1, 1)), _layer(rng, "conv1", 6, 18, relu=True))
    norm = Affine("norm", 64, *(rng.normal(size=6).astype(np.float32) for _ in range(2)))
    pool1 = Pooling("pool1", conv1.image_out, Window((2, 2), (2, 2)))
    if winograd:
        places = tuple(_layer(rng, f"conv2.{p}", 5, 6, bias=False) for p in range(16))
        conv2 = Winograd("conv2", pool1.image_out, (1, 1), places, rng.normal(size=5).astype(np.float32), True)
    else:
        conv2 = Convolution("conv2", pool1.image_out, Window((1, 1)), _layer(rng, "conv2", 5, 6, relu=True))
    pool2 = Pooling("pool2", conv2.image_out, Window((2, 2), (2, 2)), "average")
    dense = Dense("dense", rng.normal(size=(20, 12)).astype(np.float32), rng.normal(size=20).astype(np.float32), True)
    fc1 = _layer(rng, "fc1", 12, pool2.outputs)
    return Network(
        (
            conv1,
            norm,
            pool1,
            conv2,
            pool2,
            fc1,
            Activation("tanh", 12, "tanh"),
            dense,
            _layer(rng, "fc2", 4, 20, bias=False),
            Activation("softmax", 4, "softmax"),
        ),
        "images",
    )


def sequence_network(seed: int = 3) -> Network:
    """Five steps of four features through an LSTM and a GRU."""
    rng = np.random.default_rng(seed)
    lstm = Recurrent("lstm", "lstm", 5, 4, _layer(rng, "lstm", 24, 10))
    gru = Recurrent("gru", "gru", 5, 6, _layer(rng, "gru", 12, 10, bias=False), last_only=True)
    return Network((lstm, gru, _layer(rng, "fc", 3, 3)), "sequences")


def carrying_network(seed: int = 3) -> Network:
    """Three steps of two features through an LSTM and, backwards, a GRU, whose states go in and come out."""
    rng = np.random.default_rng(seed)
    x, lstm_state, gru_state = np.split(np.arange(6 + 8 + 3), [6, 14])
    both = np.concatenate((np.arange(12).reshape(3, 4), 16 + np.arange(9).reshape(3, 3)[::-1]), axis=1)
    steps: list[tuple[Step, tuple[int, ...]]] = [
        (Gather("lstm.order", 17, np.concatenate((x, lstm_state))), (-1,)),
        (Gather("gru.order", 17, np.concatenate((x.reshape(3, 2)[::-1].ravel(), gru_state))), (-1,)),
        (Recurrent("lstm", "lstm", 3, 2, _layer(rng, "lstm", 16, 6), False, True, True), (0,)),
        (Recurrent("gru", "gru", 3, 2, _layer(rng, "gru", 12, 6, bias=False), False, True), (1,)),
        (Gather("both", 25, both.ravel()), (2, 3)),
        (Rows("fc", 3, _layer(rng, "fc", 2, 7)), (4,)),
        (Gather("ends", 25, np.concatenate((np.arange(8, 16), np.arange(22, 25)))), (2, 3)),
        (Gather("output", 17, np.arange(17)), (5, 6)),
    ]
    return Network(tuple(step for step, _ in steps), "carrying", tuple(reads for _, reads in steps), state=11)


def graph_network(seed: int = 3) -> Network:
    """Three tokens of seven words: an embedding, attention of two heads, by hand and causal, a gate, a sum, a mean."""
    rng = np.random.default_rng(seed)
    half = np.arange(24).reshape(3, 2, 4)  # (tokens, heads, values of a head)
    steps: list[tuple[Step, tuple[int, ...]]] = [
        (Embedding("tokens", 3, _layer(rng, "tokens", 8, 7, bias=False)), (-1,)),
        (Normalisation("norm", 3, 8, 1e-5), (0,)),
        (Affine("norm.affine", 1, *rng.normal(size=(2, 8)).astype(np.float32), rows=3), (1,)),
        (Rows("query", 3, _layer(rng, "query", 8, 8)), (2,)),
        (Gather("query.heads", 24, half.transpose(1, 0, 2).ravel()), (3,)),
        (Gather("keys", 24, half.transpose(1, 2, 0).ravel()), (2,)),
        (Matmul("scores", 2, 3, 4, 3), (4, 5)),
        (Activation("weights", 18, "softmax", rows=6), (6,)),
        (Matmul("mixed", 2, 3, 3, 4), (7, 4)),
        (Gather("mixed.tokens", 24, np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2).ravel()), (8,)),
        (Rows("gate", 3, Dense("gate", *_dense(rng, 8, 8))), (2,)),
        (Product("gated", 24), (9, 10)),
        (Attention("causal", 3, 2, 4, 5, 0.5), (3, 2, 9)),
        (Sum("residual", 24, 4), (11, 0, 2, 12)),
        (Gather("shuffled", 24, np.array([7, 3, -1, *rng.permutation(24)[:21]])), (13,)),
        (Gather("columns", 24, np.arange(24).reshape(3, 8).T.ravel()), (14,)),
        (Reduction("mean", 8, 3, "mean"), (15,)),
        (_layer(rng, "fc1", 6, 8, relu=True), (16,)),
        (_layer(rng, "fc2", 4, 6), (17,)),
        (Activation("gelu", 4, "gelu"), (18,)),
        (_layer(rng, "fc3", 3, 10), (17, 19)),
    ]
    return Network(tuple(step for step, _ in steps), "graph", tuple(reads for _, reads in steps))


def _dense(rng: np.random.Generator, outputs: int, inputs: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(outputs, inputs)).astype(np.float32), rng.normal(size=outputs).astype(np.float32)
