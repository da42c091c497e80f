"""`eie export`: a compressed model for other tools, its weights expanded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eie.cli.output import JsonOption, print_json, result
from eie.exporters.dotnet import write_dotnet
from eie.exporters.state_dict import write_state_dict
from eie.storage import load
from eie.support.output_files import require_output

__all__ = ["command"]


def command(
    model: Annotated[Path, typer.Argument(help="A model file (.safetensors).")],
    output: Annotated[
        Path, typer.Argument(help="What to write: .onnx; weights by name as .pt, .safetensors, .npz; or .net.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Write MODEL with its shared weights expanded to float32, so that other tools can run and check it.

    A .net file, Deep Compression's own, holds codes and codebooks instead.

    Example: eie export lenet.safetensors lenet.onnx
    """
    require_output(output, "a file for other tools", (".onnx", ".pt", ".pth", ".safetensors", ".npz", ".net"))
    network = load(model)
    if output.suffix.lower() == ".net":
        write_dotnet(network.layers, output)
    elif output.suffix.lower() == ".onnx":
        from eie.exporters.onnx import write_onnx  # needs the package onnx

        write_onnx(network, output)
    else:
        write_state_dict(network, output)
    if as_json:
        print_json({"model": model, "output": output, "bytes": output.stat().st_size})
        return
    result.print(f"{network.name} is in {output}, {output.stat().st_size:,} bytes")
