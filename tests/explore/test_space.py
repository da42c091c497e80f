from pathlib import Path

import pytest

from eie.errors import InputError
from eie.explore import Space, load_space, ready_spaces
from eie.explore.space import PARAMETERS

GRID = """
name = "small"
layers = ["NT-LSTM"]
[parameters]
n_pe = [4, 8]
queue_depth = [2, 4, 8]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "space.toml"
    path.write_text(text)
    return path


def test_a_grid_is_every_combination(tmp_path: Path) -> None:
    """Two numbers of PEs times three depths; what is not named has the paper's value."""
    runs = load_space(written(tmp_path, GRID)).runs()
    assert [(run.hardware.n_pe, run.hardware.queue_depth) for run in runs] == [
        (n_pe, depth) for n_pe in (4, 8) for depth in (2, 4, 8)
    ]
    assert {(run.layer, run.index_bits, run.hardware.spmat_width_bits) for run in runs} == {("NT-LSTM", 4, 64)}


def test_random_draws_distinct_points_the_same_for_a_seed(tmp_path: Path) -> None:
    """Four of the six, none twice, again the same with the same seed and others with another."""
    drawn = [
        load_space(written(tmp_path, f'strategy = "random"\nsamples = 4\nseed = {seed}\n{GRID}')).runs()
        for seed in (1, 1, 2)
    ]
    assert len(set(drawn[0])) == 4
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_a_list_names_its_runs(tmp_path: Path) -> None:
    """Each entry is a run on every layer, or on the one it names."""
    text = """
    name = "chosen"
    strategy = "list"
    layers = ["NT-LSTM", "NT-We"]
    runs = [{ n_pe = 16 }, { n_pe = 32, layer = "NT-We" }]
    """
    assert [(run.layer, run.hardware.n_pe) for run in load_space(written(tmp_path, text)).runs()] == [
        ("NT-LSTM", 16),
        ("NT-We", 16),
        ("NT-We", 32),
    ]


def test_the_paper_space_has_the_runs_it_is_known_for() -> None:
    """Nine layers, nine numbers of PEs, nine depths, five widths."""
    assert len(load_space("paper").runs()) == 3645


@pytest.mark.parametrize("name", ready_spaces())
def test_every_ready_space_can_be_run(name: str) -> None:
    """Values fit the hardware, and the technology is there."""
    space = load_space(name)
    assert space.runs()
    assert space.load_technology().components


@pytest.mark.parametrize(
    ("was", "becomes", "sentence"),
    [
        ("n_pe =", "n_pes =", f"there is no parameter called 'n_pes'; there are {', '.join(PARAMETERS)}"),
        ('layers = ["NT-LSTM"]', "", "the space is empty: it names no layers"),
        ("[4, 8]", "[]", "parameter n_pe has no values, expected at least one"),
        ("[4, 8]", "[4, 4]", "parameter n_pe names a value twice, in [4, 4]"),
        ('["NT-LSTM"]', '["NT-LSTM", "all"]', "layer NT-LSTM is named 2 times, expected once"),
        ('"small"', '"small"\nsamples = 3', "strategy 'grid' and samples {0}: only random draws samples"),
        ('"small"', '"small"\nstrategy = "list"', "strategy 'list' and runs {0}: only list names its runs"),
        ('"small"', '"small"\nstrategy = "random"\nsamples = 7', "samples is 7, but the space has only 6 points"),
        ('"small"', '"s"\nstrategy = "dice"', "strategy is 'dice': input should be 'grid', 'random' or 'list'"),
    ],
)  # fmt: skip
def test_a_wrong_space_is_one_sentence(tmp_path: Path, was: str, becomes: str, sentence: str) -> None:
    """Unknown names, empty axes and contradictions are refused before any run."""
    path = written(tmp_path, GRID.replace(was, becomes))
    with pytest.raises(InputError) as error:
        load_space(path)
    assert str(error.value) == f"space file {path}: {sentence.format('contradict each other')}"


def test_a_value_that_the_hardware_refuses_is_named(tmp_path: Path) -> None:
    """A queue of one slot cannot run."""
    space = load_space(written(tmp_path, GRID.replace("[2, 4, 8]", "[1]")))
    with pytest.raises(InputError) as error:
        space.runs()
    assert str(error.value) == "space small: queue_depth must be an integer from 2 to 4096, not 1"


def test_an_unknown_layer_lists_those_there_are() -> None:
    """The nine of the paper."""
    with pytest.raises(ValueError, match="there is no layer called 'Alex-9'; there are Alex-6, Alex-7"):
        Space(name="s", layers=("Alex-9",))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'layers = ["NT-We"]\nstrategy = "list"\n[[runs]]\nlayer = "Alex-9"\nn_pe = 4',
            "runs name a layer 'Alex-9' that layers do not; those are NT-We",
        ),
        ('layers = ["NT-We"]\nseed = -1', "seed is -1: input should be greater than or equal to 0"),
        ('layers = ["NT-We"]\nseed = 9223372036854775808', "seed is 9223372036854775808: input should be less than "),
    ],
)
def test_runs_and_seeds_that_no_sweep_can_have(tmp_path: Path, text: str, sentence: str) -> None:
    """Refused when the space is read, not in the middle of the sweep."""
    path = tmp_path / "space.toml"
    path.write_text(f'name = "x"\n{text}')
    with pytest.raises(InputError) as error:
        load_space(path)
    assert str(error.value).startswith(f"space file {path}: {sentence}")
