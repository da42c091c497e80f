import json
from pathlib import Path

from typer.testing import CliRunner

from eie.cli.commands import app
from eie.errors import InputError

run = CliRunner().invoke


def test_a_space_is_run_and_reported_as_json(tmp_path: Path) -> None:
    """stdout is one JSON document with the front; the files stand in the folder."""
    space = tmp_path / "space.toml"
    space.write_text('name = "s"\nlayers = ["NT-LSTM"]\n[parameters]\nn_pe = [8, 16]\n')
    ran = run(app, ["explore", str(space), "--out", str(tmp_path / "out"), "--workers", "1", "--json"])
    assert ran.exit_code == 0
    document = json.loads(ran.stdout)
    assert document["runs"] == 2
    assert {row["n_pe"] for row in document["pareto"]} <= {8, 16}
    assert document["pareto_fits"] == document["pareto"]
    assert {"runs.parquet", "front.html", "front.svg"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_the_front_is_printed_with_what_was_varied(tmp_path: Path) -> None:
    """A table of the varied parameters and the three objectives, then where the files are."""
    space = tmp_path / "space.toml"
    space.write_text('name = "s"\nlayers = ["NT-LSTM"]\n[parameters]\nn_pe = [8, 16]\n')
    ran = run(app, ["explore", str(space), "--out", str(tmp_path / "out"), "--workers", "1"])
    assert ran.exit_code == 0
    assert "Pareto front of time, energy and area (modelled) of those that fit" in ran.stdout
    assert "slowest_memory_ns" in ran.stdout
    assert "n_pe" in ran.stdout
    assert "queue_depth" not in ran.stdout
    assert "2 runs in" in ran.stdout


def test_an_unknown_space_lists_the_ready_ones(tmp_path: Path) -> None:
    """One sentence; nothing is made."""
    ran = run(app, ["explore", "nowhere", "--out", str(tmp_path / "out")])
    assert isinstance(ran.exception, InputError)
    assert str(ran.exception).startswith("no space is named nowhere; there are ")
    assert not (tmp_path / "out").exists()
