"""`eie export`: a compressed model for other tools, its weights expanded; `eie export c`: as a C program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from eie.cli.output import JsonOption, print_json, print_table, result
from eie.exporters.dotnet import write_dotnet
from eie.exporters.state_dict import write_state_dict
from eie.storage import load
from eie.support.output_files import require_output

__all__ = ["app"]


class _Targets(typer.core.TyperGroup):
    """Takes what names no target for the arguments of `file`, so that a file's ending says what it is to be."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `file` before its arguments."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["file", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Targets,
    help="Write a compressed model for other tools. `eie export MODEL OUTPUT` is short for `eie export file`.",
    no_args_is_help=True,
)


@app.command("file")
def file_command(
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


@app.command("c")
def c_command(
    model: Annotated[Path, typer.Argument(help="A model file (.safetensors).")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write; it must not exist yet.")],
    numerics: Annotated[str, typer.Option(help="int8, or chip, which needs a calibrated model.")] = "int8",
    compiler: Annotated[
        str | None,
        typer.Option(
            "--cc", help="A C compiler with its flags: the size of the code is measured with it; else with cc."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write MODEL as a C99 program for a small processor: weights compressed, nothing allocated.

    Its outputs are those of `eie run` in the same numerics. NAME_model.h, after the network's name, is all that a
    program includes; main.c reads inputs as text and prints outputs.

    Example: eie export c lenet.safetensors lenet_c --cc "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb"
    """
    from eie.exporters.c import write_c

    network = load(model)
    program = write_c(network, folder, numerics, compiler)
    code = program.code
    if as_json:
        print_json(
            {
                "model": model,
                "model_bytes": model.stat().st_size,
                "folder": folder,
                "files": program.files,
                "name": program.name,
                "numerics": numerics,
                "code_bytes": None if code is None else code.bytes,
                "code_measured_with": None if code is None else code.command,
                "weight_bytes": program.stream_bytes,
                "other_constant_bytes": program.constant_bytes - program.stream_bytes,
                "buffer_bytes": program.buffer_bytes,
                "not_bit_equal_from": program.inexact,
            }
        )
        return
    rows: list[tuple[str, object, str]] = [
        (
            "code",
            None if code is None else code.bytes,
            "measured here" if code else "not measured: no compiler, see --cc",
        ),
        ("weights", program.stream_bytes, "constants: codes and gaps"),
        ("codebooks, biases, others", program.constant_bytes - program.stream_bytes, "constants"),
        ("buffers", program.buffer_bytes, "static memory; the stack is not in it"),
        ("the model file", model.stat().st_size, "for comparison"),
    ]
    print_table(f"{network.name} as a C program, {numerics}", ("part", "bytes", ""), rows)
    if code is not None:
        result.print(f"The code was measured with {code.command}")
    result.print(f"{', '.join(program.files)} are in {folder}")
    if program.inexact:
        result.print(
            f"Outputs are those of eie run but for last bits, from these steps on: {', '.join(program.inexact)}"
        )
    else:
        result.print(f"Outputs are those of eie run --numerics {numerics}, bit for bit")
