import pytest

from eie.paper.this_cpu import Timing, describe, measure
from eie.workloads.layers import generate


def test_both_products_are_timed() -> None:
    """Medians in microseconds, both positive, over at least five rounds."""
    times = measure(generate("NT-LSTM"))
    for timing in (times.dense, times.sparse):
        assert 1 < timing.quartiles_us[0] <= timing.median_us <= timing.quartiles_us[1]
    assert times.rounds >= 5


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


def test_the_machine_is_described_with_the_libraries_measured() -> None:
    """Processor, thread and library versions are in one line."""
    assert "one thread; dense by " in describe()
    assert "NumPy" in describe()
    assert "\n" not in describe()
