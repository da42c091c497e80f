from data_sets import DataSet
from eie.paper import Study, reproduce


def test_generated_layers_are_as_dense_as_published(study: Study) -> None:
    """Nine layers, three shares each: what is put in is met, the operations follow from it."""
    result = reproduce("table3", study)
    assert len(result.comparisons) == 27
    for one in result.comparisons:
        assert abs(one.difference or 0) < (1 if one.labels["quantity"] == "operations" else 0.03)
    assert result.agreement is None  # they were put in
    assert "farthest from them are" in result.verdict


def test_the_real_layer_stands_beside_the_generated_ones(data_set: DataSet) -> None:
    """The published image has 42.9 % of its inputs active, or 1759 of 4096, and the bias column's 1 beside them."""
    study = Study(data_set("eie-simulator-alex8"))
    assert study.names[-1] == "Alex-8 (real)"
    assert study.layer("Alex-8 (real)").codes.shape == (1000, 4097)
    assert study.simulation("Alex-8 (real)").counts.broadcasts == 1760
