"""Texts from a decoder: token after token, each the network's answer to all before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eie.engine.session import InferenceSession
from eie.errors import InputError

__all__ = ["generate"]


def generate(
    session: InferenceSession,
    prompt: Sequence[int],
    tokens: int,
    *,
    temperature: float = 0.0,
    seed: int = 0,
    stop: int | None = None,
) -> list[int]:
    """Return up to `tokens` tokens that follow the `prompt`, fewer where `stop` is among them, which ends them.

    The session's network is a decoder of one token at a time (`eie.compress.decoder_of`): its inputs are a token and
    its position from 0, its outputs a score for each next one. With `temperature` 0 the token of the highest score is
    taken, otherwise one drawn by `seed` with the probabilities softmax(scores / temperature). Raises InputError for
    another network, an empty prompt, more tokens than the cache has room for, and a token that the network does not
    know.
    """
    network = session.network
    if network.inputs != 2 or not network.cache:
        raise InputError(
            f"network {network.name} takes {network.inputs} values, expected a decoder, which takes a token and its "
            "position and keeps a cache: eie.compress.decoder_of makes one"
        )
    if len(prompt) < 1 or tokens < 1:
        raise InputError(f"a text has 1 token or more before and behind, not {len(prompt)} and {tokens}")
    if not 0 <= temperature < float("inf"):
        raise InputError(f"temperature must be 0 or above, not {temperature}")
    rng, cache, found = np.random.default_rng(seed), session.new_cache(), list[int]()
    scores = np.zeros(0, np.float32)
    for position in range(len(prompt) + tokens - 1):
        token = prompt[position] if position < len(prompt) else found[-1]
        scores = session.run(np.array([token, position], np.float32), cache=cache)
        if position < len(prompt) - 1:
            continue
        found.append(_next(scores, temperature, rng))
        if found[-1] == stop:
            break
    return found


def _next(scores: np.ndarray, temperature: float, rng: np.random.Generator) -> int:
    if temperature == 0:
        return int(scores.argmax())
    scaled = (scores - scores.max()).astype(np.float64) / temperature
    shares = np.exp(scaled)
    return int(rng.choice(len(scores), p=shares / shares.sum()))
