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
    assert {"runs.parquet", "front.html", "front.svg", "report.html"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }


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
    assert "exploring: 2 of 2 runs" in ran.stderr  # not a terminal: a line, no bar


def test_a_sweep_has_a_report_of_its_own(tmp_path: Path) -> None:
    """What was swept, the fastest, least and smallest design, and each layer; its fronts' data are in the page."""
    space = tmp_path / "space.toml"
    space.write_text(
        'name = "mine"\nlayers = ["NT-LSTM"]\n[parameters]\nn_pe = [8, 16]\nspmat_width_bits = [64, 512]\n'
    )
    assert run(app, ["explore", str(space), "--out", str(tmp_path / "out"), "--workers", "1"]).exit_code == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Sweep: mine" in page
    assert "4 runs, 4 designs on 1 layer: NT-LSTM. Swept: n_pe 8, 16; spmat_width_bits 64, 512." in page
    assert "fastest of the designs that fit: n_pe 16, spmat_width_bits 64" in page
    assert page.count('<div class="chart"') == 2


def test_designs_that_share_no_layer_have_no_front(tmp_path: Path) -> None:
    """Each design ran on a layer of its own: the table and the report are there, and say that there is no front."""
    space = tmp_path / "space.toml"
    runs = '[{ layer = "NT-LSTM", n_pe = 8 }, { layer = "NT-We", n_pe = 16 }]'
    space.write_text(f'name = "s"\nstrategy = "list"\nlayers = ["NT-LSTM", "NT-We"]\nruns = {runs}\n')
    ran = run(app, ["explore", str(space), "--out", str(tmp_path / "out"), "--workers", "1"])
    assert ran.exit_code == 0
    assert "No configuration was run on every layer" in ran.stdout
    assert "No design was run on every layer" in (tmp_path / "out" / "report.html").read_text()
    assert not (tmp_path / "out" / "front.svg").exists()


def test_an_unknown_space_lists_the_ready_ones(tmp_path: Path) -> None:
    """One sentence; nothing is made."""
    ran = run(app, ["explore", "nowhere", "--out", str(tmp_path / "out")])
    assert isinstance(ran.exception, InputError)
    assert str(ran.exception).startswith("no space is named nowhere; there are ")
    assert not (tmp_path / "out").exists()
