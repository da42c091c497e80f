"""Names made of other names."""

from __future__ import annotations

from eie.support.names import unique_name


def test_the_first_free_number_is_taken() -> None:
    """A name that is free stays; one that is taken gets a number that makes it free."""
    assert unique_name("a", ()) == "a"
    assert unique_name("a", {"a"}) == "a_2"
    assert unique_name("a", ["a", "a_2", "a_4"]) == "a_3"
