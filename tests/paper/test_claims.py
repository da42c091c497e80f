import pytest

from eie.literature import reported
from eie.paper import Study, reproduce


def test_every_claim_is_worked_out_with_its_derivation(study: Study) -> None:
    """Fourteen claims, each with a number and a sentence on how it was made."""
    result = reproduce("claims", study)
    assert len(result.comparisons) == len(reported("claims")["claims"]) == 14
    assert all(one.ours is not None and one.note for one in result.comparisons)


def test_claims_are_what_the_tables_say(study: Study) -> None:
    """A claim is no second calculation: speed, power and DaDianNao are those of Figure 6, 7 and Table V."""
    claims = {one.labels["claim"]: one.ours for one in reproduce("claims", study).comparisons}
    for figure, claim in (("figure6", "faster than the CPU, dense"), ("figure7", "less energy than the CPU, dense")):
        mean = next(
            one
            for one in reproduce(figure, study).comparisons
            if one.labels == {"layer": "geometric mean", "machine": "EIE"}
        )
        assert claims[claim] == pytest.approx(mean.ours)
    assert claims["peak rate on the compressed network"] == pytest.approx(102.4)
    table5 = {(one.labels["platform"], one.labels["quantity"]): one for one in reproduce("table5", study).comparisons}
    ours, theirs = table5["EIE 256 PE", "speed"].ours or 0, table5["DaDianNao", "speed"].paper or 1
    assert claims["throughput over DaDianNao"] == pytest.approx(ours / theirs)
