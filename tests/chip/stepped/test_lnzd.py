"""The quadtree of leading non-zero detectors."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eie.chip.stepped.lnzd import leading_nonzero


@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_the_tree_finds_the_first(candidates: list[bool]) -> None:
    """Whatever the number of leaves, four or not."""
    found, position = leading_nonzero(np.array(candidates))
    assert found == any(candidates)
    if found:
        assert position == candidates.index(True)
