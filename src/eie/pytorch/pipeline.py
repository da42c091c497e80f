"""Compression of a PyTorch model by a recipe: train, prune, share the weights, fine-tune the centroids."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from eie.errors import InputError
from eie.pytorch.compressor import Compression, Compressor, Stage, one_input
from eie.pytorch.recipe import Recipe, Train
from eie.pytorch.tracing import network_of
from eie.pytorch.training import Progress, Training, accuracy, finetune, require_labels
from eie.pytorch.verification import expected_of
from eie.support.output_files import atomic_write
from eie.workloads.data import Data

__all__ = ["Compression", "Stage", "compress_", "discard_checkpoints"]

OWNER = "owner.sha256"  # in a folder of checkpoints: the hash of the recipe, model and data that they belong to
TRAININGS = ("train", "prune", "finetune")
MASK_INTERVAL = 50  # steps between one choice of masks and the next

Log = Callable[[str], None]
Watch = Callable[[Progress], None]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def compress_(
    model: nn.Module,
    recipe: Recipe | None = None,
    data: Data | None = None,
    *,
    checkpoints: Path | None = None,
    chain: bool = False,
    log: Log = lambda line: None,
    watch: Watch | None = None,
    loss: Loss = nn.functional.cross_entropy,
) -> Compression:
    """Compress `model` in place by `recipe`, and return the result.

    Afterwards the weights of its layers are parametrised by fixed codes and by centroids, which any training loop can
    train further. Without `data` nothing is trained. With `checkpoints`, a folder, a call that was interrupted can be
    repeated and continues where it stopped. With `chain`, a model that cannot become a `Compression.network` is
    refused before the training. `watch` is told how far each training is, in place of a logged line per epoch. `loss`
    takes the outputs and the labels of a batch. Raises InputError for a model without a layer to compress, weights
    that are NaN or infinite, and a recipe or checkpoints of another model; raises Interrupted if the user stops it.
    """
    recipe = Recipe() if recipe is None else recipe
    inputs = None if data is None else data.x_train
    if data is not None:
        require_labels(model, data)
    expected = expected_of(model, one_input(model, recipe, inputs), inputs) if chain else None
    compressor = Compressor(model, recipe)
    if expected is not None:
        expected.hold(model, network_of(model, one_input(model, recipe, inputs)))
    run = _Run(compressor, data, checkpoints, log, watch, loss)
    run.claim_checkpoints()
    run.train()
    run.prune()
    run.share()
    run.finetune()
    model.eval()
    return Compression(model, recipe, tuple(compressor.targets), tuple(run.stages), data, inputs)


def discard_checkpoints(folder: Path) -> None:
    """Remove a run's checkpoints from `folder`, and the folder where nothing else is in it."""
    try:
        for name in (*(f"{training}.pt" for training in TRAININGS), OWNER):
            (folder / name).unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise InputError(f"cannot remove the checkpoints in {folder}: {error.strerror}") from error


class _Run:
    """The compression of one model: a method for each step of the recipe."""

    def __init__(
        self,
        compressor: Compressor,
        data: Data | None,
        checkpoints: Path | None,
        log: Log,
        watch: Watch | None,
        loss: Loss,
    ) -> None:
        self.watch, self.loss = watch, loss
        self.compressor, self.model, self.recipe = compressor, compressor.model, compressor.recipe
        self.data, self.checkpoints, self.log = data, checkpoints, log
        self.stages: list[Stage] = []

    def claim_checkpoints(self) -> None:
        """Write this run's hash to the checkpoints' folder, or raise InputError if it has another run's."""
        if self.checkpoints is None:
            return
        digest = hashlib.sha256(self.recipe.model_dump_json().encode())
        for name, tensor in self.model.state_dict().items():
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().contiguous().numpy().tobytes())
        if self.data is not None:
            digest.update(f"{self.data.x_train.shape} {self.data.x_train.sum(dtype=float)}".encode())
        owner = self.checkpoints / OWNER
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            known = owner.read_text(encoding="utf-8", errors="replace") if owner.exists() else None
        except OSError as error:
            raise InputError(f"cannot use the checkpoints' folder {self.checkpoints}: {error.strerror}") from error
        if known is None:
            with atomic_write(owner) as temporary:
                temporary.write_text(digest.hexdigest())
        elif known != digest.hexdigest():
            raise InputError(
                f"the checkpoints in {self.checkpoints} are of another recipe, model or data: remove the folder to "
                "begin anew, or name another"
            )

    def train(self) -> None:
        """Train the dense model if the recipe has epochs for it."""
        self._train("train", self.recipe.train)
        self._note("dense")

    def prune(self) -> None:
        """Prune the weights under masks, with training in between, and store the zeros in the weights."""
        prune = self.recipe.pruning
        if self.compressor.prunes:
            gradual = self.data is not None and prune.epochs > 0 and prune.schedule == "gradual"
            self.compressor.prune(0.0 if gradual else 1.0)

            def move_masks(step: int, steps: int) -> None:
                # The density falls until the ramp ends; for half of the rest pruned weights may still regrow.
                ramp_ends = math.ceil(prune.ramp * steps)
                if gradual and step <= (steps + ramp_ends) / 2 and (step % MASK_INTERVAL == 0 or step == ramp_ends):
                    self.compressor.prune(step / ramp_ends)

            self._train("prune", prune, move_masks, best_after=prune.ramp if gradual else 0.0)
        self.compressor.store_zeros()
        if self.compressor.prunes:
            self._note("pruned")

    def share(self) -> None:
        """Cluster each layer's weights, and replace them by codes and centroids."""
        self.compressor.share()
        self._note("shared")

    def finetune(self) -> None:
        """Train the centroids if the recipe has epochs for it."""
        if self.data is not None and self.recipe.finetune.epochs:
            self._train("finetune", self.recipe.finetune)
            self._note("fine-tuned")

    def _train(
        self,
        stage: str,
        table: Train,
        before_step: Callable[[int, int], None] = lambda step, steps: None,
        best_after: float = 0.0,
    ) -> None:
        if self.data is None or table.epochs == 0:
            return
        self.log(f"{stage}: {table.epochs} epochs on {len(self.data.x_train):,} inputs")
        checkpoint = None if self.checkpoints is None else self.checkpoints / f"{stage}.pt"
        finetune(
            self.model,
            self.data,
            Training(**table.model_dump(include=set(Train.model_fields)), seed=self.recipe.seed),
            checkpoint=checkpoint,
            before_step=before_step,
            best_after=best_after,
            stage=stage,
            log=self.log,
            watch=self.watch,
            loss=self.loss,
        )

    def _note(self, name: str) -> None:
        kept, weights = self.compressor.count()
        if self.data is None:
            self.stages.append(Stage(name, None, None, kept, weights))
            return
        validation = accuracy(self.model, self.data.x_valid, self.data.y_valid)
        test = accuracy(self.model, self.data.x_test, self.data.y_test)
        self.stages.append(Stage(name, validation, test, kept, weights))
        self.log(f"{name}: {kept:,} of {weights:,} weights, test accuracy {test:.2%}")
