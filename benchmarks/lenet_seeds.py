"""LeNet-300-100 and LeNet-5 compressed over several seeds: accuracy before and after, and the file.

python benchmarks/lenet_seeds.py --data MNIST [--seeds 0,1,2,3,4]
    [--network lenet_300_100]

Each seed begins from other weights and sets other images apart for validation. Its row in results/lenet-seeds.csv is
written when it is done, and results/lenet-seeds.md anew from all rows: seeds may be run on several days.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import t as student

import eie
from eie.compress import compress_, read_recipe
from eie.engine.accuracy import accuracies
from eie.pytorch.sources import load_model
from eie.storage.sizes import layer_size, total
from eie.support.output_files import atomic_write
from eie.support.processor import build, processor
from eie.workloads.data import load_data
from lenet import NETWORKS

HERE = Path(__file__).parent
ROWS = HERE / "results" / "lenet-seeds.csv"
RESULTS = HERE / "results" / "lenet-seeds.md"
EXAMPLES = HERE.parent / "examples"
TIMES = 100  # what a file should be smaller by
DEEP_COMPRESSION_KEEPS = 8  # % of the weights of either network (Tables 2 and 3)


class Surgery(NamedTuple):
    """What Dynamic Network Surgery reports in Table 1, errors in %, and the weights and biases kept in its networks.

    These are counted in lenet300100_sparse.npz and lenet5_sparse.npz, the networks that its authors published.
    """

    error: float
    compressed_error: float
    weights: int
    biases: int


SURGERY = {"lenet_300_100": Surgery(2.28, 1.99, 4952, 36), "lenet_5": Surgery(0.91, 0.91, 3977, 16)}


@dataclass(frozen=True)
class Row:
    """One seed of one network: how often it is right (%), before and as a file; weights kept, bytes, seconds."""

    network: str
    recipe: str
    seed: int
    dense_valid: float
    dense_test: float
    shared_valid: float
    float32_test: float
    int8_test: float
    chip_test: float
    kept: int
    weights: int
    file_bytes: int
    dense_bytes: int
    seconds: float
    build: str


def measure(name: str, seed: int, folder: Path, built: str) -> Row:
    """Train and compress one network from one seed."""
    recipe_name = f"{name}_moved"
    recipe = read_recipe(EXAMPLES / f"{recipe_name}.toml").model_copy(update={"seed": seed})
    data = load_data(folder, recipe.input_shape, seed)
    torch.manual_seed(seed)
    model = load_model(f"{EXAMPLES / 'lenet.py'}:{name}_moved")
    start = time.perf_counter()
    done = compress_(model, recipe, data, log=lambda line: print(line, file=sys.stderr, flush=True))
    seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.safetensors"
        eie.save(done.network, path, packed=True)
        file_bytes, network = path.stat().st_size, eie.load(path)
    right = accuracies(network, np.ascontiguousarray(data.x_test.reshape(len(data.x_test), -1)), data.y_test)
    dense, last = done.stages[0], done.stages[-1]
    return Row(
        network=name,
        recipe=recipe_name,
        seed=seed,
        dense_valid=100 * (dense.validation_accuracy or 0),
        dense_test=100 * (dense.test_accuracy or 0),
        shared_valid=100 * (last.validation_accuracy or 0),
        float32_test=100 * right["float32"],
        int8_test=100 * right["int8"],
        chip_test=100 * right["chip"],
        kept=last.kept,
        weights=last.weights,
        file_bytes=file_bytes,
        dense_bytes=int(total([layer_size(layer) for layer in network.layers]).dense_bytes),
        seconds=seconds,
        build=f"{processor()}, PyTorch {torch.__version__}, {built}",
    )


def rows() -> list[Row]:
    """Return what is measured already."""
    if not ROWS.exists():
        return []
    kinds = {"int": int, "float": float, "str": str}  # annotations are text here
    with open(ROWS, newline="", encoding="utf-8") as stream:
        return [
            Row(**{one.name: kinds[str(one.type)](line[one.name]) for one in fields(Row)})
            for line in csv.DictReader(stream)
        ]


def keep(row: Row) -> None:
    """Write the row to the others, in place of an older one of its seed."""
    found = [one for one in rows() if (one.recipe, one.seed) != (row.recipe, row.seed)]
    found = sorted([*found, row], key=lambda one: (one.recipe, one.seed))
    with atomic_write(ROWS) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [one.name for one in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(one) for one in found)


def write() -> None:
    """Write the page of all rows."""
    with atomic_write(RESULTS) as temporary:
        temporary.write_text(page(rows()), encoding="utf-8")


def page(found: list[Row]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# LeNet-300-100 and LeNet-5 compressed, over several seeds",
        "",
        "Measured here by `benchmarks/lenet_seeds.py`, all its numbers in [lenet-seeds.csv](lenet-seeds.csv), "
        "whose seconds are of whatever else the machine did, too. A seed "
        "has its own first weights and its own 6,000 of the 60,000 training images set apart. What is in a recipe, and "
        "which epoch is kept, was chosen on these alone; the 10,000 test images are only reported. All "
        "networks see their training images moved by up to a pixel. The file is packed and counted whole, header and "
        "biases too, against weights and biases in float32. Points are percentage points of test accuracy. What "
        "others report is from Deep Compression, Tables 1 to 3 (Han et al., 2016), and Dynamic Network Surgery, "
        "Table 1 (Guo et al., 2016), which has no bytes; weights that its published networks keep are counted here.",
    ]
    for name in NETWORKS:
        seeds = [one for one in found if one.network == name]
        if seeds:
            lines += ["", f"## {NETWORKS[name].title}", "", *section(seeds)]
    return "\n".join(lines) + "\n"


def section(seeds: list[Row]) -> list[str]:
    """Return one network's table, and what it comes to."""
    recipe = read_recipe(EXAMPLES / f"{seeds[0].recipe}.toml")
    lines = [
        f"`examples/{seeds[0].recipe}.toml`: {recipe.train.epochs} epochs for the dense network, then "
        f"{recipe.pruning.epochs} of pruning and {recipe.finetune.epochs} of fine-tuning. Measured on "
        f"{'; '.join(dict.fromkeys(one.build for one in seeds))}.",
        "",
        "| seed | dense, test | file, test: float32 | int8 | chip, 16 bits | points | weights kept | file, bytes "
        "| times smaller |",
        "| ---: |" + " ---: |" * 8,
    ]
    for one in seeds:
        cells = [
            str(one.seed),
            *(f"{right:.2f}%" for right in (one.dense_test, one.float32_test, one.int8_test, one.chip_test)),
            f"{one.float32_test - one.dense_test:+.2f}",
            f"{one.kept / one.weights:.2%}",
            f"{one.file_bytes:,}",
            f"{smaller(one):.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", *summary(seeds)] if len(seeds) > 1 else lines


def summary(seeds: list[Row]) -> list[str]:
    """Return mean and standard deviation beside what others report, and what they say, each computed from them."""
    paper, surgery = NETWORKS[seeds[0].network], SURGERY[seeds[0].network]
    lost = [one.float32_test - one.dense_test for one in seeds]
    times = [smaller(one) for one in seeds]
    lines = [
        f"| | here, {len(seeds)} seeds, mean ± standard deviation | Deep Compression | Dynamic Network Surgery |",
        "| --- | ---: | ---: | ---: |",
        f"| dense, test | {spread([one.dense_test for one in seeds])}% | {100 - paper.error:.2f}% "
        f"| {100 - surgery.error:.2f}% |",
        f"| compressed, float32 | {spread([one.float32_test for one in seeds])}% "
        f"| {100 - paper.compressed_error:.2f}% | {100 - surgery.compressed_error:.2f}% |",
        f"| compressed, int8 | {spread([one.int8_test for one in seeds])}% | | |",
        f"| compressed, chip, 16 bits | {spread([one.chip_test for one in seeds])}% | | |",
        f"| points, float32 | {spread(lost, '+')} | {paper.error - paper.compressed_error:+.2f} "
        f"| {surgery.error - surgery.compressed_error:+.2f} |",
        f"| weights kept | {spread([100 * one.kept / one.weights for one in seeds])}% | {DEEP_COMPRESSION_KEEPS}% "
        f"| {surgery.weights / seeds[0].weights:.2%} |",
        f"| times smaller | {spread(times)} | {paper.ratio} | |",
        "",
        f"- Dense: {share(100 - paper.error <= one.dense_test for one in seeds)} at least as often right as Deep "
        f"Compression's dense network, {100 - paper.error:.2f}%; the least is "
        f"{min(one.dense_test for one in seeds):.2f}%.",
        f"- Accuracy: {verdict(lost)} {share(change >= 0 for change in lost)} as a file at least as often right as "
        f"before; the worst changes by {min(lost):+.2f} points.",
        f"- Size: {share(one > TIMES for one in times)} more than {TIMES} times smaller; the least is "
        f"{min(times):.1f} times.",
        f"- Weights: {max(one.kept for one in seeds):,} of {seeds[0].weights:,} and all biases are kept, by Dynamic "
        f"Network Surgery {surgery.weights:,} and {surgery.biases} biases: "
        f"{max(one.kept for one in seeds) / surgery.weights:.2f} times as many weights.",
    ]
    return lines


def smaller(row: Row) -> float:
    """Return how many times smaller the file is than the dense weights and biases."""
    return row.dense_bytes / row.file_bytes


def share(held: Iterable[bool]) -> str:
    """Say for how many seeds something holds, as the beginning of a sentence."""
    answers = list(held)
    return f"{sum(answers)} of {len(answers)} seeds are"


def spread(numbers: list[float], sign: str = "") -> str:
    """Return mean and standard deviation in words."""
    return f"{statistics.mean(numbers):{sign}.2f} ± {statistics.stdev(numbers):.2f}"


def verdict(lost: list[float]) -> str:
    """Say whether accuracy was lost: the mean beside its 95 % interval by Student's t."""
    mean, error = statistics.mean(lost), statistics.stdev(lost) / len(lost) ** 0.5
    interval = float(student.ppf(0.975, len(lost) - 1)) * error
    words = f"{mean:+.2f} points in the mean, whose 95 % interval is ± {interval:.2f}"
    if abs(mean) > interval:
        return f"{words}: a {'gain' if mean > 0 else 'loss'}."
    return f"{words}: neither loss nor gain."


def main() -> None:
    """Measure the seeds, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of train.npz and test.npz")
    parser.add_argument("--network", choices=NETWORKS, default="lenet_300_100")
    parser.add_argument("--seeds", default="0,1,2,3,4", help='"" writes the page anew and measures nothing')
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order, whatever the machine
    built = build()  # before the first row is written, which would make the clone another than the commit
    for seed in map(int, filter(None, arguments.seeds.split(","))):
        keep(measure(arguments.network, seed, arguments.data, built))
        write()
    write()
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
