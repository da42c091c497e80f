"""Inference on this CPU: networks run in native code, but for steps that it does not have, which run in NumPy."""

from __future__ import annotations

import copy
import math
import os
import time
import warnings
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import eie._native as _native
from eie.encoding.csc import InterleavedCSC
from eie.engine.chain import UNLIMITED, AccumulatorOverflow, Chain, LayerPlan, numbers_in
from eie.engine.plan import Plan, is_native
from eie.errors import InputError
from eie.model.network import NETWORK_INPUT, Batch, Layer, Network
from eie.model.reference import input_batch
from eie.storage import load

__all__ = ["KERNELS", "NUMERICS", "AccumulatorOverflow", "InferenceSession", "LayerPlan"]

NUMERICS = ("int16", "int8", "chip", "float32")
KERNELS = tuple(_native.kernel_names())  # of this build; native/kernels/README.md tells what each is

_STAGED_BATCH = 256  # inputs at a time: a convolution's windows take many times the memory of its image
_STAGED_BYTES = 2**28

_MOST_THREADS = 16  # that are tried where the session chooses
_ROUNDS, _MOST_SECONDS = 20, 0.1  # of trying

_FLOAT32 = np.dtype(np.float32)

Floats = npt.NDArray[np.float32]


class InferenceSession:
    """Runs a network on this CPU.

    `network` is a network, a layer, a matrix or the path of a model file, encoded for any number of PEs. `numerics` is
    `int16` (16-bit integers, scales chosen per call; the default), `int8` (the same with 8 bits; `eie.engine.integers`
    has their formulas), `chip` (the chip's arithmetic, bit for bit; needs a calibrated network) or `float32`. `threads`
    is how many threads share a call; with 1 none is started, with None as many as make a vector's way through the
    network quicker, which is measured here. `kernel` forces one of KERNELS for every layer; otherwise the environment
    variable EIE_KERNEL does, and otherwise each layer gets the one measured fastest. Convolutions have a kernel of
    their own, and with `int16` and `int8` one scale for the whole image. `int16`, `int8` and `chip` give the same bits
    whatever the kernel and processor.

    With `int16` and `int8`, a layer may be kept in two layouts: one that reads every weight, one that skips columns of
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
        threads: int | None = 1,
        kernel: str | None = None,
        activity: tuple[float, float] = (0.0, 1.0),
        weight_bytes: int | None = None,
    ) -> None:
        if numerics not in NUMERICS:
            raise InputError(f"numerics must be {', '.join(NUMERICS[:-1])} or {NUMERICS[-1]}, not {numerics}")
        if threads is not None and (not isinstance(threads, int) or not 1 <= threads <= 256):
            raise InputError(f"threads must be an integer from 1 to 256, or None, not {threads!r}")
        choose_threads, threads = threads is None, min(_MOST_THREADS, _cores()) if threads is None else threads
        network = load(network) if isinstance(network, str | Path) else Network.of(network)
        least, most = activity
        if not 0 <= least <= most <= 1:
            raise InputError(f"activity must be a range within 0 to 1, such as (0.0, 0.2), not ({least}, {most})")
        if weight_bytes is not None and weight_bytes < 1:
            raise InputError(f"weight_bytes must be a positive number of bytes, or None, not {weight_bytes}")
        self.numerics = numerics
        self.threads = threads
        self._forced = kernel or os.environ.get("EIE_KERNEL", "")
        self._activity, self._weight_bytes = activity, weight_bytes
        self._chains: dict[tuple[Layer, ...], Chain] = {}
        self._take(network)
        if choose_threads and threads > 1:
            self.threads = self._fastest(threads)
            self._use_threads(self.threads)

    def like(self, network: Network) -> InferenceSession:
        """Return a session of another network with this one's settings; layers of both are laid out once.

        So a network for sequences of another length costs next to nothing.
        """
        other = copy.copy(self)
        other._take(network)
        return other

    def _take(self, network: Network) -> None:
        """Lay out `network`, but for what has been laid out before."""
        self.network, numerics, threads = network, self.numerics, self.threads
        self._stages: list[Plan | int] = []  # an integer is a step that runs in NumPy
        self._inner: dict[str, Chain] = {}  # those of the layers of steps that run in NumPy, by name
        # What a layout takes grows with the weights, and a little with the rows and columns.
        numbers = sum(numbers_in(layer) for layer in self.network.layers)
        bytes_per_number = None if self._weight_bytes is None else self._weight_bytes / numbers

        def most_bytes(layer: Layer) -> int:
            return UNLIMITED if bytes_per_number is None else int(bytes_per_number * numbers_in(layer))

        def chain_of(layers: list[Layer]) -> Chain:
            key, activity = tuple(layers), self._activity
            if key not in self._chains:
                self._chains[key] = Chain(
                    layers, numerics, threads, self._forced, activity=activity, most_bytes=most_bytes
                )
            return self._chains[key]

        steps = self.network.steps
        plans: list[LayerPlan] = []
        for native, run in groupby(range(len(steps)), lambda number: is_native(steps[number], numerics)):
            if native:
                stage = Plan(self.network, list(run), numerics, threads, chain_of, most_bytes)
                self._stages.append(stage)
                plans += stage.plan
                continue
            for number in run:
                self._stages.append(number)
                for layer in steps[number].layers:
                    self._inner[layer.name] = chain_of([layer])
                    plans += self._inner[layer.name].plan
        self.plan = tuple(plans)
        last = {value: k for k, stage in enumerate(self._stages) for value in self._reads(stage)}
        self._leaving = [[value for value in last if last[value] == k] for k in range(len(self._stages))]
        self._staged = max(1, min(_STAGED_BATCH, _STAGED_BYTES // (4 * self.network.working_values)))
        self._inputs, self._outputs = self.network.inputs, self.network.outputs
        self._shape = (self._inputs,)
        only = self._stages[0] if len(self._stages) == 1 else None
        self._quick = only.quick if isinstance(only, Plan) else None

    def new_cache(self, batch: int | None = None) -> Floats:
        """Return the cache of a sequence of which nothing has been run, (cache,), or of `batch` of them.

        It is `Network.cache` numbers, zeros: of a decoder room for the keys and values of its tokens. Raises InputError
        where the network keeps nothing.
        """
        if self.network.cache == 0:
            raise InputError(f"network {self.network.name} keeps nothing from call to call, expected a decoder")
        return np.zeros(self.network.cache if batch is None else (batch, self.network.cache), np.float32)

    def run(self, inputs: npt.ArrayLike, out: Floats | None = None, *, cache: Floats | None = None) -> Floats:
        """Return the network's float32 outputs, (outputs,) for an input vector or (batch, outputs) for a batch.

        A batch may have the shape of the model's inputs, such as (batch, channels, height, width). With `cache`, from
        `new_cache`, the inputs follow those that it has been given with before, each vector those of its row; it then
        has these, too. After an error it is of no use any more.
        With `out`, a C-contiguous float32 array of the outputs' shape, the result is written there and returned.
        Native code allocates nothing after the first call.
        """
        # One vector through linear layers, as quick as can be: a small layer takes no longer than these lines.
        quick = self._quick
        if (
            quick is not None
            and out is None
            and cache is None
            and type(inputs) is np.ndarray
            and inputs.dtype is _FLOAT32
            and inputs.shape == self._shape
        ):
            outputs = np.empty(self._outputs, np.float32)
            try:
                if quick(inputs, outputs, None):
                    return outputs
            except TypeError:  # not contiguous
                pass
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
        if cache is not None:
            self._check_cache(cache, array.shape[:-1])
        if len(self._stages) == 1 and isinstance(self._stages[0], Plan):
            if not self._stages[0].run([array], [out], cache):
                input_batch(array, self._inputs)  # names the first that is NaN or infinite
            return out
        input_batch(array, self._inputs)
        vectors, results = np.atleast_2d(array), out.reshape(-1, self._outputs)
        caches = None if cache is None else np.atleast_2d(cache)
        for first in range(0, len(vectors), self._staged):
            items = slice(first, first + self._staged)
            results[items] = self._run_stages(vectors[items], None if caches is None else caches[items])
        return out

    def _check_cache(self, cache: Floats, batch: tuple[int, ...]) -> None:
        shape = (*batch, self.network.cache)
        if self.network.cache == 0:
            self.new_cache()  # raises the error that says so
        if (
            cache.dtype != np.float32
            or cache.shape != shape
            or not (cache.flags.c_contiguous and cache.flags.writeable)
        ):
            given = f"{cache.dtype} of shape {cache.shape}"
            raise InputError(f"the cache must be a writable, contiguous float32 array of shape {shape}, not {given}")

    def run_with_state(self, inputs: npt.ArrayLike, state: npt.ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Return the network's outputs, and the state that they leave behind, for inputs after `state`.

        The network must have a state (`Network.state`); without `state` it is zeros, as before the first input. Shapes
        are those of `run`, less the state: inputs (inputs - state,), outputs (outputs - state,) and state (state,), or
        each a batch of them. A sequence given in pieces, each after the state that the one before has left, has the
        outputs of the whole.
        """
        size = self.network.state
        if size == 0:
            raise InputError(f"network {self.network.name} has no state, expected one: use run")
        given = np.asarray(inputs)
        rows = given.reshape(len(given), -1) if given.ndim > 1 else given
        zeros = np.zeros((*rows.shape[:-1], size), np.float32)
        before = zeros if state is None else np.asarray(state)
        if rows.shape[-1:] != (self._inputs - size,):
            raise InputError(
                f"inputs must have shape ({self._inputs - size},) or (batch, {self._inputs - size}), not {given.shape}"
            )
        if before.shape != zeros.shape:
            raise InputError(f"the state must have shape {zeros.shape}, not {before.shape}")
        both = self.run(np.concatenate((rows, before), axis=-1))
        return both[..., :-size], both[..., -size:]

    def _as_vectors(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a batch of images, or of anything else of the right size, as (batch, inputs)."""
        image = getattr(self.network.steps[0], "image", None) if len(self.network.reads[0]) == 1 else None
        expected = f"({self._inputs},) or (batch, {self._inputs})"
        fits = math.prod(batch.shape[1:]) == self._inputs
        if image is not None:
            shape = (image.channels, image.height, image.width)
            expected += f" or (batch, {', '.join(map(str, shape))})"
            fits = batch.shape[1:] == shape
        if not fits:
            raise InputError(f"inputs must have shape {expected}, not {batch.shape}")
        return batch.reshape(len(batch), -1)

    def _use_threads(self, threads: int) -> None:
        for stage in self._stages:
            if isinstance(stage, Plan):
                stage.use_threads(threads)
        for chain in self._inner.values():
            chain.native.use_threads(threads)

    def _fastest(self, most: int) -> int:
        """Return how many threads to use, of 1, 2, 4 and so on up to `most`: the fewest within a tenth of the best."""
        vector = np.zeros(self._inputs, np.float32)
        vector[::3] = 1  # a third of the inputs active, whole numbers
        try:
            self.run(vector)
        except InputError:  # of a lookup, say, that has no entry 1
            vector[:] = 0
        candidates: list[int] = [*(2**k for k in range(most.bit_length()) if 2**k < most), most]
        best = dict.fromkeys(candidates, math.inf)
        end = time.perf_counter() + _MOST_SECONDS
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AccumulatorOverflow)
            for done in range(_ROUNDS):  # in turns: the processor is seldom ours alone
                if done and time.perf_counter() > end:
                    break
                for threads in candidates:
                    self._use_threads(threads)
                    self.run(vector)
                    best[threads] = min(best[threads], _seconds(lambda: self.run(vector)))
        return min(threads for threads in candidates if best[threads] <= 1.1 * min(best.values()))

    def _run_stages(self, vectors: Floats, cache: Floats | None) -> Floats:
        """Run the stages in order; values are kept by the number of the step that made them."""
        kept: dict[int, Floats] = {NETWORK_INPUT: vectors}
        for stage, leaving in zip(self._stages, self._leaving, strict=True):
            read = [kept[value] for value in self._reads(stage)]
            for value in leaving:
                del kept[value]
            if isinstance(stage, Plan):
                results = [np.empty((len(vectors), length), np.float32) for length in stage.lengths]
                if not stage.run(read, results, cache):
                    raise InputError(f"the inputs of {stage.name} overflowed: some are NaN or infinite")
                kept.update(zip(stage.gives, results, strict=True))
                continue
            together = read[0] if len(read) == 1 else np.concatenate(read, axis=1)
            step = self.network.steps[stage]
            if cache is not None and step.cache:
                result = step.resume(together, self._multiply, cache[:, self.network.cache_of(stage)])
            else:
                result = step.run(together, self._multiply)
            kept[stage] = np.ascontiguousarray(result, np.float32)
        return kept[len(self.network.steps) - 1]

    def _reads(self, stage: Plan | int) -> tuple[int, ...]:
        return stage.reads if isinstance(stage, Plan) else self.network.reads[stage]

    def _multiply(self, layer: Layer, vectors: Batch) -> Batch:
        chain = self._inner[layer.name]
        outputs = np.empty((len(vectors), chain.outputs), np.float32)
        if not chain.run(np.ascontiguousarray(vectors, np.float32), outputs):
            raise InputError(f"the inputs of layer {layer.name} overflowed: some are NaN or infinite")
        return outputs


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
