import pytest

from eie.cost import load_technology
from eie.paper import Study, reproduce
from eie.paper.assumptions import CYCLE, POWER, READ


def test_each_figure_stands_under_every_memory_set(study: Study) -> None:
    """Six sets; the one used elsewhere gives Table II's total; none counts as agreement."""
    result = reproduce("assumptions", study)
    ours = {(one.labels["memories"], one.labels["figure"]): one for one in result.comparisons}
    table2 = next(one for one in reproduce("table2", study).comparisons if one.labels["part"] == "whole PE")
    nodes_mw = 21 * 0.023 / 64  # the LNZD nodes, which Table II leaves out
    assert ours["itrs-lop, ED2", POWER].ours == pytest.approx((table2.ours or 0) + nodes_mw, abs=1e-4)
    assert (ours["itrs-lstp, ED2", CYCLE].ours, ours["itrs-lstp, ED2", CYCLE].note) == (1.65, "cannot keep 800 MHz")
    assert ours["itrs-hp, delay", POWER].ours is None
    assert ours["itrs-hp, delay", READ].note == "has not all of a PE's memories"
    assert "keep 800 MHz: itrs-hp, ED2, itrs-lop, ED2. itrs-lop, ED2 is used elsewhere" in result.verdict
    assert result.agreement is None


def test_another_technology_changes_what_was_put_in() -> None:
    """With CACTI's own areas Table II's are modelled, and count; what it has no part for is missing."""
    result = reproduce("table2", Study(technology=load_technology("cacti-45nm")))
    rows = {(one.labels["part"], one.unit): one for one in result.comparisons}
    assert rows["SpmatRead", "um2"].counts
    assert rows["SpmatRead", "um2"].ours == pytest.approx(429665)
    assert rows["Act_queue", "mW"].ours is None
    assert not rows["ArithmUnit", "um2"].counts
