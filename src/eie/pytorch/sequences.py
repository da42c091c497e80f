"""The matrices of a compressed LSTM, GRU or cell, and the sessions that run them over sequences of any length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from eie.engine import InferenceSession
from eie.errors import InputError
from eie.exporters.state_dict import weights_of
from eie.model.network import NETWORK_INPUT, Layer, Network
from eie.pytorch.building import Builder, Value
from eie.pytorch.extra_state import network_of_bytes
from eie.pytorch.recurrent import Cell, part_names, wire
from eie.steps import Dense, Recurrent
from eie.steps.recurrent import GATES

__all__ = ["HeldSequences", "SequenceSizes", "parts_of_bytes"]

LENGTHS = 64  # of sequences, that there are networks for at a time

Matrix = Layer | Dense


class SequenceSizes(NamedTuple):
    """What an LSTM or GRU is besides its matrices; a cell has one layer."""

    cell: Cell
    input_size: int
    hidden_size: int
    num_layers: int = 1
    bidirectional: bool = False

    @property
    def parts(self) -> int:
        """Layers times directions: how many matrices there are."""
        return self.num_layers * (2 if self.bidirectional else 1)

    @property
    def outputs(self) -> int:
        """Values that come out at each step."""
        return self.hidden_size * (2 if self.bidirectional else 1)

    @property
    def state(self) -> tuple[int, int, int]:
        """Tensors of a state, h and of an LSTM c; and parts and values of each."""
        return (2 if self.cell == "lstm" else 1), self.parts, self.hidden_size


class HeldSequences:
    """The matrices of `eie.steps.Recurrent`, one for each layer and direction, and their sessions.

    Weights are laid out once for each settings, and a network is kept for each of the last 64 lengths of input. Raises
    InputError where the matrices are not of these sizes.
    """

    def __init__(self, sizes: SequenceSizes, parts: Sequence[Matrix]) -> None:
        self.sizes, self.parts = sizes, tuple(parts)
        names, called = part_names(sizes), sizes.cell.upper()
        if len(parts) != len(names):
            raise InputError(f"{called} has {len(names)} layers and directions, not {len(parts)}")
        directions = 2 if sizes.bidirectional else 1
        for number, (part, end) in enumerate(zip(parts, names, strict=True)):
            features = sizes.input_size if number < directions else sizes.outputs
            expected = (GATES * sizes.hidden_size, features + sizes.hidden_size)
            if (part.outputs, part.inputs) != expected:
                raise InputError(
                    f"{end} of this {called} is {expected[0]} x {expected[1]}, but layer {part.name} is "
                    f"{part.outputs} x {part.inputs}"
                )
        self.session = lru_cache(lambda settings: InferenceSession(self.network(1), **settings._asdict()))
        self.session_for = lru_cache(LENGTHS)(
            lambda settings, steps: self.session(settings).like(self.network(steps)),
        )

    def network(self, steps: int) -> Network:
        """Return what runs over sequences (steps, features), with a state in and out: h and c, (parts, hidden)."""
        kinds, parts, hidden = self.sizes.state
        lstm = self.sizes.cell == "lstm"
        shapes = [(1, steps, self.sizes.input_size), *[(parts, 1, hidden)] * kinds]
        ends = np.cumsum([0, *map(math.prod, shapes)])
        builder = Builder(int(ends[-1]))
        x, *states = (
            Value((NETWORK_INPUT,), size, np.arange(first, first + math.prod(size)))
            for size, first in zip(shapes, ends[:-1], strict=True)
        )

        def run(part: int, x: Value, state: list[Value]) -> tuple[Value, list[Value]]:
            layer = self.parts[part]
            step = Recurrent(layer.name, self.sizes.cell, steps, x.shape[2], layer, takes_state=True, gives_memory=lstm)
            every, *last = builder.recur(step, x, *state)
            return every, last

        every, last = wire(
            self.sizes,
            x,
            [[builder.move([one], lambda places, k=k: places[k]) for one in states] for k in range(parts)],
            run,
            reverse=lambda one: builder.move([one], lambda places: places.flip(1)),
            join=lambda both: builder.move(both, lambda *places: torch.cat(places, dim=2)),
        )
        return builder.network(
            [every, *(one for kind in zip(*last, strict=True) for one in kind)],
            self.sizes.cell,
            int(ends[-1] - ends[1]),
        )

    def run(
        self, settings: Any, x: npt.NDArray[np.float32], state: npt.NDArray[np.float32] | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return every step's outputs, (batch, steps, outputs), for `x`, (batch, steps, features), and the last state.

        States are (kinds, parts, batch, hidden), None one of zeros.
        """
        batch, steps, _ = x.shape
        kinds, parts, hidden = self.sizes.state
        size = kinds * parts * hidden
        vectors = np.zeros((batch, x[0].size + size), np.float32)
        vectors[:, :-size] = x.reshape(batch, -1)
        if state is not None:
            vectors[:, -size:] = state.transpose(2, 0, 1, 3).reshape(batch, -1)
        outputs = np.empty((batch, steps * self.sizes.outputs + size), np.float32)
        self.session_for(settings, steps).run(vectors, out=outputs)
        last = outputs[:, -size:].reshape(batch, kinds, parts, hidden).transpose(1, 2, 0, 3).copy()
        return np.ascontiguousarray(outputs[:, :-size]).reshape(batch, steps, self.sizes.outputs), last

    def expanded(self) -> list[torch.Tensor]:
        """Return weights and biases as PyTorch's modules have them: of each part from x, from h, and a bias of each."""
        found = []
        hidden, gates = self.sizes.hidden_size, GATES * self.sizes.hidden_size
        for part in self.parts:
            weights = torch.from_numpy(weights_of(part))
            bias = np.zeros(gates, np.float32) if part.bias is None else np.array(part.bias)
            given, state, biases = weights[:, :-hidden], weights[:, -hidden:], torch.from_numpy(bias)
            zeros = torch.zeros(gates)
            if self.sizes.cell == "gru":  # the candidate's part from x, and that from h
                given, state = given[: 3 * hidden], torch.cat((state[: 2 * hidden], state[3 * hidden :]))
                biases, zeros = biases[: 3 * hidden], torch.cat((zeros[: 2 * hidden], biases[3 * hidden :]))
            found += [given, state, biases, zeros]
        return found


def parts_of_bytes(state: Any, cell: str) -> tuple[Matrix, ...]:
    """Return the matrices of a module whose extra state this is; raise InputError for anything else."""
    steps = [step for step in network_of_bytes(state) if isinstance(step, Recurrent)]
    if not steps or any(step.cell != cell for step in steps):
        raise InputError(f"the state of a compressed {cell.upper()} must be that of another, and is of something else")
    return tuple(step.product for step in steps)
