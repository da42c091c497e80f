"""`eie sensitivity`: validation accuracy against the density of each layer, pruned alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.pytorch.recipe import Recipe, read_recipe
from eie.support.chart_files import CHART_ENDINGS, write_chart
from eie.support.extras import needed_for, require
from eie.support.output_files import require_output
from eie.workloads.data import load_data

if TYPE_CHECKING:
    import altair as alt

__all__ = ["command"]


def command(
    model: Annotated[str, typer.Argument(help="As eie compress takes it; trained, or trained first by the recipe.")],
    data: Annotated[str, typer.Option(help="digits, an .npz file, or a folder of train.npz and test.npz.")],
    recipe: Annotated[Path | None, typer.Option(help="A recipe, of which \\[train] and input_shape are used.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Trained weights for a factory's model.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a chart: .html, .png, .svg or .pdf.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Prune one layer at a time to several densities, without training, and print the validation accuracy of each.

    Example: eie sensitivity lenet.py:lenet_300_100 --weights lenet.npz --data mnist -o sensitivity.png
    """
    if output is not None:
        require("a chart", "altair", "vl_convert")
    with needed_for("eie sensitivity"):
        import torch

        from eie.pytorch.sensitivity import DENSITIES, sensitivity
        from eie.pytorch.sources import load_model
        from eie.pytorch.training import Training, finetune

    def progress(line: str) -> None:
        log.print(line, style="dim")

    require_output(output, "a chart", CHART_ENDINGS)
    steps = Recipe() if recipe is None else read_recipe(recipe)
    torch.manual_seed(steps.seed)
    trained = load_model(model, weights)
    found = load_data(data, steps.input_shape, steps.seed)
    if steps.train.epochs:
        finetune(trained, found, Training(**steps.train.model_dump(), seed=steps.seed), log=progress)
    points = sensitivity(trained, found, log=progress)
    if output is not None:
        write_chart(_chart([point._asdict() for point in points]), output, "chart")
    if as_json:
        print_json({"provenance": "measured here", "points": [point._asdict() for point in points]})
        return
    layers = list(dict.fromkeys(point.layer for point in points))
    accuracies = {(point.layer, point.density): point.accuracy * 100 for point in points}
    print_table(
        f"Validation accuracy in % with one layer pruned, on {len(found.x_valid):,} inputs (measured here)",
        ("weights kept, %", *layers),
        [(density * 100, *(accuracies[layer, density] for layer in layers)) for density in DENSITIES],
    )
    if output is not None:
        result.print(f"The chart is in {output}")


def _chart(points: list[dict[str, object]]) -> alt.Chart:
    import altair as alt

    rows = [point | {"percent": float(str(point["density"])) * 100} for point in points]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows), title="One layer pruned at a time, without training (measured here)")
        .mark_line(point=True)
        .encode(
            x=alt.X("percent:Q", title="weights kept (%)"),
            y=alt.Y("accuracy:Q", title="validation accuracy", axis=alt.Axis(format="%")),
            color=alt.Color("layer:N", title="layer", sort=None),
        )
        .properties(width=480, height=300)
    )
    return chart
