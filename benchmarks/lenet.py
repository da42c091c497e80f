"""LeNet-300-100 and LeNet-5 on MNIST, compressed end to end, beside Deep Compression's Tables 1 to 3.

python benchmarks/lenet.py --data MNIST [--pruned FOLDER] [--only lenet_5]

MNIST is a folder of train.npz and test.npz; FOLDER has networks pruned by others, lenet300100_sparse.npz and
lenet5_sparse.npz, which are shared and encoded as they are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import eie
from eie.compress import Recipe, accuracy, read_recipe
from eie.engine.saturation import Saturation, saturation
from eie.model.reference import calibrate
from eie.pytorch.pipeline import Compression, compress_
from eie.pytorch.sources import load_model
from eie.storage.sizes import LayerSize, layer_size, total
from eie.support.output_files import atomic_write
from eie.support.processor import processor
from eie.workloads.data import Data, load_data
from timing import interleaved

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "lenet.md"
EXAMPLES = HERE.parent / "examples"
BITS = (16, 12, 10, 8, 6)  # of activations, codebook and products
ROUNDS = 300
SATURATION_IMAGES = 1000


@dataclass(frozen=True)
class Published:
    """What Deep Compression reports: errors in %, bytes, ratio (Table 1); and another's pruned network."""

    title: str
    error: float
    compressed_error: float
    kilobytes: int
    ratio: int
    pruned: str


NETWORKS = {
    "lenet_300_100": Published("LeNet-300-100", 1.64, 1.58, 27, 40, "lenet300100_sparse.npz"),
    "lenet_5": Published("LeNet-5", 0.80, 0.74, 44, 39, "lenet5_sparse.npz"),
}


def main() -> None:
    """Measure and write benchmarks/results/lenet.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pruned", type=Path)
    parser.add_argument("--only", choices=NETWORKS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order, whatever the machine
    lines = [
        "# LeNet-300-100 and LeNet-5 on MNIST, compressed",
        "",
        f"Measured here on {processor()}, PyTorch {torch.__version__}; the chip's cycles and times are simulated (64 "
        "PEs, 800 MHz). Epochs are chosen on 6,000 training images set apart; the 10,000 test images are only "
        "reported. The paper's figures are Deep Compression's, Tables 1 to 3.",
    ]
    for name in [arguments.only] if arguments.only else NETWORKS:
        lines += network(name, arguments.data, arguments.pruned)
    text = "\n".join(lines) + "\n"
    if arguments.only is None:
        with atomic_write(RESULTS) as temporary:
            temporary.write_text(text)
    print(text)


def network(name: str, folder: Path, pruned: Path | None) -> list[str]:
    """Train and compress one network, and share another's pruned one; return what to print."""
    published = NETWORKS[name]
    recipe = read_recipe(EXAMPLES / f"{name}.toml")
    data = load_data(folder, recipe.input_shape, recipe.seed)
    torch.manual_seed(recipe.seed)
    model = load_model(f"{EXAMPLES / 'lenet.py'}:{name}")
    start = time.perf_counter()
    done = compress_(model, recipe, data, log=lambda line: print(line, file=sys.stderr))
    seconds = time.perf_counter() - start
    lines = [
        "",
        f"## {published.title}, trained here",
        "",
        f"`examples/{name}.toml`, {seconds:.0f} s on one thread.",
        "",
    ]
    lines += stages(done)
    lines += ["", *summary(done.network, data, published, done.stages[0].test_accuracy)]
    if pruned is not None:
        path = pruned / published.pruned
        other = load_model(f"{EXAMPLES / 'lenet.py'}:{name}", path)
        dense = accuracy(other, data.x_test, data.y_test)
        kept = Recipe.model_validate(
            {"name": name, "prune": {"density": 1.0}, "input_shape": recipe.input_shape or data.input_shape}
        )
        layers = compress_(other, kept)
        encoded = calibrate(layers.network, vectors(data.x_train[:256], layers.network))
        lines += ["", f"## {published.title}, pruned by dynamic network surgery, shared without training", ""]
        lines += summary(encoded, data, published, dense)
    return lines


def stages(done: Compression) -> list[str]:
    """Return the table of accuracies after each step."""
    rows = [
        f"| {stage.name} | {stage.kept:,} | {stage.kept / stage.weights:.1%} | {stage.validation_accuracy or 0:.2%} | "
        f"{stage.test_accuracy or 0:.2%} |"
        for stage in done.stages
    ]
    return [
        "| after | weights kept | of all | validation accuracy | test accuracy |",
        "| --- | ---: | ---: | ---: | ---: |",
        *rows,
    ]


def vectors(x: np.ndarray, found: eie.Network) -> np.ndarray:
    """Return inputs as the network takes them."""
    return np.ascontiguousarray(x.reshape(-1, found.inputs))


def right(found: eie.Network, data: Data, numerics: str) -> float:
    """Return the part of the test images that are right."""
    outputs = eie.InferenceSession(found, numerics=numerics).run(vectors(data.x_test, found))
    return float(np.mean(outputs.argmax(axis=1) == data.y_test))


def summary(found: eie.Network, data: Data, published: Published, dense: float | None) -> list[str]:
    """Return size, accuracy in each arithmetic, cycles and time of an encoded network."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        eie.save(found, path, packed=True)
        file_bytes = path.stat().st_size
        found = eie.load(path)
    sizes = [layer_size(layer) for layer in found.layers]
    dense_bytes = total(sizes).dense_bytes
    image = vectors(data.x_test[:1], found)[0]
    layers = eie.simulate_network(found, image, eie.Hardware())
    cycles = sum(layer.simulation.cycles for layer in layers)
    session = eie.InferenceSession(found)
    ours = float(np.median(interleaved({"ours": lambda: session.run(image)}, ROUNDS)["ours"]))
    saturated = saturation(found, vectors(data.x_test[:SATURATION_IMAGES], found))
    accuracies = {"float32": right(found, data, "float32")}
    for bits in BITS:
        formats = calibrate(found, vectors(data.x_train[:256], found), value_bits=bits)
        accuracies[f"chip, {bits} bits"] = right(formats, data, "chip")
    return [
        "| | here | Deep Compression |",
        "| --- | ---: | ---: |",
        f"| error before, test | {1 - (dense or 0):.2%} | {published.error:.2f}% |",
        f"| error of the file, float32 | {1 - accuracies['float32']:.2%} | {published.compressed_error:.2f}% |",
        f"| file, every byte of it | {file_bytes:,} | {published.kilobytes},000 |",
        f"| float32 weights and biases over it | {dense_bytes / file_bytes:.1f}x | {published.ratio}x |",
        f"| one image here, int16, one thread | {ours:.1f} us | |",
        f"| one image on the chip | {cycles:,} cycles, {cycles / 800:.1f} us | |",
        "",
        *size_rows(sizes),
        "",
        "| arithmetic | " + " | ".join(accuracies) + " |",
        "| --- |" + " ---: |" * len(accuracies),
        "| test accuracy | " + " | ".join(f"{accuracy:.2%}" for accuracy in accuracies.values()) + " |",
        "",
        limits(saturated),
    ]


def limits(layers: tuple[Saturation, ...]) -> str:
    """Say how many values were at a limit of their format."""
    inputs, outputs = (sum(getattr(layer, name) for layer in layers) for name in ("inputs", "outputs"))
    cut_inputs = sum(layer.saturated_inputs for layer in layers)
    cut_outputs = sum(layer.saturated_outputs for layer in layers)
    overflows = sum(layer.overflows for layer in layers)
    return (
        f"In 16 bits {cut_inputs:,} of {inputs:,} layer inputs and {cut_outputs:,} of {outputs:,} outputs were at a "
        f"limit of their format on {SATURATION_IMAGES:,} test images, and {overflows} sums overflowed."
    )


def size_rows(sizes: list[LayerSize]) -> list[str]:
    """Return the paper's columns; P is pruning, Q weight sharing, H Huffman coding."""
    rows = [
        f"| {size.name} | {size.weights:,} | {size.density:.1%} | {size.weight_bits_pq:.1f} | "
        f"{size.weight_bits_pqh:.1f} | {size.index_bits_pq:.1f} | "
        f"{size.index_bits_pqh:.1f} | {size.bytes_pq / size.dense_bytes:.2%} | "
        f"{size.bytes_pqh / size.dense_bytes:.2%} |"
        for size in [*sizes, total(sizes)]
    ]
    return [
        "| layer | weights | kept | weight bits P+Q | P+Q+H | index bits P+Q | P+Q+H | size P+Q | P+Q+H |",
        "| --- |" + " ---: |" * 8,
        *rows,
    ]


if __name__ == "__main__":
    main()
