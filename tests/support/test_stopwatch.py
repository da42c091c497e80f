import pytest

from eie.support.stopwatch import Timing


@pytest.mark.parametrize(
    ("wall_s", "cpu_s", "busy"),
    [
        ([1e-5] * 8, [1e-5] * 8, False),
        ([1e-5] * 8, [8e-6] * 8, True),  # a fifth of the time on no core
        ([1e-5] * 5 + [2e-5] * 3, [1e-5] * 5 + [2e-5] * 3, True),  # quartiles 10 and 20 us
    ],
)
def test_a_busy_machine_is_noticed(wall_s: list[float], cpu_s: list[float], busy: bool) -> None:
    """Where the thread waits for a core, or times scatter, the note says so."""
    timing = Timing.of(wall_s, cpu_s)
    assert timing.median_us == pytest.approx(10)
    assert timing.busy == busy
    assert ("machine busy" in timing.spread) == busy
