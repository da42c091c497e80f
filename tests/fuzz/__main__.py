"""Attack readers: `python -m tests.fuzz [TARGET ...] --seconds 60 --seed 1`; findings become files in `--findings`.

With atheris, changes that reach new code are built upon; without it, all changes are to the seeds.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FunctionType
from typing import Any

__all__ = ["main"]

NAMES = ("model", "entries", "huffman", "dotnet", "streams", "onnx", "npz", "npy", "liberty")
NAMES += ("recipe", "space", "technology", "layout", "journal")
BUDGET_BYTES = 2**27  # of a file that is loaded here
MEMORY_BYTES = 3 * 2**30  # of addresses beside what importing takes
CALL_S = 20


def main() -> None:
    """Run each target in a process of its own, and say how many inputs it was given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "eie-findings")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for name in arguments.targets:
        if name not in NAMES:
            parser.error(f"there is no target {name}; there are {', '.join(NAMES)}")
    arguments.findings.mkdir(parents=True, exist_ok=True)
    if arguments.child:
        attack(arguments.targets[0], arguments.seconds, arguments.seed, arguments.findings)
        return
    failed = []
    for name in arguments.targets or NAMES:
        words = [name, "--seconds", str(arguments.seconds), "--seed", str(arguments.seed)]
        command = [sys.executable, "-m", "tests.fuzz", "--child", *words, "--findings", str(arguments.findings)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        text = done.stdout + done.stderr
        inputs, new = statistic(text, "number_of_executed_units"), statistic(text, "new_units_added")
        finding = "a finding" if done.returncode else "no finding"
        print(f"{name}: {inputs:,} inputs, {new:,} of them reached new code, {finding}", flush=True)
        if done.returncode:
            failed.append(name)
            print(text[-4000:], flush=True)
    if failed:
        sys.exit(f"findings in {', '.join(failed)}: {arguments.findings}")


def statistic(text: str, name: str) -> int:
    """Return what a child has said of itself at its end: libFuzzer's statistics, or 0."""
    return sum(int(line.split()[-1]) for line in text.splitlines() if line.startswith(f"stat::{name}:"))


def attack(name: str, seconds: int, seed: int, findings: Path) -> None:
    """Attack one target in this process, which does not return where atheris is there."""
    os.environ["EIE_BUDGET_BYTES"] = str(BUDGET_BYTES)
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        import atheris
    except ImportError:
        atheris = None
    from fuzz.targets import TARGETS

    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        target = TARGETS[name](Path(folder))
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, data in enumerate(target.seeds()):
            (corpus / str(number)).write_bytes(data)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))
        if atheris is None:
            without_coverage(target, seconds, seed, findings)
            return
        instrument(atheris)

        def mutate(data: bytes, max_size: int, number: int) -> bytes:
            return target.changed(data, random.Random(number))[:max_size]

        options = [f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=60000", f"-timeout={CALL_S}"]
        options += [
            f"-artifact_prefix={findings}/{name}-",
            "-print_final_stats=1",
            "-rss_limit_mb=4000",
            "-verbosity=0",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: target.run(data), custom_mutator=mutate)
        atheris.Fuzz()


def instrument(atheris: Any) -> None:
    """Have all our functions report what they reach.

    `atheris.instrument_imports` does not get through the loader of an editable install: it finds the modules, and then
    counts nothing in them.
    """
    ours = [one for one in gc.get_objects() if type(one) is FunctionType and str(one.__module__).startswith("eie")]
    for function in ours:
        atheris.instrument_func(function)


def without_coverage(target: Any, seconds: int, seed: int, findings: Path) -> None:
    """Change the seeds, and what was accepted, for `seconds`; what reaches new code is not known."""
    numbers = random.Random(seed)
    pool = target.seeds()
    ends, count = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        data = target.changed(numbers.choice(pool), numbers)
        count += 1
        try:
            if target.run(data) and len(pool) < 1000:
                pool.append(data)
        except Exception:
            (findings / f"{target.name}-{count}").write_bytes(data)
            raise
    print(f"stat::number_of_executed_units: {count}")


if __name__ == "__main__":
    main()
