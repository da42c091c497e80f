"""What every error of ours keeps to."""

from __future__ import annotations

import pickle

import pytest

from eie.errors import EieError, InputError, ToolError, WorkerLost


@pytest.mark.parametrize("kind", [EieError, InputError, ToolError, WorkerLost])
def test_a_sentence_is_one_printable_line(kind: type[EieError]) -> None:
    """Names from files reach no terminal with what would move its cursor, and half a character breaks no stream."""
    error = kind("layer a\nb\x1b[2J of \ud800 é is wrong")
    assert str(error) == "layer a\\nb\\x1b[2J of \\ud800 é is wrong"
    assert str(error).encode("utf-8")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
