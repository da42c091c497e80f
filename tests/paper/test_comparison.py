import json

import pytest

from eie.paper.comparison import Comparison, Plot, Reproduction, Scale, agreement_words, modelled
from eie.support.tables import Column, Provenance


def reproduction(comparisons: list[Comparison], scale: Scale) -> Reproduction:
    return Reproduction(
        name="table0",
        title="Table 0: a test",
        source="nowhere",
        labels=(Column("layer", "layer"), Column("quantity", "time")),
        comparisons=tuple(comparisons),
        scale=scale,
        verdict="Fine.",
        plot=Plot(category="layer", panel="quantity", value_title="time (us)", logarithmic=True),
    )


def one(ours: float | None, paper: float | None, provenance: Provenance = Provenance.SIMULATED) -> Comparison:
    return Comparison({"layer": "A", "quantity": "q"}, ours, paper, provenance, "us")


def test_agreement_is_the_mean_absolute_relative_difference() -> None:
    """On the ratio scale, 10 % above and 30 % below are 20 % away on average."""
    agreed = reproduction([one(11, 10), one(7, 10)], Scale.RATIO).agreement
    assert agreed is not None
    assert agreed.value == pytest.approx(20)
    assert str(agreed) == "20.0 % over 2 numbers"


def test_agreement_in_points() -> None:
    """On the points scale, differences are not divided by the paper's number."""
    agreed = reproduction([one(90, 92), one(50, 46)], Scale.POINTS).agreement
    assert str(agreed) == "3.0 points over 2 numbers"


def test_this_machines_speed_and_missing_numbers_do_not_count() -> None:
    """What is measured on another machine than the paper's, or has no counterpart, is shown and not counted."""
    left_out = [one(1, 100, Provenance.MEASURED), one(None, 5), one(5, None)]
    assert reproduction(left_out, Scale.RATIO).agreement is None
    assert len(reproduction(left_out, Scale.RATIO).table.rows) == 3


def test_what_was_put_in_is_shown_and_not_counted() -> None:
    """A number that the model was calibrated on is no agreement, and the reader is told how many there are."""
    result = reproduction([one(11, 10), one(10, 10, Provenance.CALIBRATED)], Scale.RATIO)
    assert agreement_words(result) == (
        "Mean absolute difference from the paper: 10.0 % over 1 number.",
        "Not counted, for the model was calibrated on them: 1 of its numbers.",
    )
    assert result.table.rows[1]["provenance"] == "put in: calibrated on the paper"


@pytest.mark.parametrize(
    ("put_in", "expected"),
    [(0, (Provenance.MODELLED, "")), (0.38, (Provenance.MODELLED, "38% put in")), (1, (Provenance.CALIBRATED, ""))],
)
def test_a_modelled_number_says_how_much_of_it_was_put_in(put_in: float, expected: tuple[Provenance, str]) -> None:
    """Only what is all the paper's own is out of the count."""
    assert modelled(put_in) == expected


def test_every_row_says_unit_and_provenance() -> None:
    """The table's rows carry labels, both numbers, their ratio, the unit, and where ours comes from."""
    assert dict(reproduction([one(11, 10)], Scale.RATIO).table.rows[0]) == {
        "layer": "A",
        "quantity": "q",
        "ours": 11,
        "paper": 10,
        "ratio": 1.1,
        "unit": "us",
        "provenance": "simulated here",
    }


def test_a_reproduction_is_plain_json() -> None:
    """`as_dict` holds nothing that JSON cannot, and survives the way there and back."""
    result = reproduction([one(11, 10), one(None, 10)], Scale.RATIO).as_dict()
    assert json.loads(json.dumps(result)) == result
    assert result["agreement"] == {"mean_absolute_difference": pytest.approx(10), "unit": "%", "count": 1}
