"""A plain install, simulated by hiding the packages of the extras: commands work, or name the extra that they need."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import eie
from eie.errors import MissingExtra
from eie.support.extras import EXTRAS, needed_for, require

# Runs each command line of stdin in an interpreter whose finders do not find `hidden`; answers with code and outputs.
PLAIN_INSTALL = """
import contextlib, io, json, sys

class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name in hidden else self.finder.find_spec(name, path, target)

hidden, lines = json.load(sys.stdin)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]

from eie.cli import main
answers = []
for line in lines:
    sys.argv = ["eie", *line]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    answers.append((code, out.getvalue(), " ".join(err.getvalue().split())))
print(json.dumps(answers))
"""


def answers(lines: Sequence[Sequence[object]], hidden: Sequence[str] = tuple(EXTRAS)) -> list[tuple[int, str, str]]:
    request = json.dumps([hidden, [[str(part) for part in line] for line in lines]])
    done = subprocess.run([sys.executable, "-c", PLAIN_INSTALL], input=request, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [tuple(answer) for answer in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model file of one layer, 3 x 4 on 2 PEs, and an input for it."""
    folder = tmp_path_factory.mktemp("plain")
    codes = np.array([[1, 0, 2, 0], [0, 0, 1, 0], [2, 1, 0, 1]], np.uint8)
    matrix = eie.encode(codes, np.array([0, 1, -0.5, 0.25] * 4, np.float32), n_pe=2)
    x = np.array([1, 0, 2, 0], np.float32)
    eie.save(eie.calibrate(eie.Network((eie.Layer("fc", matrix),)), x), folder / "model.safetensors")
    np.save(folder / "x.npy", x)
    return folder / "model.safetensors", folder / "x.npy"


def test_every_command_helps_and_the_main_ones_work(files: tuple[Path, Path]) -> None:
    """`eie --help` and each command's own, run, simulate, inspect and export need no extra."""
    model, x = files
    from typer.main import get_command

    from eie.cli.commands import app

    def commands(command: object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        inner = getattr(command, "commands", {})
        return [path, *(line for name, subcommand in inner.items() for line in commands(subcommand, (*path, name)))]

    lines: list[tuple[object, ...]] = [(*path, "--help") for path in commands(get_command(app), ())]
    assert len(lines) > 20  # with those of groups, and eie's own
    trace = model.with_name("trace.json")
    weights = model.with_name("weights.npz")
    lines += [
        ("--version",),
        ("run", model, x, "--json"),
        ("simulate", model, x, "--json", "--trace", trace),
        ("inspect", model, "--json"),
        ("export", model, weights),
        ("rtl", "export", model.with_name("rtl"), "--model", model),
    ]
    found = answers(lines)
    assert [(line, err) for line, (code, _, err) in zip(lines, found, strict=True) if code != 0] == []
    assert json.loads(found[-5][1])["largest"][0][0] == {"output": 1, "value": 2.0}
    assert json.loads(found[-4][1])["layers"][0]["counts"]["broadcasts"] == 2
    assert trace.stat().st_size > 0
    assert weights.stat().st_size > 0


def test_what_is_missing_names_its_extra(files: tuple[Path, Path]) -> None:
    """Each command and option that needs an extra ends with code 2 and one sentence, before it does anything."""
    model, x = files
    folder = model.parent
    cells = folder / "cells.lib"
    cells.write_text("library (cells) { }")
    wanted = {
        ("demo", "--out", folder / "report.html"): "data",
        ("reproduce", "table3", "--out", folder / "report.html"): "draw",
        ("explore", "paper", "--out", folder / "exploration"): "explore",
        ("compress", "model.py:mlp", "-o", folder / "made.safetensors"): "torch",
        ("sensitivity", "model.py:mlp", "--data", "digits"): "torch",
        ("sensitivity", "model.py:mlp", "--data", "digits", "-o", folder / "chart.svg"): "draw",
        ("simulate", model, x, "--timeline", folder / "chart.svg"): "draw",
        ("simulate", model, x, "--trace", folder / "trace.vcd"): "trace",
        ("simulate", model, x, "--trace", folder / "trace.fst"): "trace",
        ("bench", "--chart", folder / "chart.svg"): "draw",
        ("export", model, folder / "model.onnx"): "onnx",
        ("export", model, folder / "model.pt"): "torch",
        ("rtl", "verify", model, x): "rtl",
        ("rtl", "synth", "--liberty", cells): "rtl",
        ("rtl", "fpga", "--bitstream", folder / "chip.bit"): "fpga",
    }
    before = sorted(folder.iterdir())
    for (line, extra), (code, out, err) in zip(wanted.items(), answers(list(wanted)), strict=True):
        assert (code, out) == (2, ""), (line, out, err)
        assert re.fullmatch(rf"eie: .+ needs the package [\w-]+: install it with pip install 'eie\[{extra}\]'", err), (
            line
        )
    assert sorted(folder.iterdir()) == before


def test_the_extras_are_those_of_the_project() -> None:
    """Every package is in the extra that its absence names, and none is among the plain dependencies."""
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}

    for package, extra in EXTRAS.values():
        assert package in names(project["optional-dependencies"][extra])
        assert package not in names(project["dependencies"])


def test_only_an_extras_absence_is_renamed() -> None:
    """A module that no extra brings stays a ModuleNotFoundError of its own."""
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), needed_for("this test"):
        import no_such_module  # noqa: F401
    with (
        pytest.raises(MissingExtra, match=r"^this test needs the package pyvcd: install it with .*'eie\[trace\]'$"),
        needed_for("this test"),
    ):
        raise ModuleNotFoundError(name="vcd")
    require("this test", "altair", "vcd")  # both are installed here
