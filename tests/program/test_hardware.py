"""The chip's parameters: each refused, by name, where it is out of range."""

from __future__ import annotations

from typing import Any

import pytest

from eie.chip import Hardware
from eie.errors import InputError
from eie.program.rules import InOrderScan


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("n_pe", 0, "n_pe must be an integer from 1 to 1024, not 0"),
        ("n_pe", 1025, "n_pe must be an integer from 1 to 1024, not 1025"),
        ("n_pe", 2.5, "n_pe must be an integer from 1 to 1024, not 2.5"),
        ("queue_depth", 1, "queue_depth must be an integer from 2 to 4096, not 1"),
        ("spmat_width_bits", 12, "spmat_width_bits must be a multiple of 8, not 12"),
        ("clock_mhz", 0, "clock_mhz must be a number from 1e-06 to 1e+06 MHz, not 0"),
        ("clock_mhz", float("inf"), "clock_mhz must be a number from 1e-06 to 1e+06 MHz, not inf"),
        ("clock_mhz", 1e-320, "clock_mhz must be a number from 1e-06 to 1e+06 MHz, not 1e-320"),
        ("register_entries", 0, "register_entries must be an integer from 1 to 65536, not 0"),
        ("accumulator_bits", 8, "accumulator_bits must be at least value_bits, 16, not 8"),
        ("batched", 1, "batched must be true or false, not 1"),
    ],
)
def test_out_of_range(name: str, value: Any, sentence: str) -> None:
    """The sentence names the parameter, what was expected and what was given."""
    with pytest.raises(InputError) as error:
        Hardware(**{name: value})
    assert str(error.value) == sentence


def test_stages_are_for_the_papers_scan() -> None:
    """Broadcasts of several activations have no credits."""
    with pytest.raises(InputError) as error:
        Hardware(broadcast_stages=1, scan_rule=InOrderScan(2))
    assert str(error.value) == "broadcast_stages must be 0 with another scan rule than the paper's, not 1"


def test_rows_of_the_weight_memory() -> None:
    """A 64-bit row holds eight entries of a byte, four of two bytes."""
    assert Hardware().entries_per_row(8) == 8
    assert Hardware().entries_per_row(9) == 4
    with pytest.raises(InputError) as error:
        Hardware(spmat_width_bits=8).entries_per_row(9)
    assert str(error.value) == "spmat_width_bits must be at least 16 to hold an entry of 9 bits, not 8"
