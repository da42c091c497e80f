"""One's own in a space: rules from a file, weights, several inputs, whole networks, an external memory."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import eie
from eie.chip import Hardware
from eie.cost import Stream, load_external_memory, stream_matrix
from eie.errors import InputError
from eie.explore import explore, load_space
from eie.explore.space import PARAMETERS

rng = np.random.default_rng(11)
WEIGHTS = (rng.random((60, 80)) < 0.3) * rng.normal(size=(60, 80))
INPUTS = np.maximum(rng.normal(size=(4, 80)), 0).astype(np.float32)

RULES = """
from dataclasses import dataclass
import numpy as np
from eie.program import BalancedRows, InOrderScan, RowAssignment, ScanRule

@dataclass(frozen=True)
class Backwards(RowAssignment):
    def order(self, matrix):
        return np.arange(matrix.outputs)[::-1]

@dataclass(frozen=True)
class Slow(ScanRule):
    def scan(self, active):
        found = InOrderScan().scan(active)
        return found._replace(cycles=found.cycles + 100, end=found.end + 100)

class Nothing:
    pass
"""


def space(folder: Path, text: str) -> Path:
    (folder / "space.toml").write_text('name = "own"\n' + text)
    return folder / "space.toml"


@pytest.mark.parametrize("workers", [1, 2])
def test_rules_of_ones_own_are_followed_in_every_process(tmp_path: Path, workers: int) -> None:
    """`file.py:Name`, relative to the space: an assignment and a scan, in this process and in others."""
    (tmp_path / "rules.py").write_text(RULES)
    text = """layers = ["NT-We", "NT-LSTM"]
    [parameters]
    n_pe = [8]
    row_assignment = ["round robin", "rules.py:Backwards"]
    scan_rule = ["in order", "rules.py:Slow"]
    """
    points = load_space(space(tmp_path, text))
    table = explore(points, tmp_path / "out", workers=workers)
    layer = eie.workloads.generate("NT-We")
    matrix = eie.encode(layer.codes, layer.codebook, n_pe=8)
    for row, run in zip(table.head(4).iter_rows(named=True), points.runs()[:4], strict=True):
        assert row["cycles"] == eie.simulate(matrix, layer.activations, run.hardware).cycles
        assert row["row_assignment"].rpartition("/")[2] in ("round robin", "rules.py:Backwards")
    assert table["cycles"][1] == table["cycles"][0] + 100
    again = explore(points, tmp_path / "out", workers=1)
    assert again.equals(table)


def test_entries_by_another_rule_are_swept(tmp_path: Path) -> None:
    """No padding, and more reads of the weight memory."""
    text = """layers = ["NT-We"]
    [parameters]
    n_pe = [4]
    entry_rule = ["relative index", "absolute index"]
    """
    table = explore(load_space(space(tmp_path, text)), tmp_path / "out", workers=1)
    assert table["entry_rule"].to_list() == ["relative index", "absolute index"]
    assert table["cycles"][1] < table["cycles"][0]
    assert table["spmat_reads"][1] > table["spmat_reads"][0]


def test_a_rule_that_was_edited_is_another_sweep(tmp_path: Path) -> None:
    """Old runs are not taken for those of the new text."""
    (tmp_path / "rules.py").write_text(RULES)
    path = space(tmp_path, 'layers = ["NT-We"]\n[parameters]\nn_pe = [8]\nscan_rule = ["rules.py:Slow"]\n')
    before = explore(load_space(path), tmp_path / "out", workers=1)["cycles"][0]
    (tmp_path / "rules.py").write_text(RULES.replace("100", "300"))
    with pytest.raises(InputError, match="holds runs of another version, technology or layer"):
        explore(load_space(path), tmp_path / "out", workers=1)
    assert explore(load_space(path), tmp_path / "new", workers=1)["cycles"][0] == before + 200


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ('row_assignment = ["best"]', "row_assignment must be 'round robin', 'by load' or 'file.py:Name', not 'best'"),
        (
            'entry_rule = ["best"]',
            "entry_rule must be 'relative index', 'absolute index' or 'file.py:Name', not 'best'",
        ),
        ('scan_rule = ["rules.py:Nothing"]', "is a Nothing, expected a ScanRule of eie.program"),
        ('row_assignment = ["rules.py:None"]', "could not be made: AttributeError"),
        ('row_assignment = ["none.py:A"]', "none.py does not exist"),
        ('scan_rule = ["rules.py:Slow"]\nbroadcasts_per_cycle = [2]', "broadcasts_per_cycle is 2, but scan_rule"),
        ('external_memory = ["ddr9"]', "no external memory is named ddr9"),
        ("n_pe = 8", "parameters.n_pe is 8: expected a list, such as \\[8\\]"),
    ],
)
def test_what_a_space_cannot_name_is_refused(tmp_path: Path, parameters: str, sentence: str) -> None:
    """One sentence, before any run."""
    (tmp_path / "rules.py").write_text(RULES)
    with pytest.raises(InputError, match=sentence):
        load_space(space(tmp_path, f'layers = ["NT-We"]\n[parameters]\n{parameters}\n')).runs()


def test_layers_must_be_a_list(tmp_path: Path) -> None:
    """And the sentence says how one looks."""
    with pytest.raises(InputError, match=r"layers is 'all': expected a list, such as \['all'\]"):
        load_space(space(tmp_path, 'layers = "all"\n'))


@pytest.mark.parametrize("kind", ["npy", "safetensors"])
def test_weights_of_ones_own_and_several_inputs(tmp_path: Path, kind: str) -> None:
    """The matrix is that of `share` and `encode`; every number is the mean over the inputs, with spread and most."""
    np.save(tmp_path / "w.npy", WEIGHTS)
    save_file({"fc.weight": WEIGHTS}, tmp_path / "w.safetensors")
    np.save(tmp_path / "x.npy", INPUTS)
    text = f"""[[weight_layers]]
    name = "fc"
    weights = "w.{kind}"
    {'tensor = "fc.weight"' if kind == "safetensors" else ""}
    activations = "x.npy"
    [parameters]
    n_pe = [4]
    """
    row = explore(load_space(space(tmp_path, text)), tmp_path / "out", workers=1).row(0, named=True)
    matrix = eie.encode(*eie.share(WEIGHTS), n_pe=4)
    times = [eie.simulate(matrix, one).latency_us for one in INPUTS]
    assert (row["vectors"], row["latency_us"]) == (4, pytest.approx(np.mean(times)))
    assert (row["latency_us_deviation"], row["latency_us_most"]) == (pytest.approx(np.std(times)), max(times))
    np.save(tmp_path / "x.npy", INPUTS[:2])
    with pytest.raises(InputError, match="holds runs of another version, technology or layer"):
        explore(load_space(space(tmp_path, text)), tmp_path / "out", workers=1)


def test_a_generated_layer_has_further_inputs(tmp_path: Path) -> None:
    """The first vector is the one it has alone; the others differ."""
    sizes = "inputs = 200\noutputs = 100\nweight_density = 0.2\nactivation_density = 0.5\n"
    layer = f"[[generated_layers]]\nname = 'g'\n{sizes}"
    one = explore(load_space(space(tmp_path, layer)), tmp_path / "one", workers=1).row(0, named=True)
    five = explore(load_space(space(tmp_path, layer + "vectors = 5\n")), tmp_path / "five", workers=1).row(
        0, named=True
    )
    assert (one["vectors"], one["latency_us_deviation"], one["latency_us_most"]) == (1, 0, one["latency_us"])
    assert five["vectors"] == 5
    assert five["latency_us_deviation"] > 0
    assert five["latency_us_most"] >= max(one["latency_us"], five["latency_us"])


def test_a_whole_network_is_every_layer_of_it(tmp_path: Path) -> None:
    """Each layer runs on what the one before gives it, as `simulate_network` does."""
    codes = [(rng.random(shape) < 0.4) * rng.integers(1, 16, shape) for shape in ((30, 40), (7, 30))]
    book = np.concatenate(([0], rng.normal(size=15)))
    layers = [
        eie.Layer(name, eie.encode(code, book, n_pe=8), relu=True) for name, code in zip("ab", codes, strict=True)
    ]
    inputs = rng.normal(size=(3, 40)).astype(np.float32)
    network = eie.calibrate(eie.Network(tuple(layers)), inputs)
    eie.save(network, tmp_path / "m.safetensors")
    np.save(tmp_path / "x.npy", inputs)
    text = '[[networks]]\nname = "net"\nmodel = "m.safetensors"\ninputs = "x.npy"\n[parameters]\nn_pe = [8]\n'
    table = explore(load_space(space(tmp_path, text)), tmp_path / "out", workers=1)
    expected = np.mean([[one.simulation.cycles for one in eie.simulate_network(network, x)] for x in inputs], axis=0)
    assert table["layer"].to_list() == ["net: a", "net: b"]
    assert table["cycles"].to_list() == pytest.approx(expected.tolist())


def test_weights_that_do_not_fit_come_from_the_memory_that_is_swept(tmp_path: Path) -> None:
    """Without one the layer does not fit; with one it does, and takes the memory's time and energy."""
    text = """[[generated_layers]]
    name = "large"
    inputs = 20000
    outputs = 64
    weight_density = 0.3
    activation_density = 0.2
    [parameters]
    n_pe = [4, 32]
    external_memory = ["none", "lpddr4"]
    """
    points = load_space(space(tmp_path, text))
    table = explore(points, tmp_path / "out", workers=1)
    small, table = table.head(2), table.tail(2)
    assert table.select("external_memory", "holds", "fits").rows() == [("none", False, False), ("lpddr4", False, True)]
    assert small["fits"].to_list() == [False, False]  # 5,000 activations a PE: these have no place outside
    layer = points.generated_layers[0].read()
    matrix = eie.encode(layer.codes, np.arange(16) / 16, n_pe=32)
    one = stream_matrix(matrix, layer.vectors[0], Hardware(n_pe=32), load_external_memory("lpddr4"))
    assert isinstance(one, Stream)
    assert table["external_bytes"].to_list() == [0, one.read_bytes]
    assert table["latency_us"][1] == pytest.approx(one.latency_us, abs=1 / 800)
    assert table["energy_nj"][1] > table["energy_nj"][0] + one.energy_nj
    assert "external_memory" in PARAMETERS
