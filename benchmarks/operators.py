"""What a compressed layer costs as a PyTorch module, beside its session's call and PyTorch's own layer.

python benchmarks/operators.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import eie
import eie.nn
from eie.pytorch.operators import LINEAR
from eie.support.output_files import atomic_write
from eie.support.processor import processor
from timing import interleaved

RESULTS = Path(__file__).parent / "results" / "operators.md"
SIZES = ((64, 128), (256, 256), (1024, 1024))  # outputs, inputs
DENSITY = 0.1
ROUNDS, REPEATS = 400, 20  # calls a turn: a clock takes as long as one


def repeated(call: Callable[[], object]) -> Callable[[], None]:
    """Return a function that calls `call` REPEATS times."""

    def run() -> None:
        for _ in range(REPEATS):
            call()

    return run


def row(outputs: int, inputs: int) -> str:
    """Measure one size."""
    torch.manual_seed(0)
    dense = torch.nn.Linear(inputs, outputs).eval()
    model = torch.nn.Sequential(dense)
    recipe = eie.compress.Recipe.model_validate({"prune": {"density": DENSITY}})
    layer = eie.compress_(model, recipe).layers["0"]
    dense = torch.nn.Linear(inputs, outputs).eval()
    module = eie.nn.Linear(layer)
    session = module._held.linear(module._settings)
    x = torch.rand(1, inputs)
    rows, vector = x.numpy(), x.numpy()[0]
    settings = (module.in_features, module.out_features, *module._settings)
    calls = {
        "session": lambda: session.run(rows),
        "vector": lambda: session.run(vector),
        "module": lambda: module(x),
        "operator": lambda: LINEAR(x, module._layer_file, *settings),
        "dense": lambda: dense(x),
    }
    with torch.inference_mode():
        times = interleaved({name: repeated(call) for name, call in calls.items()}, ROUNDS)
    found = {name: np.array(one) for name, one in times.items()}
    cells = []
    for name in list(calls)[1:]:
        ratios = found[name] / found["session"]
        low, high = np.percentile(ratios, [25, 75])
        cells.append(f"{np.median(ratios):.1f} ({low:.1f} to {high:.1f})")
    return f"| {outputs} x {inputs} | {np.median(found['session']) / REPEATS:.1f} us | {' | '.join(cells)} |"


def main() -> None:
    """Measure and write benchmarks/results/operators.md."""
    torch.set_num_threads(1)
    lines = [
        "# A compressed layer as a PyTorch module, beside its session's call",
        "",
        f"Measured here on {processor()}, PyTorch {torch.__version__}; one input, one "
        f"thread, int16, warm, {DENSITY:.0%} of the weights kept. Calls take turns, {ROUNDS} turns of {REPEATS} calls. "
        "The session's call on a batch of one is given in microseconds, its median; all else is over it: the median of "
        "the turns' ratios, and their middle half. The operator is what torch.export and torch.compile keep of the "
        "module.",
        "",
        "| layer | session, a batch of one | session, a vector | module | operator | PyTorch, dense |",
        "| --- |" + " ---: |" * 5,
        *(row(*size) for size in SIZES),
    ]
    text = "\n".join(lines) + "\n"
    with atomic_write(RESULTS) as temporary:
        temporary.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
