"""LSTM and GRU cells: one product per time step, of the step's input and the state before it.

The product's inputs are x_t and h_(t-1), one after the other, and optionally, as in the paper's NT-LSTM (1201 x 2400),
an input of 1.0 whose weights are the biases. Its outputs are the sums of the gates, four times the hidden size, in
PyTorch's order. For an LSTM these are i, f, g, o. For a GRU they are r, z, and the candidate's part from x and its part
from h, which are separate because the reset gate multiplies only the latter. A step is one layer in one direction:
layers on each other are steps after each other, and the other direction is the sequence in reverse, by a `Gather`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy  # imports its submodules on first use; most commands use none

from eie.errors import InputError
from eie.model.network import Batch, Layer, Multiply, Step
from eie.steps.dense import Dense

__all__ = ["GATES", "Recurrent"]

GATES = 4  # sums per hidden value, in either cell


@dataclass(frozen=True, eq=False)
class Recurrent(Step):
    """`cell`, "lstm" or "gru", run over `steps` inputs of `features` numbers.

    The input is the whole sequence, step after step; with `takes_state` the state before it follows, h and, of an LSTM,
    the memory c, (hidden,) each, which are zero otherwise. The output is the state h of every step, or with `last_only`
    that of the last one; with `gives_memory` an LSTM's last c follows. The gates are computed in floating point.
    """

    name: str
    cell: Literal["lstm", "gru"]
    steps: int
    features: int
    product: Layer | Dense
    last_only: bool = False
    takes_state: bool = False
    gives_memory: bool = False

    def __post_init__(self) -> None:
        """Check the product against the sizes."""
        if self.steps < 1 or self.features < 1:
            raise InputError(
                f"{self.name} must have 1 step and 1 feature or more, not {self.steps} and {self.features}"
            )
        if self.gives_memory and self.cell != "lstm":
            raise InputError(f"{self.name} is a {self.cell}, which has no memory to give, expected an lstm")
        if self.product.outputs % GATES:
            raise InputError(
                f"{self.name}: its product must have 4 outputs per hidden value, not {self.product.outputs}"
            )
        if self.product.inputs - self.features - self.hidden not in (0, 1) or self.product.relu:
            raise InputError(
                f"{self.name}: its product must take {self.features} features, {self.hidden} hidden values and at "
                f"most one bias input, without ReLU, not {self.product.inputs} inputs"
            )

    @property
    def hidden(self) -> int:
        """Values of the state."""
        return self.product.outputs // GATES

    @property
    def states(self) -> int:
        """Vectors that a state has: h and, of an LSTM, c."""
        return 2 if self.cell == "lstm" else 1

    @property
    def inputs(self) -> int:
        """Values of the whole sequence, and of the state before it."""
        return self.steps * self.features + (self.hidden * self.states if self.takes_state else 0)

    @property
    def outputs(self) -> int:
        """Values of the output states, and of the last memory."""
        return self.hidden * ((1 if self.last_only else self.steps) + self.gives_memory)

    @property
    def working_values(self) -> int:
        """The sequence, and every step's vector and sums."""
        return self.inputs + self.outputs + self.steps * (self.product.inputs + self.product.outputs)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The product if it is compressed, else nothing."""
        return self.product.layers

    def with_layers(self, layers: Sequence[Layer]) -> Recurrent:
        """Return the cell with another product."""
        return replace(self, product=self.product.with_layers(layers))

    def run(self, vectors: Batch, multiply: Multiply) -> Batch:
        """Multiply once per step."""
        batch, kind = len(vectors), vectors.dtype
        sequence, given = np.split(vectors, [self.steps * self.features], axis=1)
        sequence = sequence.reshape(batch, self.steps, self.features)
        ones = np.ones((batch, self.product.inputs - self.features - self.hidden), kind)
        state, memory = np.zeros((2, batch, self.hidden), kind)
        if self.takes_state:
            state, memory = given[:, : self.hidden], given[:, -self.hidden :]  # a GRU has no memory and uses none
        states = np.empty((batch, self.steps, self.hidden), kind)
        for step in range(self.steps):
            sums = self.product.run(np.concatenate((sequence[:, step], state, ones), axis=1), multiply)
            one, two, three, four = np.split(sums.astype(kind, copy=False), GATES, axis=1)
            if self.cell == "lstm":
                memory = scipy.special.expit(two) * memory + scipy.special.expit(one) * np.tanh(three)
                state = scipy.special.expit(four) * np.tanh(memory)
            else:
                update = scipy.special.expit(two)
                candidate = np.tanh(three + scipy.special.expit(one) * four)
                state = (1 - update) * candidate + update * state
            states[:, step] = state
        found = states[:, -1] if self.last_only else states.reshape(batch, -1)
        return np.concatenate((found, memory), axis=1) if self.gives_memory else found
