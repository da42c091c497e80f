"""What all tests share: how property tests draw their examples, other people's data, and the expected skips."""

from __future__ import annotations

import os

from hypothesis import settings

pytest_plugins = ["data_sets", "skips"]

# `make test` draws the same examples every time and asserts no speed; `make fuzz` draws others, and more of them.
settings.register_profile("test", derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))
