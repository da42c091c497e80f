"""Every command, one file each, registered under its name."""

from __future__ import annotations

from typing import Annotated, Any

import typer
import typer.core

import eie
import eie._native as _native
from eie.cli import (
    bench,
    compare,
    compress,
    demo,
    doctor,
    evaluate,
    explore,
    export,
    generate,
    import_dotnet,
    import_streams,
    inspect,
    reproduce,
    rtl,
    run,
    sensitivity,
    simulate,
)
from eie.cli.output import log, result
from eie.errors import InputError

__all__ = ["app"]


class _Commands(typer.core.TyperGroup):
    """Prints one line for an interrupt: Typer by itself exits with 130 and prints nothing."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            log.print(f"eie: {str(error) or 'interrupted'}", style="yellow")
            raise typer.Exit(130) from None


app = typer.Typer(
    name="eie",
    cls=_Commands,
    help="The Efficient Inference Engine on compressed neural networks: run a pruned model fast on this CPU, "
    "and simulate the EIE chip on it, exact to the cycle.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

importers = typer.Typer(help="Read compressed layers from elsewhere.", no_args_is_help=True)
importers.command("eie-simulator")(import_streams.command)
importers.command("dotnet")(import_dotnet.command)

app.command("demo")(demo.command)
app.command("compress")(compress.command)
app.command("sensitivity")(sensitivity.command)
app.command("inspect")(inspect.command)
app.command("evaluate")(evaluate.command)
app.add_typer(export.app, name="export")
app.command("run")(run.command)
app.command("generate")(generate.command)
app.command("simulate")(simulate.command)
app.command("compare")(compare.command)
app.command("reproduce")(reproduce.command)
app.command("explore")(explore.command)
app.command("bench")(bench.command)
app.command("doctor")(doctor.command)
app.add_typer(importers, name="import")
app.add_typer(rtl.app, name="rtl")


def _print_version(wanted: bool) -> None:
    if wanted:
        result.print(f"eie {eie.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    try:
        _native.instruction_set()
    except ValueError as error:
        raise InputError(f"environment variable EIE_INSTRUCTION_SET: {error}") from error
