"""One study for all tests of this room: generating, encoding and timing nine layers takes seconds."""

import pytest

from eie.paper.study import Study


@pytest.fixture(scope="session")
def study() -> Study:
    """The nine generated layers, shared: a study works everything out once."""
    return Study()
