"""Decoders as networks of one token at a time, whose attention keeps what it has seen."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import nn

from eie.engine import InferenceSession
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.pytorch.modes import evaluated
from eie.pytorch.tracing import network_of
from eie.pytorch.verification import TOLERANCE, distance

__all__ = ["decoder_of"]

_NAMES = ("input_ids", "position_ids")  # of a transformers model's arguments
_TRIED = 8  # tokens of the sequence that the network is held against the model on

Floats = np.typing.NDArray[np.float32]


def decoder_of(
    model: nn.Module,
    context: int,
    *,
    name: str = "network",
    layers: Mapping[str, Layer] | None = None,
    n_pe: int = 64,
    index_bits: int = 4,
) -> Network:
    """Return `model`, which predicts the next token of a sequence, as a network of one token at a time.

    The network's inputs are a token and its position from 0, its outputs what the model gives for it; what its
    attention needs of the tokens before is in a cache with room for `context` of them (`InferenceSession.new_cache`,
    `eie.engine.generate`). `layers` are those already encoded, as `eie.pytorch.tracing.network_of` takes them.

    The model takes tokens and positions, (batch, tokens) each, by the names `input_ids` and `position_ids` as models of
    the package transformers do, or as its only arguments. Attention must be
    `torch.nn.functional.scaled_dot_product_attention`. The network is run beside the model on a short sequence; raises
    InputError where it differs, and where no steps can be the model.
    """
    if context < 1:
        raise InputError(f"context must be 1 token or more, not {context}")
    one = _arguments(model, torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 1, dtype=torch.int64))
    with _unmasked(model):
        network = network_of(model, one, name=name, layers=layers, n_pe=n_pe, index_bits=index_bits, context=context)
    if not network.cache:
        raise InputError(
            "the model has no attention that keeps the tokens before, expected calls of "
            "torch.nn.functional.scaled_dot_product_attention: models of transformers make them with "
            'attn_implementation="sdpa"'
        )
    _hold(model, network, min(context, _TRIED))
    return network


def _arguments(model: nn.Module, tokens: torch.Tensor, positions: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the arguments of the model's forward by name."""
    names = list(inspect.signature(model.forward).parameters)
    if not set(_NAMES) <= set(names):
        if len(names) != 2:
            raise InputError(
                f"the model takes {', '.join(names) or 'nothing'}, expected input_ids and position_ids among it, or "
                "tokens and their positions alone"
            )
        return dict(zip(names, (tokens, positions), strict=True))
    return dict(zip(_NAMES, (tokens, positions), strict=True))


@contextmanager
def _unmasked(model: nn.Module) -> Iterator[None]:
    """Tell models that take a mask that no token is hidden: without, some look for several texts in the positions."""
    if "attention_mask" not in inspect.signature(model.forward).parameters:
        yield
        return
    before = vars(model).get("forward")
    model.forward = partial(model.forward, attention_mask=torch.ones(1, 1, dtype=torch.int64))
    try:
        yield
    finally:
        del model.forward
        if before is not None:
            model.forward = before


def _hold(model: nn.Module, network: Network, tokens: int) -> None:
    """Raise InputError where the network, token by token, gives something else than the model for a sequence."""
    words = min((module.num_embeddings for module in model.modules() if isinstance(module, nn.Embedding)), default=1)
    sequence = np.random.default_rng(0).integers(0, words, tokens)
    with torch.no_grad(), evaluated(model):
        found = model(**_arguments(model, torch.from_numpy(sequence)[None], torch.arange(tokens)[None]))
    first = found if isinstance(found, torch.Tensor) else next(iter(found.values()))
    expected: Floats = first.reshape(tokens, -1).float().numpy()
    session = InferenceSession(network, numerics="float32")
    cache = session.new_cache()
    for position, token in enumerate(sequence):
        scores = session.run(np.array([token, position], np.float32), cache=cache)
        error = distance(scores, expected[position])
        if error > TOLERANCE:
            raise InputError(
                f"the network does not compute what the model does: token by token, the outputs for token "
                f"{position + 1} of a sequence differ by {error:.2g} of the largest: what the model has of the tokens "
                "before must go through torch.nn.functional.scaled_dot_product_attention"
            )
