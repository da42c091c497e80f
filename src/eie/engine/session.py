"""Inference on this CPU: networks run in native code, but for steps that it does not have, which run in NumPy."""

from __future__ import annotations

import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import eie._native as _native
from eie.encoding.csc import InterleavedCSC
from eie.engine.chain import UNLIMITED, AccumulatorOverflow, Chain, LayerPlan, numbers_in
from eie.engine.plan import Plan, is_native
from eie.errors import InputError
from eie.model.network import NETWORK_INPUT, Batch, Layer, Network, Reads, Step, flow
from eie.model.reference import input_batch
from eie.storage import load

__all__ = ["KERNELS", "NUMERICS", "AccumulatorOverflow", "InferenceSession", "LayerPlan"]

NUMERICS = ("int16", "int8", "chip", "float32")
KERNELS = tuple(_native.kernel_names())  # of this build; native/kernels/README.md tells what each is

_STAGED_BATCH = 256  # inputs at a time: a convolution's windows take many times the memory of its image
_STAGED_BYTES = 2**28

Floats = npt.NDArray[np.float32]


class InferenceSession:
    """Runs a network on this CPU.

    `network` is a network, a layer, a matrix or the path of a model file, encoded for any number of PEs. `numerics` is
    `int16` (16-bit integers, scales chosen per call; the default), `int8` (the same with 8 bits; `eie.engine.int8` has
    its formulas), `chip` (the chip's arithmetic, bit for bit; needs a calibrated network) or `float32`. `threads` is
    how many threads share a call; with 1 none is started. `kernel` forces one of KERNELS for every layer; otherwise the
    environment variable EIE_KERNEL does, and otherwise each layer gets the one measured fastest. Convolutions have a
    kernel of their own, and with `int16` and `int8` one scale for the whole image. Kernels round `int16`
    weights differently, so two such sessions can differ within that accuracy; `int8` and `chip` give the same bits
    whatever the kernel.

    With `int8`, a layer may be kept in two layouts: one that reads every weight, and one that skips the columns of
    inputs that are zero; each call takes the one that is quicker for its number of active inputs. `activity` is the
    expected range of the share of active inputs, (0.0, 1.0) at its widest: two layouts are kept only where each is
    quicker somewhere in it. `weight_bytes` caps what all weights take in memory, shared out to the layers by their
    numbers of weights, rows and columns: a layer that would pass its share keeps one layout. `plan` reports both.

    `run` may be called from several threads at once. Raises InputError for arguments other than these.
    """

    def __init__(
        self,
        network: Network | Layer | InterleavedCSC | str | Path,
        *,
        numerics: str = "int16",
        threads: int = 1,
        kernel: str | None = None,
        activity: tuple[float, float] = (0.0, 1.0),
        weight_bytes: int | None = None,
    ) -> None:
        if numerics not in NUMERICS:
            raise InputError(f"numerics must be {', '.join(NUMERICS[:-1])} or {NUMERICS[-1]}, not {numerics}")
        if not isinstance(threads, int) or not 1 <= threads <= 256:
            raise InputError(f"threads must be an integer from 1 to 256, not {threads!r}")
        self.network = load(network) if isinstance(network, str | Path) else Network.of(network)
        least, most = activity
        if not 0 <= least <= most <= 1:
            raise InputError(f"activity must be a range within 0 to 1, such as (0.0, 0.2), not ({least}, {most})")
        if weight_bytes is not None and weight_bytes < 1:
            raise InputError(f"weight_bytes must be a positive number of bytes, or None, not {weight_bytes}")
        self.numerics = numerics
        self.threads = threads
        forced = kernel or os.environ.get("EIE_KERNEL", "")
        self._stages: list[Chain | Plan | Step] = []
        self._inner: dict[str, Chain] = {}  # those of the layers of steps that run in NumPy, by name
        # What a layout takes grows with the weights, and a little with the rows and columns.
        numbers = sum(numbers_in(layer) for layer in self.network.layers)
        bytes_per_number = None if weight_bytes is None else weight_bytes / numbers

        def chain_of(layers: list[Layer]) -> Chain:
            return Chain(layers, numerics, threads, forced, activity=activity, bytes_per_number=bytes_per_number)

        def most_bytes(layer: Layer) -> int:
            return UNLIMITED if bytes_per_number is None else int(bytes_per_number * numbers_in(layer))

        plans: list[LayerPlan] = []
        runs, self._reads = _stages(self.network, numerics)
        for run in runs:
            steps = [self.network.steps[number] for number in run]
            if not is_native(steps[0], numerics):
                self._stages += steps
                for layer in steps[0].layers:
                    self._inner[layer.name] = chain_of([layer])
                    plans += self._inner[layer.name].plan
                continue
            layers = [step for step in steps if isinstance(step, Layer)]
            all_linear = len(layers) == len(steps)
            stage = chain_of(layers) if all_linear else Plan(steps, numerics, threads, chain_of, most_bytes)
            self._stages.append(stage)
            plans += stage.plan
        self.plan = tuple(plans)
        self._staged = max(1, min(_STAGED_BATCH, _STAGED_BYTES // (4 * self.network.working_values)))
        self._inputs, self._outputs = self.network.inputs, self.network.outputs

    def run(self, inputs: npt.ArrayLike, out: Floats | None = None) -> Floats:
        """Return the network's float32 outputs, (outputs,) for an input vector or (batch, outputs) for a batch.

        A batch may have the shape of the model's inputs, such as (batch, channels, height, width).
        With `out`, a C-contiguous float32 array of the outputs' shape, the result is written there and returned.
        Native code allocates nothing after the first call.
        """
        if np.ndim(inputs) > 2:
            inputs = self._as_vectors(np.asarray(inputs))
        if isinstance(inputs, np.ndarray) and inputs.dtype == np.float32 and inputs.flags.c_contiguous:
            array = inputs  # native code checks for NaN and infinity while it computes
            if array.ndim not in (1, 2) or array.shape[-1] != self._inputs or array.shape[0] == 0:
                input_batch(array, self._inputs)  # raises the error that names the wrong value
        else:
            batch = input_batch(inputs, self._inputs)
            with np.errstate(over="ignore"):  # too large a number becomes infinity, which native code reports
                array = np.ascontiguousarray(batch, np.float32).reshape(np.shape(inputs))
        shape = (*array.shape[:-1], self._outputs)
        if out is None:
            out = np.empty(shape, np.float32)
        elif out.dtype != np.float32 or out.shape != shape or not (out.flags.c_contiguous and out.flags.writeable):
            given = f"{out.dtype} of shape {out.shape}"
            raise InputError(f"out must be a writable, contiguous float32 array of shape {shape}, not {given}")
        if len(self._stages) == 1 and isinstance(self._stages[0], Chain | Plan):
            if not self._stages[0].run(array, out):
                input_batch(array, self._inputs)  # names the first that is NaN or infinite
            return out
        input_batch(array, self._inputs)
        vectors, results = np.atleast_2d(array), out.reshape(-1, self._outputs)
        for first in range(0, len(vectors), self._staged):
            results[first : first + self._staged] = self._run_stages(vectors[first : first + self._staged])
        return out

    def _as_vectors(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a batch of images, or of anything else of the right size, as (batch, inputs)."""
        image = getattr(self.network.steps[0], "image", None)
        expected = f"({self._inputs},) or (batch, {self._inputs})"
        fits = math.prod(batch.shape[1:]) == self._inputs
        if image is not None:
            shape = (image.channels, image.height, image.width)
            expected += f" or (batch, {', '.join(map(str, shape))})"
            fits = batch.shape[1:] == shape
        if not fits:
            raise InputError(f"inputs must have shape {expected}, not {batch.shape}")
        return batch.reshape(len(batch), -1)

    def _run_stages(self, vectors: Floats) -> Floats:
        return flow(self._reads, vectors, self._run_stage).astype(np.float32, copy=False)

    def _run_stage(self, number: int, vectors: Batch) -> Batch:
        stage = self._stages[number]
        if isinstance(stage, Chain | Plan):
            return _run_native(stage, vectors)
        return stage.run(vectors, self._multiply).astype(np.float32, copy=False)

    def _multiply(self, layer: Layer, vectors: Batch) -> Batch:
        return _run_native(self._inner[layer.name], vectors)


def _stages(network: Network, numerics: str) -> tuple[list[list[int]], Reads]:
    """Return the steps that run together, by number, and which of these stages each reads.

    Native steps each of which reads the one before alone, and is all that reads it, are one stage; any other step is
    one by itself.
    """
    readers = Counter(source for sources in network.reads for source in sources)
    native = [is_native(step, numerics) for step in network]
    stages: list[list[int]] = []
    stage_of = {NETWORK_INPUT: NETWORK_INPUT}
    for number, sources in enumerate(network.reads):
        before = sources[0]
        if before != NETWORK_INPUT and len(sources) == 1 == readers[before] and native[before] and native[number]:
            stage_of[number] = stage_of[before]
            stages[stage_of[number]].append(number)
        else:
            stage_of[number] = len(stages)
            stages.append([number])
    return stages, tuple(tuple(stage_of[source] for source in network.reads[stage[0]]) for stage in stages)


def _run_native(stage: Chain | Plan, vectors: Batch) -> Floats:
    outputs = np.empty((len(vectors), stage.outputs), np.float32)
    if not stage.run(np.ascontiguousarray(vectors, np.float32), outputs):
        raise InputError(f"the inputs of layer {stage.plan[0].name} overflowed: some are NaN or infinite")
    return outputs
