"""`eie evaluate`: how often a model is right, in every numerics, and how long an input takes beside other libraries."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.engine import AccumulatorOverflow
from eie.engine.accuracy import accuracies
from eie.errors import InputError
from eie.peers.libraries import set_threads
from eie.peers.networks import advice, measure_network
from eie.storage import load
from eie.support.processor import processor
from eie.workloads.data import load_data

__all__ = ["command"]


def command(
    model: Annotated[Path, typer.Argument(help="A model file (.safetensors).")],
    data: Annotated[str, typer.Option(help="digits, an .npz file, or a folder of train.npz and test.npz.")],
    seconds: Annotated[float, typer.Option(min=0, help="Seconds to measure times for; 0 for no times.")] = 2.0,
    as_json: JsonOption = False,
) -> None:
    """Run MODEL on test data in every numerics, and print how often it is right and what an input takes.

    The times stand beside PyTorch's and ONNX Runtime's for the same network with its weights expanded; a last line
    says whether they are faster, and what to do then. They come with: pip install 'eie\\[bench]'

    Example: eie evaluate lenet.safetensors --data mnist
    """
    network = load(model)
    found = load_data(data)
    x = np.ascontiguousarray(found.x_test.reshape(len(found.x_test), -1))
    if x.shape[1] != network.inputs:
        raise InputError(f"{model} takes {network.inputs} numbers, but the inputs of {data} have {found.input_shape}")
    if found.y_test.max() >= network.outputs:
        raise InputError(
            f"the data have the label {found.y_test.max()}, but {model} has {network.outputs} outputs, from 0"
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AccumulatorOverflow)
        right = accuracies(network, x, found.y_test)
    set_threads(1)
    measured, missing = measure_network(network, x[:1], seconds=seconds) if seconds else ([], [])
    lines = advice(network, 1, measured) if measured else []
    if as_json:
        print_json(
            {
                "model": model,
                "test_inputs": len(x),
                "provenance": "measured here",
                "accuracy": right,
                "processor": processor(),
                "measurements": [asdict(one) for one in measured],
                "verdict": lines,
                "missing": missing,
            }
        )
        return
    # The standard error of a share p of n: sqrt(p (1 - p) / n).
    print_table(
        f"{network.name} on {len(x):,} test inputs (measured here)",
        ("numerics", "right, %", "standard error, %", "of float32, points"),
        [
            (name, part * 100, 100 * (part * (1 - part) / len(x)) ** 0.5, (part - right["float32"]) * 100)
            for name, part in right.items()
        ],
    )
    if "chip" not in right:
        log.print("note: the model has no fixed-point formats, so the chip's arithmetic is left out", style="yellow")
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        log.print(f"warning: {message}", style="yellow")
    if measured:
        fastest = min(one.us for one in measured)
        print_table(
            "One input, one thread, weights warm (measured here in turns)",
            ("contender", "us", "/ fastest", "error"),
            [(one.contender, one.us, one.us / fastest, one.error) for one in measured],
        )
    for line in lines:
        result.print(line)
    for line in missing:
        log.print(f"missing: {line}", style="yellow")
