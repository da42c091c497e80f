"""Pruned convolutions and small networks, ours beside ONNX Runtime's dense ones: measured, and written as a table.

python benchmarks/convolutions.py [--rounds N] [--only NAME,...]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import eie
from eie.exporters.onnx import write_onnx
from eie.model.network import Layer, Network
from eie.model.reference import float_layer
from eie.steps import Convolution, Image, Pooling, Window
from eie.support.output_files import atomic_write
from eie.support.processor import processor
from timing import faster, interleaved

RESULTS = Path(__file__).parent / "results" / "convolutions.md"
NUMERICS = ("float32", "int16", "int8")
# (channels, pixels a side, filters, kernel, stride), padded so that a stride of 1 keeps the size
CONVOLUTIONS = {
    "3 x 3, 64 channels, 56 x 56": (64, 56, 64, 3, 1),
    "3 x 3, 128 channels, 28 x 28": (128, 28, 128, 3, 1),
    "3 x 3, 256 channels, 14 x 14": (256, 14, 256, 3, 1),
    "3 x 3, 512 channels, 7 x 7": (512, 7, 512, 3, 1),
    "3 x 3, stride 2, 128 channels, 56 x 56": (128, 56, 128, 3, 2),
    "1 x 1, 256 to 64 channels, 56 x 56": (256, 56, 64, 1, 1),
    "1 x 1, 1024 to 256 channels, 14 x 14": (1024, 14, 256, 1, 1),
}
DENSITY = 0.1

Floats = npt.NDArray[np.float32]


def main() -> None:
    """Measure and write benchmarks/results/convolutions.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--only", default="", help="beginnings of names, comma-separated")
    arguments = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    lines = [
        "# Pruned convolutions beside dense ones",
        "",
        f"Measured on {processor()}, commit {commit.strip()}; one thread, one image. Weights are made up: "
        f"{DENSITY:.0%} of a convolution's are kept, of LeNet-5's what Deep Compression keeps. ONNX Runtime has all of "
        "them, in float32, and in int8 as its own tool quantises them (static, per channel, calibrated on the image). "
        f"All take turns, twice each, the second counted; medians of {arguments.rounds} rounds. *Times faster*: median "
        "of the rounds' ratios, and their quartiles. *Error*: the largest, over the largest output." + busy(),
        "",
        "| | ours, us: " + ", ".join(NUMERICS) + " | ONNX Runtime, us: float32, int8 | float32: times faster | int8: "
        "times faster | error, ours: " + ", ".join(NUMERICS) + " | error, ONNX Runtime's int8 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, network in networks():
        if name.startswith(tuple(arguments.only.split(","))):
            print(f"measuring {name}", flush=True)
            lines.append(row(name, network, arguments.rounds))
    text = "\n".join(lines) + "\n"
    if not arguments.only:
        with atomic_write(RESULTS) as temporary:
            temporary.write_text(text)
    print(text)


def busy() -> str:
    """Return what to say where others are using the processor."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load < cores:
        return ""
    return f" {load:.0f} processes were waiting for {cores} cores: compare ratios only."


def networks() -> Iterator[tuple[str, Network]]:
    """Yield each convolution as a network, then the small networks."""
    rng = np.random.default_rng(0)
    for name, (channels, side, filters, kernel, stride) in CONVOLUTIONS.items():
        window = Window((kernel, kernel), (stride, stride), (kernel // 2, kernel // 2))
        product = layer(rng, "filters", filters, channels * kernel**2, DENSITY)
        yield name, Network((Convolution("convolution", Image(channels, side, side), window, product),))
    yield "LeNet-5", small(rng, Image(1, 28, 28), (20, 50), 5, 0, (0.66, 0.12, 0.08, 0.19), 500)
    yield "32 and 64 filters, 3 x 32 x 32", small(rng, Image(3, 32, 32), (32, 64), 3, 1, (DENSITY,) * 4, 128)


def small(
    rng: np.random.Generator,
    image: Image,
    filters: tuple[int, int],
    kernel: int,
    padding: int,
    densities: tuple[float, ...],
    hidden: int,
) -> Network:
    """Return two convolutions, each with ReLU and a pooling by two, and two linear layers."""
    steps: list[Any] = []
    for number, count in enumerate(filters):
        product = layer(rng, f"conv{number}", count, image.channels * kernel**2, densities[number])
        convolution = Convolution(f"conv{number}", image, Window((kernel, kernel), (1, 1), (padding, padding)), product)
        pooling = Pooling(f"pool{number}", convolution.image_out, Window((2, 2), (2, 2)))
        steps += [convolution, pooling]
        image = pooling.image_out
    steps.append(layer(rng, "fc0", hidden, image.size, densities[2]))
    steps.append(layer(rng, "fc1", 10, hidden, densities[3], relu=False))
    return Network(tuple(steps))


def layer(
    rng: np.random.Generator, name: str, outputs: int, inputs: int, density: float, *, relu: bool = True
) -> Layer:
    """Return a layer of 15 normally distributed values."""
    codes = np.where(rng.random((outputs, inputs)) < density, rng.integers(1, 16, (outputs, inputs)), 0)
    book = np.concatenate(([0.0], rng.normal(size=15) / np.sqrt(inputs * density))).astype(np.float32)
    return Layer(name, eie.encode(codes.astype(np.uint8), book), rng.random(outputs, np.float32), relu)


def row(name: str, network: Network, rounds: int) -> str:
    """Return one network's row."""
    x = np.maximum(np.random.default_rng(1).normal(size=(1, network.inputs)), 0).astype(np.float32)
    calls: dict[str, Callable[[], Floats]] = {}
    for numerics in NUMERICS:
        session = eie.InferenceSession(network, numerics=numerics)
        calls[numerics] = lambda session=session: session.run(x)  # type: ignore[misc]
    calls |= peers(network, x)
    expected = network.run(x.astype(np.float64), float_layer).ravel()
    errors = {
        peer: float(np.abs(call().ravel() - expected).max() / np.abs(expected).max()) for peer, call in calls.items()
    }
    # Twice each, the second timed: the first brings back what the others' turns have driven out of the caches.
    times = interleaved(
        {key: call for peer, call in calls.items() for key, call in ((f"before {peer}", call), (peer, call))}, rounds
    )
    us = {peer: statistics.median(times[peer]) for peer in calls}

    return " | ".join(
        (
            f"| {name}",
            ", ".join(f"{us[numerics]:.0f}" for numerics in NUMERICS),
            f"{us['onnx float32']:.0f}, {us['onnx int8']:.0f}",
            faster(times["float32"], times["onnx float32"]),
            faster(times["int8"], times["onnx int8"]),
            ", ".join(f"{errors[numerics]:.0e}" for numerics in NUMERICS),
            f"{errors['onnx int8']:.0e} |",
        )
    )


def peers(network: Network, x: Floats) -> dict[str, Callable[[], Floats]]:
    """Return ONNX Runtime's calls with all weights, in float32 and in int8."""
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class OneImage(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self, feed: dict[str, Any]) -> None:
            self.waiting = [feed]

        def get_next(self) -> dict[str, Any] | None:
            return self.waiting.pop() if self.waiting else None

    def session(path: Path) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # several sessions are alive at once
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    with tempfile.TemporaryDirectory() as folder:
        real, integer = Path(folder) / "real.onnx", Path(folder) / "integer.onnx"
        write_onnx(network, real)
        first = session(real)
        given = first.get_inputs()[0]
        feed = {given.name: x.reshape([1, *given.shape[1:]])}
        quantize_static(
            str(real),
            str(integer),
            OneImage(feed),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        second = session(integer)
    return {"onnx float32": lambda: first.run(None, feed)[0], "onnx int8": lambda: second.run(None, feed)[0]}


if __name__ == "__main__":
    main()
