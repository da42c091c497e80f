"""Figure 10: how precise the arithmetic must be."""

from __future__ import annotations

import numpy as np

from eie.chip import Hardware
from eie.engine import InferenceSession
from eie.literature import reported
from eie.model.reference import calibrate
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale
from eie.paper.study import Study
from eie.support.tables import Column, Provenance

__all__ = ["reproduce"]

FLOAT, INTEGER = "32-bit float", "32-bit integer"
BITS = (16, 12, 10, 8, 6, 4)


def reproduce(study: Study) -> Reproduction:
    """Accuracy of a compressed network of digits, trained here, run as the chip computes with values of fewer bits."""
    # scikit-learn is slow to import, and only this figure needs it
    from eie.demo import compress_digits
    from eie.workloads.digits import digits

    paper = reported("figure10")
    data = digits()
    study.log("training and compressing a network of digits")
    network = compress_digits(study.log, Hardware()).network

    def accuracy(session: InferenceSession) -> float:
        return float(np.mean(session.run(data.x_test).argmax(axis=1) == data.y_test)) * 100

    ours = {FLOAT: accuracy(InferenceSession(network))}
    for bits in BITS:
        calibrated = calibrate(network, data.x_train, value_bits=bits)
        ours[f"{bits}-bit fixed"] = accuracy(InferenceSession(calibrated, numerics="chip"))
    precisions = (FLOAT, INTEGER, *(name for name in ours if name != FLOAT))
    kinds: tuple[tuple[str, str, dict[str, float], dict[str, float]], ...] = (
        ("accuracy", "%", ours, paper["accuracy_percent"]),
        ("multiplication", "pJ", {}, paper["multiply_pj"]),
    )
    comparisons = tuple(
        Comparison(
            {"precision": name, "quantity": quantity}, here.get(name), theirs.get(name), Provenance.MEASURED, unit
        )
        for name in precisions
        for quantity, unit, here, theirs in kinds
        if name in here or name in theirs
    )
    lost = {bits: ours[FLOAT] - ours[f"{bits}-bit fixed"] for bits in BITS}
    theirs_lost = {
        bits: paper["accuracy_percent"][FLOAT] - paper["accuracy_percent"][f"{bits}-bit fixed"] for bits in (16, 8)
    }
    return Reproduction(
        name="figure10",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("precision", "precision"), Column("quantity", "quantity")),
        comparisons=comparisons,
        scale=Scale.POINTS,
        verdict=(
            f"16-bit fixed point costs {lost[16]:.1f} points of accuracy here and {theirs_lost[16]:.1f} in the paper; "
            f"8 bits cost {lost[8]:.1f} here and {theirs_lost[8]:.1f} there, 4 bits {lost[4]:.1f} here. The "
            f"digits are a far "
            "easier task than ImageNet, and the formats are chosen per layer from calibration inputs, which the paper "
            "does not describe; the accuracies are of different networks and not counted as agreement."
        ),
        plot=Plot(category="precision", panel="quantity", value_title=""),
        conditions=(
            "Ours: 64-300-100-10 on scikit-learn's handwritten digits, pruned, 16-entry codebooks, run bit "
            "for bit as the "
            f"chip computes, 24-bit accumulators. The paper's: {paper['network']}. Multiplications: the "
            f"paper's energies."
        ),
    )
