"""Inference on this CPU: compressed layers run in native code, all other steps in NumPy."""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eie import _native
from eie.encoding.csc import InterleavedCSC
from eie.engine.chain import AccumulatorOverflow, Chain, LayerPlan
from eie.errors import InputError
from eie.model.network import Batch, Layer, Network, Step
from eie.model.reference import input_batch
from eie.storage import load

__all__ = ["KERNELS", "NUMERICS", "AccumulatorOverflow", "InferenceSession", "LayerPlan"]

NUMERICS = ("int16", "chip", "float32")
KERNELS = tuple(_native.kernel_names())  # those of this build, described in native/kernels/README.md

_STAGED_BATCH = 256  # a convolution's windows take many times the memory of its image

Floats = npt.NDArray[np.float32]


class InferenceSession:
    """Runs a network on this CPU.

    `network` is a network, a layer, a matrix or the path of a model file, encoded for any number of PEs. `numerics`
    is `int16` (16-bit integers, scales chosen per call; the default), `chip` (the chip's arithmetic, bit for bit;
    needs a calibrated network) or `float32`. `threads` is the number of threads that share a call; with 1 none is
    started. `kernel` names one of KERNELS for every layer; the default is the environment variable EIE_KERNEL, and
    without it each layer gets the kernel measured fastest. Kernels round `int16` weights differently, so the outputs
    of two such sessions can differ by that rounding.

    `run` may be called from several threads at once. Raises InputError for arguments other than these.
    """

    def __init__(
        self,
        network: Network | Layer | InterleavedCSC | str | Path,
        *,
        numerics: str = "int16",
        threads: int = 1,
        kernel: str | None = None,
    ) -> None:
        if numerics not in NUMERICS:
            raise InputError(f"numerics must be {', '.join(NUMERICS[:-1])} or {NUMERICS[-1]}, not {numerics}")
        if not isinstance(threads, int) or not 1 <= threads <= 256:
            raise InputError(f"threads must be an integer from 1 to 256, not {threads!r}")
        self.network = load(network) if isinstance(network, str | Path) else Network.of(network)
        self.numerics = numerics
        self.threads = threads
        forced = kernel or os.environ.get("EIE_KERNEL", "")
        self._stages: list[Chain | Step] = []
        self._inner: dict[str, Chain] = {}  # of the layers inside other steps, by name
        chains = []
        for is_layer, steps in groupby(self.network, lambda step: isinstance(step, Layer)):
            if is_layer:
                chain = Chain([layer for step in steps for layer in step.layers], numerics, threads, forced)
                self._stages.append(chain)
                chains.append(chain)
                continue
            for step in steps:
                self._stages.append(step)
                for layer in step.layers:
                    self._inner[layer.name] = Chain([layer], numerics, threads, forced)
                    chains.append(self._inner[layer.name])
        self.plan = tuple(plan for chain in chains for plan in chain.plan)
        self._inputs, self._outputs = self.network.inputs, self.network.outputs

    def run(self, inputs: npt.ArrayLike, out: Floats | None = None) -> Floats:
        """Return the network's float32 outputs, (outputs,) for an input vector or (batch, outputs) for a batch.

        With `out`, a C-contiguous float32 array of the outputs' shape, the result is written there and returned.
        Native code allocates nothing after the first call.
        """
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
        if len(self._stages) == 1 and isinstance(self._stages[0], Chain):
            if not self._stages[0].run(array, out):
                input_batch(array, self._inputs)  # names the first that is NaN or infinite
            return out
        input_batch(array, self._inputs)
        vectors, results = np.atleast_2d(array), out.reshape(-1, self._outputs)
        for first in range(0, len(vectors), _STAGED_BATCH):
            results[first : first + _STAGED_BATCH] = self._run_stages(vectors[first : first + _STAGED_BATCH])
        return out

    def _run_stages(self, vectors: Floats) -> Floats:
        for stage in self._stages:
            if isinstance(stage, Chain):
                vectors = _run_chain(stage, vectors)
            else:
                vectors = stage.run(vectors, self._multiply).astype(np.float32, copy=False)
        return vectors

    def _multiply(self, layer: Layer, vectors: Batch) -> Batch:
        return _run_chain(self._inner[layer.name], np.ascontiguousarray(vectors, np.float32))


def _run_chain(chain: Chain, vectors: Floats) -> Floats:
    outputs = np.empty((len(vectors), chain.outputs), np.float32)
    if not chain.run(np.ascontiguousarray(vectors), outputs):
        raise InputError(f"the inputs of layer {chain.plan[0].name} overflowed: some are NaN or infinite")
    return outputs
