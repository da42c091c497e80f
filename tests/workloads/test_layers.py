import numpy as np
import pytest

from eie.errors import InputError
from eie.workloads.layers import benchmarks, generate


def test_there_are_the_nine_layers_of_table_3() -> None:
    """Names, order and shapes are the paper's."""
    assert list(benchmarks()) == ["Alex-6", "Alex-7", "Alex-8", "VGG-6", "VGG-7", "VGG-8", "NT-We", "NT-Wd", "NT-LSTM"]
    assert (benchmarks()["VGG-6"].inputs, benchmarks()["VGG-6"].outputs) == (25088, 4096)


def test_a_generated_layer_has_the_published_shape_and_densities() -> None:
    """Weights and activations have the densities of Table III, within statistical variation; codes are 0 to 15."""
    layer = generate("Alex-8")
    assert layer.codes.shape == (1000, 4096)
    assert layer.codes.max() == 15
    assert np.count_nonzero(layer.codes) / layer.codes.size == pytest.approx(0.25, abs=7e-4)  # 3 sigma
    assert np.count_nonzero(layer.activations) / 4096 == pytest.approx(0.375, abs=0.023)  # 3 sigma
    assert (layer.activations >= 0).all()


@pytest.mark.parametrize("name", ["Alex-8", "VGG-7", "NT-We"])
def test_an_exact_layer_has_the_published_number_of_activations(name: str) -> None:
    """The nearest whole number; weights and the values of activations that both have are the drawn layer's."""
    drawn, exact = generate(name), generate(name, exact=True)
    density = benchmarks()[name].activation_density
    assert np.count_nonzero(exact.activations) == round(density * exact.activations.size)
    assert np.array_equal(drawn.codes, exact.codes)
    both = (drawn.activations > 0) & (exact.activations > 0)
    assert np.array_equal(drawn.activations[both], exact.activations[both])
    assert both.sum() == min(np.count_nonzero(one.activations) for one in (drawn, exact))


def test_the_same_seed_gives_the_same_layer_and_another_seed_another() -> None:
    """Generation is a function of name, seed and skew alone."""
    first, again, other = (generate("NT-LSTM", seed) for seed in (1, 1, 2))
    assert np.array_equal(first.codes, again.codes)
    assert not np.array_equal(first.codes, other.codes)


def test_skew_makes_rows_uneven_and_keeps_the_mean_density() -> None:
    """A skewed layer keeps about as many weights, but its rows differ as a log-normal of that sigma does."""
    even, skewed = (np.count_nonzero(generate("NT-LSTM", skew=skew).codes, axis=1) for skew in (0.0, 0.6))
    assert skewed.mean() == pytest.approx(even.mean(), rel=0.01)
    assert skewed.std() / skewed.mean() == pytest.approx(np.sqrt(np.exp(0.6**2) - 1), rel=0.05)


def test_an_unknown_layer_is_named_with_those_there_are() -> None:
    """The error lists the nine layers."""
    with pytest.raises(InputError) as error:
        generate("Alex-9")
    assert str(error.value) == (
        "no benchmark layer is named 'Alex-9'; the nine are Alex-6, Alex-7, Alex-8, VGG-6, VGG-7, VGG-8, "
        "NT-We, NT-Wd, NT-LSTM"
    )


def test_a_negative_skew_is_refused() -> None:
    """Skew is a standard deviation."""
    with pytest.raises(InputError) as error:
        generate("Alex-8", skew=-1)
    assert str(error.value) == "the skew of Alex-8 must be 0 or more, not -1"
