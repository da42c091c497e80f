import pytest

from eie.chip import Hardware
from eie.cost import load_technology, price_list
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


def test_energy_is_eies_own_prices_every_cycle() -> None:
    """A cycle of one PE of four multipliers: a read, four products, the clock and leakage, as EIE's units have them."""
    prices = price_list(PAPER, Hardware())
    read = prices["SpmatRead"].energy_pj["spmat_read"]
    products = 4 * prices["ArithmUnit"].energy_pj["entry"]
    clock = 4 * prices["ArithmUnit"].energy_pj["cycle"] + sum(
        prices[unit].energy_pj["cycle"] for unit in ("Act_queue", "SpmatRead", "ActRW")
    )
    leakage = (1.59 + 0.03) * 1.25
    one, four = prices["ActRW"].energy_pj["entry"], 4 * prices["ActRW"].energy_pj["entry"]
    dense = Rival("dense", 16, 1)
    for added_first, writes in ((True, one), (False, four)):
        energy = dense.energy_nj(1000, 1, PAPER, Hardware(), added_first=added_first)
        assert energy == pytest.approx(read + products + writes + clock + leakage)


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_pes_fill_the_area_and_no_more(rival: Rival) -> None:
    """Without pointer memories there is room for more PEs than 64, or for many multipliers."""
    n_pe = rival.pes(PAPER, Hardware(), AREA_UM2)
    assert 60 < n_pe < 90
    assert rival.pes(PAPER, Hardware(), 2 * AREA_UM2) in (2 * n_pe, 2 * n_pe + 1)


def test_only_layers_that_both_hold_are_compared(study: Study) -> None:
    """VGG-6 has more pointers than EIE holds; Alex-7 more 16-bit weights than a dense machine does."""
    result = reproduce("rivals", study)
    layers: dict[str, set[str]] = {}
    for one in result.comparisons:
        layers.setdefault(str(one.labels["rival"]), set()).add(str(one.labels["layer"]))
    assert all("VGG-6" not in names for names in layers.values())
    assert "Alex-7" not in layers["dense 16-bit: time"]
    assert "Alex-7" in layers["2:4 4-bit: time"]
    assert {"mean, 64 PEs, 64 bits", "mean, 256 PEs, 64 bits", "mean, 64 PEs, 128 bits"} <= layers["2:4 4-bit: time"]
    assert result.agreement is None


def test_energy_is_a_range_and_its_assumptions_are_named(study: Study) -> None:
    """The least is never above the most; memories too slow or incomplete take no part."""
    result = reproduce("rivals", study)
    values = {(one.labels["layer"], one.labels["rival"]): one.ours or 0 for one in result.comparisons}
    for (layer, rival), value in values.items():
        if str(rival).endswith("least"):
            assert value < values[layer, str(rival).replace("least", "most")]
    assert "memories itrs-hp, ED2 or itrs-lop, ED2." in result.conditions
