import pytest

from eie.chip import Hardware
from eie.cost import load_technology
from eie.paper import Study, reproduce
from eie.paper.rivals import RIVALS, Rival

PAPER = load_technology("eie-paper-45nm")
AREA_UM2 = 40.8375e6


def test_a_dense_machine_by_hand() -> None:
    """4096 x 4096 in 16-bit weights on 64 PEs, four a cycle: 64 rows of 4096 positions each, 65,536 cycles."""
    dense = Rival("dense", 16, 1)
    assert dense.weights_per_row(Hardware()) == 4
    assert dense.cycles(4096, 4096, 64, Hardware()) == 64 * 4096 // 4
    assert not dense.fits(4096, 4096, 64, Hardware())
    assert dense.fits(1024, 4096, 64, Hardware())


def test_two_in_four_halves_the_work_and_pays_for_places() -> None:
    """18 bits a kept weight: three in a row, six positions a cycle."""
    structured = Rival("2:4", 18, 2)
    assert structured.weights_per_row(Hardware()) == 3
    assert structured.cycles(600, 64, 64, Hardware()) == 100


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_pes_fill_the_area_and_no_more(rival: Rival) -> None:
    """Without pointer memories there is room for more PEs than 64, or for many multipliers."""
    n_pe = rival.pes(PAPER, Hardware(), AREA_UM2)
    assert 60 < n_pe < 90
    assert rival.pes(PAPER, Hardware(), 2 * AREA_UM2) in (2 * n_pe, 2 * n_pe + 1)


def test_the_sparser_the_layer_the_more_eie_gains(study: Study) -> None:
    """VGG-6, 4 % of the weights and 18 % active, gains most; no number of the paper's is there to agree with."""
    result = reproduce("rivals", study)
    times = {
        one.labels["layer"]: one.ours or 0 for one in result.comparisons if one.labels["rival"] == "dense 16-bit time"
    }
    assert max(times, key=lambda layer: times[layer]) == "VGG-6"
    assert result.agreement is None
