"""A training loop for any model, with progress lines, early stopping, and a checkpoint from which it continues.

It trains the model's parameters (masked weights, centroids, biases) and does not depend on compression.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eie.errors import InputError, Interrupted
from eie.support.output_files import atomic_write
from eie.workloads.data import Data

__all__ = ["Epoch", "History", "Progress", "Training", "accuracy", "finetune", "require_labels"]

EVALUATION_BATCH = 2048


@dataclass(frozen=True)
class Training:
    """How to train: Adam or SGD with momentum, the learning rate falling to zero along a cosine.

    Training stops after `patience` epochs without a better validation accuracy. The weights of the best epoch are kept.
    With the `precision` "bfloat16" products are computed in that, as torch.autocast does; weights stay float32.
    """

    epochs: int
    learning_rate: float = 1e-3
    batch_size: int = 128
    optimiser: str = "adam"
    weight_decay: float = 0.0
    patience: int | None = None
    precision: str = "float32"
    seed: int = 0


@dataclass(frozen=True)
class Epoch:
    """One pass over the training data: mean loss, and the accuracy on the validation data after it, 0 to 1."""

    number: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Progress:
    """Where a training is: the share of its steps done, 0 to 1, and the last whole epoch, None in the first."""

    stage: str
    done: float
    epochs: int
    last: Epoch | None


@dataclass(frozen=True)
class History:
    """Every epoch, and the number of the one whose weights were kept."""

    epochs: tuple[Epoch, ...]
    best: int


@torch.no_grad()
def accuracy(model: nn.Module, x: Any, y: Any) -> float:
    """Return the share, 0 to 1, of inputs `x` whose largest output is the one of label `y`, in evaluation mode."""
    training = model.training
    model.eval()
    inputs, labels = torch.as_tensor(x), torch.as_tensor(y)
    right = 0
    for first in range(0, len(inputs), EVALUATION_BATCH):
        outputs = model(inputs[first : first + EVALUATION_BATCH])
        right += int((outputs.argmax(dim=1) == labels[first : first + EVALUATION_BATCH]).sum())
    model.train(training)
    return right / len(inputs)


@torch.no_grad()
def require_labels(model: nn.Module, data: Data) -> None:
    """Raise InputError where a label of `data` is no number of one of the model's outputs."""
    training = model.training
    model.eval()
    try:
        outputs = model(torch.as_tensor(data.x_test[:1]))
    except Exception as error:  # whatever the model's own code raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"the model does not run on inputs of shape {data.input_shape}: {reason}") from error
    finally:
        model.train(training)
    most = max(int(labels.max()) for labels in (data.y_train, data.y_valid, data.y_test))
    if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2:
        what = f"a {type(outputs).__name__}" if not isinstance(outputs, torch.Tensor) else f"{tuple(outputs.shape)}"
        raise InputError(f"the model gives {what} for one input, expected (1, classes) to set beside labels")
    if most >= outputs.shape[1]:
        raise InputError(f"the data have the label {most}, but the model has {outputs.shape[1]} outputs, from 0")


def finetune(
    model: nn.Module,
    data: Data,
    training: Training,
    *,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = nn.functional.cross_entropy,
    checkpoint: Path | None = None,
    before_step: Callable[[int, int], None] = lambda step, steps: None,
    best_after: float = 0.0,
    stage: str = "training",
    log: Callable[[str], None] = lambda line: None,
    watch: Callable[[Progress], None] | None = None,
) -> History:
    """Train `model` in place on `data`; return the loss and accuracy of each epoch.

    After every epoch the state is written to `checkpoint`. If that file exists, training continues from it, to the same
    weights as without the interruption, on the same number of threads (PyTorch's sums depend on it).
    `before_step(step, steps)` is called before every step; gradual pruning updates its masks there. `watch` is told the
    progress before every step and at the end, in place of a logged line per epoch. The model ends with the weights of
    the epoch with the best validation accuracy, of the epochs after the first share `best_after` of all. Raises
    InputError for a checkpoint of another model, and if the loss is not finite; raises Interrupted, which names `stage`
    and the checkpoint, on Ctrl-C.
    """
    state = _State(model, data, training, best_after)
    if checkpoint is not None and checkpoint.exists():
        state.restore(checkpoint)
        log(f"going on from {checkpoint}, after epoch {state.done} of {training.epochs}")
    kept = state.done

    def watched_step(step: int, steps: int) -> None:
        before_step(step, steps)
        tell(step / steps)

    def tell(done: float) -> None:
        if watch is not None:
            watch(Progress(stage, done, training.epochs, state.epochs[-1] if state.epochs else None))

    try:
        while state.done < training.epochs and not state.out_of_patience:
            epoch = state.train_epoch(loss, watched_step)
            if watch is None:
                log(
                    f"epoch {epoch.number} of {training.epochs}: loss {epoch.loss:.4f}, "
                    f"validation accuracy {epoch.accuracy:.2%}"
                )
            if checkpoint is not None:
                state.keep(checkpoint)
                kept = state.done
    except KeyboardInterrupt:
        done = kept if checkpoint is not None else state.done
        rest = f"begun again, it goes on from {checkpoint}" if kept else "nothing was kept"
        raise Interrupted(f"interrupted after epoch {done} of {training.epochs} of {stage}: {rest}") from None
    tell(1.0)
    if state.best_weights:
        model.load_state_dict(state.best_weights)
    return History(tuple(state.epochs), state.best)


class _State:
    """The state of a training: model, optimiser, epochs done, and the best weights."""

    def __init__(self, model: nn.Module, data: Data, training: Training, best_after: float) -> None:
        self.model, self.training, self.best_after = model, training, best_after
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # quicker pooling
        self.x, self.y = torch.as_tensor(data.x_train), torch.as_tensor(data.y_train)
        self.x_valid, self.y_valid = data.x_valid, data.y_valid
        self.steps_per_epoch = math.ceil(len(self.x) / training.batch_size)
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimiser: torch.optim.Optimizer
        if training.optimiser == "adam":
            self.optimiser = torch.optim.Adam(
                parameters, training.learning_rate, weight_decay=training.weight_decay, fused=True
            )
        else:
            self.optimiser = torch.optim.SGD(
                parameters, training.learning_rate, momentum=0.9, weight_decay=training.weight_decay
            )
        self.epochs: list[Epoch] = []
        self.best = 0
        self.best_weights: dict[str, torch.Tensor] = {}

    @property
    def done(self) -> int:
        return len(self.epochs)

    @property
    def eligible(self) -> list[Epoch]:
        """Epochs whose weights may be kept."""
        return [epoch for epoch in self.epochs if epoch.number - 1 >= self.best_after * self.training.epochs]

    @property
    def out_of_patience(self) -> bool:
        if self.training.patience is None or not self.eligible:
            return False
        first_best = max(self.eligible, key=lambda epoch: epoch.accuracy)
        return self.done - first_best.number >= self.training.patience

    def train_epoch(
        self, loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], before_step: Callable[[int, int], None]
    ) -> Epoch:
        """Train one pass over the data, in an order of the epoch's own."""
        training = self.training
        # Every epoch has its own seed, so repeating one after an interruption gives the same result.
        torch.manual_seed(training.seed * 100_003 + self.done)
        order = torch.randperm(len(self.x))
        total = 0.0
        self.model.train()
        for step, batch in enumerate(torch.split(order, training.batch_size)):
            steps = training.epochs * self.steps_per_epoch
            number = self.done * self.steps_per_epoch + step
            before_step(number, steps)
            for group in self.optimiser.param_groups:
                group["lr"] = training.learning_rate * 0.5 * (1 + math.cos(math.pi * number / steps))
            self.optimiser.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=training.precision == "bfloat16"):
                outputs = self.model(self.x[batch])
            error = loss(outputs.float(), self.y[batch])
            error.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            total += float(error.detach()) * len(batch)
        if not math.isfinite(total):
            raise InputError(
                f"the loss of epoch {self.done + 1} is {total}: lower learning_rate, {training.learning_rate} now"
            )
        found = Epoch(self.done + 1, total / len(self.x), accuracy(self.model, self.x_valid, self.y_valid))
        so_far = max((epoch.accuracy for epoch in self.eligible), default=0.0)
        self.epochs.append(found)
        if found in self.eligible and found.accuracy >= so_far:  # in a tie the last epoch wins: it was trained longest
            self.best = found.number
            self.best_weights = {name: value.clone() for name, value in self.model.state_dict().items()}
        return found

    def keep(self, path: Path) -> None:
        """Write the state to `path`; if interrupted, the file of the epoch before stays."""
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "epochs": [(epoch.number, epoch.loss, epoch.accuracy) for epoch in self.epochs],
            "best": self.best,
            "best_weights": self.best_weights,
        }
        data = io.BytesIO()  # torch.save to a file raises an error other than OSError when the disk is full
        torch.save(state, data)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data.getbuffer())

    def restore(self, path: Path) -> None:
        """Restore the state from `path`."""
        try:
            found = torch.load(path, weights_only=True)
            self.model.load_state_dict(found["model"])
            self.optimiser.load_state_dict(found["optimiser"])
            self.epochs = [Epoch(*facts) for facts in found["epochs"]]
            self.best, self.best_weights = found["best"], found["best_weights"]
        except Exception as error:  # torch.load raises many types for a damaged or foreign file
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"checkpoint {path} is not of this model and training: {reason}") from error
