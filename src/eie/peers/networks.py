"""A whole network of a user's own, beside PyTorch and ONNX Runtime running the same network with its weights expanded.

Contenders take turns, as in `eie.peers.measure`. What a peer computes is held against ours: a peer is measured only
with its error beside its time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eie.engine import InferenceSession
from eie.model.network import Layer, Network
from eie.peers.measure import Contender, quartiles, reason_of, times
from eie.steps import Convolution, Dense, Recurrent

__all__ = ["NetworkMeasurement", "advice", "measure_network"]

Floats = npt.NDArray[np.float32]
Call = Callable[[], Floats]

DENSE_DENSITY = 0.3  # above it, a dense product of bytes reads no more than codes and indices do


@dataclass(frozen=True)
class NetworkMeasurement:
    """One contender on one batch: median and quartiles of a call, and its error relative to the largest output.

    `ours` says whether it is this engine; the error is against it in float32.
    """

    contender: str
    ours: bool
    us: float
    quartiles_us: tuple[float, float]
    error: float


def measure_network(
    network: Network, inputs: Floats, *, threads: int = 1, seconds: float = 2.0, kernel: str | None = None
) -> tuple[list[NetworkMeasurement], list[str]]:
    """Measure `network` on the batch `inputs`, (batch, inputs), ours in every numerics first, then the peers.

    Returns the measurements, and why a contender is missing. `chip` is left out for a network without formats.
    """
    expected = InferenceSession(network, numerics="float32", threads=threads, kernel=kernel).run(inputs)
    contenders: list[Contender] = []
    missing: list[str] = []
    for name, make in _contenders(network, inputs, threads, kernel):
        try:
            call = make()
            call()
        except Exception as error:  # whatever a library says of a network that it cannot run
            missing.append(f"{name}: {reason_of(error)}")
            continue
        contenders.append(Contender(name, (call,), 0))
    largest = float(np.abs(expected).max()) or 1.0
    errors = {one.name: float(np.abs(one.calls[0]() - expected).max()) / largest for one in contenders}
    found = times(contenders, seconds, rotate=False)
    return [
        NetworkMeasurement(
            one.name,
            one.name.startswith("eie"),
            float(np.median(found[one.name])),
            quartiles(found[one.name]),
            errors[one.name],
        )
        for one in contenders
    ], missing


def _contenders(
    network: Network, inputs: Floats, threads: int, kernel: str | None
) -> list[tuple[str, Callable[[], Call]]]:
    numerics = ["int16", "int8", "float32"]
    if all(layer.formats is not None for layer in network.layers):
        numerics.append("chip")

    def ours(chosen: str) -> Call:
        session = InferenceSession(network, numerics=chosen, threads=threads, kernel=kernel)
        out = session.run(inputs)
        return lambda: session.run(inputs, out=out)

    return [
        *((f"eie {chosen}", lambda chosen=chosen: ours(chosen)) for chosen in numerics),
        ("PyTorch float32", lambda: _pytorch(network, inputs)),
        ("ONNX Runtime float32", lambda: _onnx_runtime(network, inputs, threads, int8=False)),
        ("ONNX Runtime int8", lambda: _onnx_runtime(network, inputs, threads, int8=True)),
    ]


def _onnx(network: Network, folder: Path) -> Path:
    from eie.exporters.onnx import write_onnx

    path = folder / "network.onnx"
    write_onnx(network, path)
    return path


def _shaped(network: Network, inputs: Floats) -> Floats:
    image = getattr(network.steps[0], "image", None)
    return inputs if image is None else inputs.reshape(-1, image.channels, image.height, image.width)


def _pytorch(network: Network, inputs: Floats) -> Call:
    import torch

    from eie.pytorch.onnx import read_onnx

    with tempfile.TemporaryDirectory() as folder:
        model = read_onnx(_onnx(network, Path(folder))).eval()
    x = torch.from_numpy(_shaped(network, inputs))

    def call() -> Floats:
        with torch.inference_mode():
            found: Floats = model(x).numpy()
            return found

    return call


def _onnx_runtime(network: Network, inputs: Floats, threads: int, *, int8: bool) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = _onnx(network, Path(folder))
        if int8:
            import logging

            from onnxruntime.quantization import QuantType, quantize_dynamic

            logging.disable(logging.WARNING)
            try:
                quantize_dynamic(path, path.with_name("int8.onnx"), weight_type=QuantType.QInt8, per_channel=True)
            finally:
                logging.disable(logging.NOTSET)
            path = path.with_name("int8.onnx")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: _shaped(network, inputs)}

    def call() -> Floats:
        found: Floats = session.run(None, feed)[0]
        return found

    return call


def advice(network: Network, batch: int, measurements: list[NetworkMeasurement]) -> list[str]:
    """Return sentences: whether the fastest of ours is faster than the fastest peer, and what to do where it is not."""
    ours = [one for one in measurements if one.ours]
    peers = [one for one in measurements if not one.ours]
    if not peers:
        return ["No peer could run this network, so there is nothing to compare with"]
    best, peer = (min(group, key=lambda one: one.us) for group in (ours, peers))
    ratio = peer.us / best.us
    if best.quartiles_us[1] < peer.quartiles_us[0]:
        return [f"{best.contender} is fastest: {ratio:.1f} times as fast as {peer.contender}"]
    if best.quartiles_us[0] <= peer.quartiles_us[1]:
        return [f"{best.contender} and {peer.contender} are as fast as each other: their quartiles overlap"]
    lines = [f"{best.contender} is SLOWER than {peer.contender} here: it takes {1 / ratio:.1f} times as long"]
    density = _density(network.layers)
    left = [step.name for step in network if isinstance(_product(step), Dense)]
    if left:
        lines.append(f"compress {', '.join(left)} too: they run in float32 outside the compressed engine")
    if density > DENSE_DENSITY:
        lines.append(f"prune further: {density:.0%} of the weights are kept, and zeros are what is skipped")
    if batch > 1:
        lines.append(f"measure --batch 1 too: a dense product reads its weights once for all {batch} inputs")
    lines.append(f"{'or ' if len(lines) > 1 else ''}use {peer.contender} for this network on this processor")
    if any(isinstance(step, Layer) for step in network):
        lines.append("eie bench --sweep shows from what density, activity and batch on a linear layer is quicker here")
    return lines


def _product(step: Any) -> Layer | Dense | None:
    if isinstance(step, Convolution | Recurrent):
        return step.product
    return step if isinstance(step, Layer | Dense) else None


def _density(layers: tuple[Layer, ...]) -> float:
    weights = sum(layer.outputs * layer.inputs for layer in layers)
    return sum(layer.matrix.nnz for layer in layers) / weights if weights else 1.0
