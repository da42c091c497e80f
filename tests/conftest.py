"""What all tests share: how property tests draw their examples, other people's data, and the expected skips."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# What a shell starts in the background ignores Ctrl-C; tests of it, and the commands that they start, do not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests run in several processes: threads of PyTorch and OpenMP beside them would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["data_sets", "skips"]

# `make test` draws the same examples every time, `make fuzz` others and more; neither asks how fast the machine is.
# A fixture may serve all examples of a test: those that write do so under a folder of the test's own.
QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
settings.register_profile("test", derandomize=True, **QUIET)
settings.register_profile("fuzz", max_examples=2000, print_blob=True, **QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))
