"""The table of models: what it shows of each is what happened to it."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("onnxscript", reason="onnxscript is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("models")


def measured(models: Any, name: str, epochs: int) -> Any:
    """Return the result of the one model of that name, trained for a few epochs."""
    example = next(one for one in models.ZOO if one.name.startswith(name))
    return models.measure(replace(example, epochs=epochs), 1)


def check(models: Any, result: Any, right: float) -> None:
    """Raise AssertionError unless a model went all the way."""
    assert max(result.from_pytorch, result.from_onnx) < 1e-5
    before, after = result.scores
    assert min(before, after) > right
    assert 0 < result.density < 0.5
    assert result.file_bytes < result.dense_bytes / 2
    assert result.loads is True
    assert result.errors["float32"] < 1e-5 < result.errors["int8"] < 0.2
    assert result.errors["chip"] < 0.05
    assert min(result.cycles.values()) > 0
    assert {len(times) for times in result.times_us.values()} == {3}


def test_a_model_goes_all_the_way(models: Any) -> None:
    result = measured(models, "MLP", 10)
    check(models, result, 0.7)
    assert len(result.cycles) == 3
    lines = models.report([result]).splitlines()
    rows = [line for line in lines if line.startswith("| MLP |")]
    assert len(rows) == 3
    assert f"| {result.file_bytes:,} |" in rows[0]
    assert f"| {sum(result.cycles.values()):,} |" in rows[1]
    assert any(line.startswith("1 of 1 models are read from PyTorch and 1 of 1 from ONNX") for line in lines)


def test_a_refusal_is_shown_in_its_words(models: Any) -> None:
    """Once for all that it stops, before anything is trained."""
    result = measured(models, "Experts", 1)
    assert "which a network cannot hold" in result.from_pytorch.words
    assert result.scores == result.from_pytorch
    assert result.file_bytes is None
    lines = models.report([result]).splitlines()
    assert f"1. {result.from_pytorch.words}" in lines
    assert any(line.startswith("| Experts, chosen by the input | digits |") and "refused (1)" in line for line in lines)
    assert any(line.startswith("0 of 1 models are read from PyTorch and 0 of 1 from ONNX") for line in lines)


def test_the_sentence_is_computed(models: Any) -> None:
    """From the quartiles of the rounds; what fails, or loads with other bits, is told from a refusal."""
    failed = models.Refused("KeyError: 'x'", asked=False)
    errors = dict.fromkeys(("float32", "int16", "int8", "chip"), 0.001)
    times = {"int16": [2.0] * 4, "int8": [1.0, 1.0, 9.0, 1.0], "PyTorch": [3.0] * 4, "ONNX Runtime": [1.5] * 4}
    good = models.Result(
        "good", "digits", 100, 1e-7, 1e-7, (0.9, 0.8), 0.1, 4.0, 50, 400, True, errors, (), {"fc": 80}, times
    )
    other = replace(good, name="other", from_onnx=failed, loads=False, times_us={**times, "PyTorch": failed})
    (text,) = models.summary([good, other])
    assert text.startswith(
        "2 of 2 models are read from PyTorch and 1 of 2 from ONNX; 2 of 2 are trained, compressed and saved, 1 of 2 "
        "give the same bits when loaded, 2 of 2 run in all numerics and 2 of 2 on the simulated chip. Files are 8.0 to "
        "8.0 times smaller"
    )
    assert "int16 is faster than PyTorch for 1 of 1 models and slower for none." in text
    assert "int16 is faster than ONNX Runtime for 0 of 2 models and slower for 2: good, other." in text
    assert "int8 is faster than ONNX Runtime for 2 of 2 models and slower for none." in text
    page = models.report([good, other])
    assert "**fails** (1)" in page
    assert "1. KeyError: 'x'" in page
    assert "**other bits**" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "epochs", "right"),
    [
        ("ResNet-like", 2, 0.6),
        ("Convolutional autoencoder", 2, -0.5),
        ("LSTM, both", 3, 0.5),
        ("Language model", 1, 0.1),
        ("Recommender", 8, 0.0),
        ("Two outputs", 3, 0.7),
    ],
)
def test_models_of_other_kinds(models: Any, name: str, epochs: int, right: float) -> None:
    """Convolutions, values to reach, sequences, words, several inputs, several outputs."""
    check(models, measured(models, name, epochs), right)
