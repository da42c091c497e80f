"""`eie import eie-simulator`: the authors' own streams as a model file and an input."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from eie.cli.output import JsonOption, print_json, result
from eie.importers.eie_simulator import read_eie_simulator
from eie.storage import save
from eie.support.output_files import atomic_write, require_output

__all__ = ["command"]


def command(
    folder: Annotated[Path, typer.Argument(help="The folder with act.dat, arithm.dat, ptr/ and spm/.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write (.safetensors).")],
    outputs: Annotated[
        int | None, typer.Option(min=1, help="Rows of the layer; by default up to the last that has a weight.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the streams of the authors' simulator: one layer, and the activations it was simulated with.

    The activations are written beside the model: alex8.safetensors gets alex8.activations.npy.
    """
    require_output(output, "a model file", (".safetensors",))
    network, activations = read_eie_simulator(folder, outputs, output.stem)
    input_file = output.with_name(f"{output.stem}.activations.npy")
    save(network, output)
    with atomic_write(input_file) as temporary, temporary.open("wb") as file:
        np.save(file, activations)
    (layer,) = network.layers
    matrix = layer.matrix
    if as_json:
        print_json(
            {
                "model": output,
                "input": input_file,
                "outputs": layer.outputs,
                "inputs": layer.inputs,
                "n_pe": matrix.n_pe,
                "entries": matrix.n_entries,
                "nnz": matrix.nnz,
                "bytes": output.stat().st_size,
            }
        )
        return
    result.print(
        f"{layer.inputs:,} inputs x {layer.outputs:,} outputs on {matrix.n_pe} PEs: {matrix.nnz:,} weights "
        f"({matrix.nnz / layer.inputs / layer.outputs:.1%}) in {matrix.n_entries:,} entries"
    )
    result.print(f"The model is in {output}, its input in {input_file}")
