from eie.paper.this_cpu import describe, measure
from eie.workloads.layers import generate


def test_both_products_are_timed() -> None:
    """Medians in microseconds, both positive, over at least five rounds."""
    times = measure(generate("NT-LSTM"))
    for timing in (times.dense, times.sparse):
        assert 1 < timing.quartiles_us[0] <= timing.median_us <= timing.quartiles_us[1]
    assert times.rounds >= 5


def test_the_machine_is_described_with_the_libraries_measured() -> None:
    """Processor, thread and library versions are in one line."""
    assert "one thread; dense by " in describe()
    assert "NumPy" in describe()
    assert "\n" not in describe()
