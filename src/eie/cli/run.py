"""`eie run`: a network's outputs for an input, from the compressed form."""

from __future__ import annotations

import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.engine import AccumulatorOverflow, InferenceSession
from eie.model.reference import calibrate
from eie.storage import load
from eie.support.numpy_files import read_npy
from eie.support.output_files import atomic_write, require_output
from eie.support.stopwatch import median_us

__all__ = ["command"]


class Numerics(StrEnum):
    """The arithmetic of a session."""

    INT16 = "int16"
    INT8 = "int8"
    CHIP = "chip"
    FLOAT32 = "float32"


TIMED_CALLS = 20
SHOWN_INPUTS = 20


def command(
    model: Annotated[Path, typer.Argument(help="A model file (.safetensors).")],
    inputs: Annotated[Path, typer.Argument(metavar="INPUT.npy", help="One input vector, or a batch of them, as .npy.")],
    numerics: Annotated[
        Numerics,
        typer.Option(
            help="int16: fast fixed point; int8: faster and coarser; chip: bit for bit as the chip; float32: reals."
        ),
    ] = Numerics.INT16,
    threads: Annotated[int, typer.Option(help="Threads to compute with.")] = 1,
    kernel: Annotated[str | None, typer.Option(help="Force one kernel instead of the fastest.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the largest outputs to print.")] = 5,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write all outputs to this .npy file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run MODEL on INPUT.npy and print the largest outputs.

    Example: eie run alex8.safetensors alex8.activations.npy --numerics chip
    """
    require_output(output, "a file of outputs", (".npy",))
    vectors = read_npy(inputs, "input file")
    network = load(model)
    if numerics is Numerics.CHIP and any(layer.formats is None for layer in network.layers):
        log.print("note: the model has no fixed-point formats; they are chosen from this input", style="yellow")
        network = calibrate(network, vectors)
    session = InferenceSession(network, numerics=numerics.value, threads=threads, kernel=kernel)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AccumulatorOverflow)
        outputs = session.run(vectors)
        elapsed_us = median_us(lambda: session.run(vectors), TIMED_CALLS)
    overflows = list(dict.fromkeys(str(warning.message) for warning in caught))
    if output is not None:
        with atomic_write(output) as temporary, temporary.open("wb") as file:
            np.save(file, outputs)
    batch = np.atleast_2d(outputs)
    largest = [np.argsort(-item, kind="stable")[:top] for item in batch]
    kernels = {plan.name: " or ".join(filter(None, (plan.kernel, plan.few_kernel))) for plan in session.plan}
    for message in overflows:
        log.print(f"warning: {message}", style="yellow")
    if as_json:
        print_json(
            {
                "model": model,
                "numerics": numerics.value,
                "kernels": kernels,
                "batch": len(batch),
                "largest": [
                    [{"output": int(i), "value": float(item[i])} for i in places]
                    for item, places in zip(batch, largest, strict=True)
                ],
                "overflows": overflows,
                "time_us": elapsed_us,
                "time_provenance": f"measured here, median of {TIMED_CALLS} warm calls",
                "output_file": output,
            }
        )
        return
    if len(batch) == 1:
        print_table("Largest outputs", ("output", "value"), [(int(i), float(batch[0][i])) for i in largest[0]])
    else:
        rows = [(n, int(places[0]), float(batch[n][places[0]])) for n, places in enumerate(largest[:SHOWN_INPUTS])]
        print_table("Largest output of each input", ("input", "output", "value"), rows)
        if len(batch) > SHOWN_INPUTS:
            result.print(f"and {len(batch) - SHOWN_INPUTS} inputs more: --json or --output gives all")
    result.print(
        f"{len(batch)} input{'s' if len(batch) > 1 else ''} in {elapsed_us:.1f} us (measured here, median of "
        f"{TIMED_CALLS} warm calls; {numerics.value}, kernel {', '.join(dict.fromkeys(kernels.values()))})"
    )
    if output is not None:
        result.print(f"All outputs are in {output}")
