import pytest

from eie.paper.platforms import energy_uj, power_w, time_us


def test_times_are_table_4s_and_powers_deep_compressions() -> None:
    """The CPU on Alex-6, dense: 7516.2 us at 83.5 W."""
    assert time_us("CPU dense", "Alex-6") == 7516.2
    assert power_w("CPU dense", "Alex-6") == 83.5
    assert energy_uj("CPU dense", "Alex-6") == pytest.approx(7516.2 * 83.5)


def test_a_power_that_nothing_reports_is_none() -> None:
    """No power is known for the GPU on NeuralTalk; the CPU's is worked out from Figure 7."""
    assert energy_uj("GPU dense", "NT-We") is None
    assert power_w("CPU dense", "NT-We") == 75.25
