import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import eie
from eie.chip import Hardware, simulate
from eie.cost import cost, load_technology
from eie.encoding.csc import encode
from eie.errors import InputError
from eie.explore import Space, explore, load_space
from eie.workloads.layers import generate

OWN_LAYER = """
name = "own"
[[model_layers]]
name = "mine"
model = "m.safetensors"
layer = "lstm"
activations = "x.npy"
[parameters]
n_pe = [16]
"""

SPACE = Space(name="small", layers=("NT-LSTM",), parameters={"n_pe": (8, 16), "queue_depth": (2, 8)})


def test_a_row_is_what_simulating_and_costing_by_hand_gives(tmp_path: Path) -> None:
    """Parameters, cycles, counts and costs of one run, each in a column with its unit."""
    table = explore(SPACE, tmp_path, workers=1)
    assert table.height == 4
    layer = generate("NT-LSTM")
    run = simulate(encode(layer.codes, layer.codebook, 16), layer.activations, Hardware(n_pe=16, queue_depth=2))
    modelled = cost(run, load_technology("eie-paper-45nm"))
    row = table.row(2, named=True)
    assert (row["layer"], row["n_pe"], row["queue_depth"]) == ("NT-LSTM", 16, 2)
    assert row["cycles"] == run.cycles
    assert row["spmat_reads"] == run.counts.spmat_reads
    assert row["latency_us"] == pytest.approx(run.latency_us)
    assert row["energy_nj"] == pytest.approx(modelled.energy_nj)
    assert row["area_mm2"] == pytest.approx(modelled.area_mm2)
    assert (row["holds"], row["slowest_memory_ns"], row["fits"]) == (True, 1.17, True)


def test_a_memory_too_slow_for_the_clock_does_not_fit(tmp_path: Path) -> None:
    """256 bits are read every 1.36 ns: the layer is held, the clock of 800 MHz is not, that of 700 MHz is."""
    wide = {"n_pe": (16,), "spmat_width_bits": (256,), "clock_mhz": (700.0, 800.0)}
    table = explore(SPACE.model_copy(update={"parameters": wide}), tmp_path, workers=1)
    assert table.select("holds", "slowest_memory_ns", "fits").rows() == [(True, 1.36, True), (True, 1.36, False)]
    assert pl.read_csv(tmp_path / "pareto-fits.csv")["clock_mhz"].to_list() == [700.0]
    front = pl.read_csv(tmp_path / "pareto.csv")
    assert front.select("clock_mhz", "fits").rows() == [(800.0, False)]


def test_a_swept_size_without_a_price_is_refused_before_any_run(tmp_path: Path) -> None:
    """No size is free."""
    narrow = SPACE.model_copy(update={"parameters": {"value_bits": (8, 16)}})
    with pytest.raises(InputError, match="value_bits is 8, but technology eie-paper-45nm has a price for 16 alone"):
        explore(narrow, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_parquet_csv_and_front_are_written(tmp_path: Path) -> None:
    """The same rows in both files; no temporary file is left."""
    table = explore(SPACE, tmp_path, workers=1)
    assert pl.read_parquet(tmp_path / "runs.parquet").equals(table)
    assert pl.read_csv(tmp_path / "runs.csv").height == 4
    written = {"pareto-fits.csv", "pareto.csv", "runs.csv", "runs.jsonl", "runs.parquet"}
    assert {path.name for path in tmp_path.iterdir()} == written


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    """The table does not depend on who ran what when."""
    assert explore(SPACE, tmp_path / "one", workers=1).equals(explore(SPACE, tmp_path / "two", workers=2))


def test_an_interrupted_sweep_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    """Interrupted after the first encoding, with a line half written, it runs only the rest."""

    def stop(finished: int, _runs: int) -> None:
        if finished == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explore(SPACE, tmp_path, workers=1, progress=stop)
    journal = tmp_path / "runs.jsonl"
    with open(journal, "a", encoding="utf-8") as stream:
        stream.write('{"layer": "NT-LS')
    seen: list[int] = []
    table = explore(SPACE, tmp_path, workers=1, progress=lambda finished, _runs: seen.append(finished))
    assert seen == [2, 4]
    assert table.height == 4
    assert len([json.loads(line) for line in journal.read_text().splitlines()]) == 5
    assert table.equals(explore(SPACE, tmp_path / "fresh", workers=1))


def test_a_larger_space_runs_only_what_is_new(tmp_path: Path) -> None:
    """Values added to a space are run; those done are taken from the journal."""
    explore(SPACE, tmp_path, workers=1)
    larger = SPACE.model_copy(update={"parameters": {"n_pe": (8, 16, 32), "queue_depth": (2, 8)}})
    seen: list[int] = []
    assert explore(larger, tmp_path, workers=1, progress=lambda done, _runs: seen.append(done)).height == 6
    assert seen == [4, 6]


def test_results_of_another_technology_are_not_mixed(tmp_path: Path) -> None:
    """The folder's journal says what it was made with."""
    space = SPACE.model_copy(update={"parameters": {"n_pe": (8,)}})
    explore(space, tmp_path, workers=1)
    other = space.model_copy(update={"technology": "cacti-45nm"})
    with pytest.raises(InputError) as error:
        explore(other, tmp_path, workers=1)
    assert str(error.value).startswith(
        f"{tmp_path / 'runs.jsonl'} holds runs of another version, technology or layer, expected "
    )


def test_a_memory_without_figures_is_refused_before_any_run(tmp_path: Path) -> None:
    """Nothing is extrapolated, and nothing is begun."""
    wide = SPACE.model_copy(update={"parameters": {"spmat_width_bits": (64, 1024)}})
    with pytest.raises(InputError, match="a memory of 131072 bytes by 1024 bits lies outside the set"):
        explore(wide, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full takes no byte, as a full disk does."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "runs.jsonl").symlink_to("/dev/full")
    monkeypatch.setattr(Path, "exists", lambda self: False)
    with pytest.raises(InputError) as error:
        explore(SPACE, tmp_path, workers=1)
    assert str(error.value) == (
        f"cannot write {tmp_path / 'runs.jsonl'}: No space left on device; the runs before are kept, "
        "and the same command goes on"
    )


def test_a_layer_of_a_model_file_is_swept_like_any_other(tmp_path: Path) -> None:
    """Model and inputs are found beside the space; the cycles are those of simulating the layer itself."""
    layer = generate("NT-LSTM")
    matrix = encode(layer.codes, layer.codebook, 16)
    eie.save(eie.Network((eie.Layer("lstm", matrix),)), tmp_path / "m.safetensors")
    np.save(tmp_path / "x.npy", layer.activations)
    (tmp_path / "space.toml").write_text(OWN_LAYER)
    table = explore(load_space(tmp_path / "space.toml"), tmp_path / "out", workers=1)
    assert table["layer"].to_list() == ["mine"]
    assert table["cycles"].to_list() == [simulate(matrix, layer.activations, Hardware(n_pe=16)).cycles]


@pytest.mark.parametrize(
    ("was", "becomes", "sentence"),
    [
        ("lstm", "gru", "model {folder}/m.safetensors has no layer 'gru'; it has lstm"),
        ("x.npy", "y.npy", "activations {folder}/y.npy does not exist"),
        (
            "x.npy",
            "z.npy",
            "activations {folder}/z.npy must have shape (4,), the inputs of layer lstm, or up to 1000 such rows, "
            "not (5,)",
        ),
    ],
)
def test_a_model_layer_that_does_not_fit_is_named(tmp_path: Path, was: str, becomes: str, sentence: str) -> None:
    """An unknown layer, a missing file, inputs of another length."""
    matrix = encode(np.eye(4, dtype=np.uint8), np.arange(16, dtype=np.float32), 16)
    eie.save(eie.Network((eie.Layer("lstm", matrix),)), tmp_path / "m.safetensors")
    np.save(tmp_path / "z.npy", np.zeros(5))
    (tmp_path / "space.toml").write_text(OWN_LAYER.replace(was, becomes))
    with pytest.raises(InputError) as error:
        explore(load_space(tmp_path / "space.toml"), tmp_path / "out", workers=1)
    assert str(error.value) == sentence.format(folder=tmp_path)


def test_two_broadcasts_a_cycle_keep_the_counts(tmp_path: Path) -> None:
    """Only cycles, and what follows from them, may differ."""
    space = SPACE.model_copy(update={"parameters": {"n_pe": (256,), "broadcasts_per_cycle": (1, 2)}})
    single, double = explore(space, tmp_path, workers=1).to_dicts()
    assert double["cycles"] <= single["cycles"]
    assert double["spmat_reads"] == single["spmat_reads"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("5\n", "{path} holds runs of another version, technology or layer, expected "),
        ("{header}\n5\n", "line 2 of {path} is no run of a sweep: give another folder"),
        ("{header}\n{{\n", "line 2 of {path} is not JSON: "),
        ('{header}\n{{"layer": [3]}}\n', "line 2 of {path} is no run of a sweep: give another folder"),
        ("[" * 100_000 + "\n", "line 1 of {path} is not JSON: "),
        ("notes of mine", "{path} is no journal of a sweep: give another folder"),
    ],
)
def test_a_journal_that_is_none(tmp_path: Path, text: str, sentence: str) -> None:
    """Lines that no sweep has written are refused, and the file stays as it is."""
    explore(SPACE, tmp_path, workers=1)
    path = tmp_path / "runs.jsonl"
    header = path.read_text().splitlines()[0]
    path.write_text(text.format(header=header) if "{header}" in text else text)
    before = path.read_bytes()
    with pytest.raises(InputError) as error:
        explore(SPACE, tmp_path, workers=1)
    assert str(error.value).startswith(sentence.format(path=path))
    assert path.read_bytes() == before


def test_a_whole_row_without_its_end_is_run_again(tmp_path: Path) -> None:
    """A last line of which only the newline is missing is not glued to the next one, and an empty journal is begun."""
    explore(SPACE, tmp_path / "fresh", workers=1)
    lines = (tmp_path / "fresh" / "runs.jsonl").read_bytes().splitlines(keepends=True)
    for number, start in enumerate((b"", lines[0][:20], b"".join(lines[:2]) + lines[2].rstrip())):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "runs.jsonl").write_bytes(start)
        explore(SPACE, folder, workers=1)
        assert sorted((folder / "runs.jsonl").read_bytes().splitlines()) == sorted(line.rstrip() for line in lines)
