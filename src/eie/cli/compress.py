"""`eie compress`: a trained model pruned, shared, fine-tuned and encoded, with a report of every step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from eie.cli.inspect import size_table
from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.cli.training_bar import training_bar
from eie.engine import InferenceSession
from eie.engine.accuracy import accuracies
from eie.engine.saturation import saturation
from eie.model.network import Network
from eie.pytorch.recipe import Recipe, read_recipe
from eie.storage import save
from eie.storage.sizes import layer_size, total
from eie.storage.ties import stored_layers
from eie.support.extras import needed_for
from eie.support.output_files import require_output
from eie.support.stopwatch import median_us
from eie.workloads.data import Data, load_data

if TYPE_CHECKING:
    from eie.pytorch.pipeline import Compression

__all__ = ["command"]

TIMED_CALLS = 200
SATURATION_INPUTS = 1000


def command(
    model: Annotated[
        str,
        typer.Argument(
            help="module:factory or file.py:factory; an .onnx file; or weights of linear layers in a row "
            "(.safetensors, .npz, .pt)."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write (.safetensors).")],
    data: Annotated[
        str | None,
        typer.Option(
            help="To train and test on: digits (scikit-learn's), an .npz file, a folder of train and test.npz."
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(help="A .toml file, or mlp, cnn, transformer, language-model; by default 4-bit sharing alone."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Trained weights for a factory's model: .safetensors, .npz or .pt.")
    ] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder for what is needed to go on; by default OUTPUT.checkpoints.")
    ] = None,
    unpickle: Annotated[
        bool, typer.Option("--unpickle", help="Read a .pt file that holds a whole module, running what it says.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compress MODEL: prune, share the weights, fine-tune, encode; and report size, accuracy and speed.

    An interrupted training continues when the same command is run again.

    Example: eie compress lenet.py:lenet_300_100 --data mnist --recipe lenet_300_100.toml -o lenet.safetensors
    """
    with needed_for("eie compress"):
        from eie.pytorch.pipeline import compress_, discard_checkpoints
        from eie.pytorch.sources import load_model
        from eie.pytorch.timing import one_input_us

    steps = Recipe() if recipe is None else read_recipe(recipe)
    require_output(output, "a model file", (".safetensors",))
    _seed(steps.seed)
    trained = load_model(model, weights, unpickle=unpickle)
    found = None if data is None else load_data(data, steps.input_shape, steps.seed)
    folder = checkpoints or output.with_name(f"{output.name}.checkpoints")
    dense_us = None if found is None else one_input_us(trained, found.x_test[:1], TIMED_CALLS)
    with training_bar() as watch:
        done = compress_(
            trained,
            steps,
            found,
            checkpoints=None if found is None else folder,
            chain=True,
            log=lambda line: log.print(line, style="dim"),
            watch=watch,
        )
    if done.stages[-1].kept == done.stages[-1].weights:
        log.print(
            "note: nothing is pruned, since the weights have no zeros and the recipe gives no density", style="yellow"
        )
    save(done.network, output, packed=steps.encode.huffman)
    discard_checkpoints(folder)
    _report(done, output, found, dense_us, as_json)


def _seed(seed: int) -> None:
    import torch

    torch.manual_seed(seed)  # a factory's weights are random


def _report(done: Compression, output: Path, data: Data | None, dense_us: float | None, as_json: bool) -> None:
    network = done.network
    sizes = [layer_size(layer) for layer in stored_layers(network)]
    right = {} if data is None else accuracies(network, data.x_test, data.y_test)
    ours_us = None if data is None else _session_us(network, data)
    saturated = () if data is None else saturation(network, _vectors(data.x_test[:SATURATION_INPUTS], network))
    dense_bytes, file_bytes = total(sizes).dense_bytes, output.stat().st_size
    if as_json:
        print_json(
            {
                "model": output,
                "file_bytes": file_bytes,
                "dense_bytes": dense_bytes,
                "ratio": dense_bytes / file_bytes,
                "stages": [vars(stage) for stage in done.stages],
                "test_accuracy": right,
                "saturation": [vars(layer) for layer in saturated],
                "dense_us": dense_us,
                "compressed_us": ours_us,
            }
        )
        return
    print_table(
        "Step by step (measured here)",
        ("after", "weights kept", "of them, %", "validation accuracy, %", "test accuracy, %"),
        [
            (s.name, s.kept, s.kept / s.weights * 100, _percent(s.validation_accuracy), _percent(s.test_accuracy))
            for s in done.stages
        ],
    )
    size_table("Size, as Deep Compression's Tables 2 to 5", sizes)
    if data is not None:
        print_table(
            f"Of the file, on {len(data.x_test):,} test inputs (measured here)",
            ("numerics", "test accuracy, %"),
            [(name, value * 100) for name, value in right.items()],
        )
        print_table(
            f"The chip's formats on {min(SATURATION_INPUTS, len(data.x_test)):,} test inputs",
            ("layer", "inputs saturated, %", "outputs saturated, %", "sums overflowed"),
            [
                (
                    layer.name,
                    layer.saturated_inputs / layer.inputs * 100,
                    layer.saturated_outputs / layer.outputs * 100,
                    layer.overflows,
                )
                for layer in saturated
            ],
        )
    result.print(
        f"{output}: {file_bytes:,} bytes, {dense_bytes / file_bytes:.1f} times fewer than float32 weights and biases"
    )
    if dense_us is not None and ours_us is not None:
        result.print(
            f"One input takes {ours_us:.1f} us here, {dense_us:.1f} us in PyTorch before (measured here, medians of "
            f"{TIMED_CALLS} warm calls, one thread)"
        )


def _percent(part: float | None) -> float | None:
    return None if part is None else part * 100


def _vectors(x: np.ndarray[Any, np.dtype[np.float32]], network: Network) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.ascontiguousarray(x.reshape(-1, network.inputs))


def _session_us(network: Network, data: Data) -> float:
    session = InferenceSession(network)
    vector = _vectors(data.x_test[:1], network)[0]
    return median_us(lambda: session.run(vector), TIMED_CALLS)
