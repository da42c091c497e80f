"""`eie import dotnet`: prints the sizes of a network in Deep Compression's own format, and expands its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eie.cli.inspect import print_file_size, size_document, size_table
from eie.cli.output import JsonOption, print_json, result
from eie.exporters.state_dict import write_arrays
from eie.importers.dotnet import LAYOUTS, load_layout, read_dotnet
from eie.storage.sizes import layer_size, total
from eie.support.output_files import require_output

__all__ = ["command"]


def command(
    file: Annotated[Path, typer.Argument(help="The .net file.")],
    layout: Annotated[
        str, typer.Option(help=f"Names, shapes and code bits of its layers: {', '.join(LAYOUTS)}, or a TOML file.")
    ] = LAYOUTS[0],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write layer.weight and layer.bias as float32 to this .npz file."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read a .net file and print the size of each layer, as Deep Compression's tables count it.

    Example: eie import dotnet compressed_SqueezeNet.net -o squeezenet.npz
    """
    require_output(output, "a file of weights", (".npz",))
    shapes = load_layout(layout)
    layers = read_dotnet(file, shapes)
    sizes = [layer_size(layer) for layer in layers]
    if output is not None:
        arrays = {}
        for shape, layer in zip(shapes.layers, layers, strict=True):
            arrays[f"{shape.name}.weight"] = layer.matrix.dense().reshape(shape.shape)
            if layer.bias is not None:
                arrays[f"{shape.name}.bias"] = layer.bias
        write_arrays(arrays, output)
    if as_json:
        print_json(
            {
                "file": file,
                "file_bytes": file.stat().st_size,
                "layers": [size_document(size) for size in sizes],
                "total": size_document(total(sizes)),
                "output": output,
            }
        )
        return
    size_table(f"{file.name}: counted here, as Deep Compression's Tables 2 to 5", sizes)
    print_file_size(file.stat().st_size, sizes)
    if output is not None:
        result.print(f"The weights are in {output}")
