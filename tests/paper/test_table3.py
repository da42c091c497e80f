from data_sets import DataSet
from eie.paper import Study, reproduce


def test_generated_layers_are_as_dense_as_published(study: Study) -> None:
    """Nine layers, three shares each, all within 1.5 points of Table III."""
    result = reproduce("table3", study)
    assert len(result.comparisons) == 27
    assert all(abs(one.difference or 0) < 1.5 for one in result.comparisons)
    assert result.agreement is None  # they were put in
    assert "VGG-7's activations, 38.9 against 37.5 %, 1.8 standard deviations of such a draw" in result.verdict


def test_the_real_layer_stands_beside_the_generated_ones(data_set: DataSet) -> None:
    """The published image has 42.9 % of its inputs active, or 1759 of 4096, and the bias column's 1 beside them."""
    study = Study(data_set("eie-simulator-alex8"))
    assert study.names[-1] == "Alex-8 (real)"
    assert study.layer("Alex-8 (real)").codes.shape == (1000, 4097)
    assert study.simulation("Alex-8 (real)").counts.broadcasts == 1760
