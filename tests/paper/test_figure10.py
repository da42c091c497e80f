import pytest

from eie.paper import Study, reproduce


@pytest.mark.slow
def test_sixteen_bits_lose_nothing_and_four_lose_most(study: Study) -> None:
    """On the digits 16-bit fixed point is as accurate as float; four bits are not enough."""
    result = reproduce("figure10", study)
    ours = {
        one.labels["precision"]: one.ours
        for one in result.comparisons
        if one.labels["quantity"] == "accuracy" and one.ours
    }
    assert ours["16-bit fixed"] == pytest.approx(ours["32-bit float"], abs=0.5)
    assert ours["32-bit float"] > 90
    assert ours["4-bit fixed"] < ours["8-bit fixed"] - 10
    assert result.agreement is None
