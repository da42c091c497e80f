"""A sweep: products that are right, peers chosen by what they took, verdicts and sentences that follow from times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import eie.peers.sweep as sweep_module
from eie.errors import InputError
from eie.peers.libraries import PEERS, Call, Peer
from eie.peers.measure import Contender
from eie.peers.sweep import FASTER, LEVEL, SLOWER, Cell, Grid, Sweep, advice, measure_sweep

SCIPY = next(peer for peer in PEERS if peer.name == "SciPy sparse CSR")
SMALL = Grid(48, 64, (0.1, 1.0), (0.0, 0.5, 1.0), (1, 3))


def peer(name: str, tolerance: float, *, factor: float = 1.0) -> Peer:
    """Return a peer whose product is `factor` times the right one."""

    def make(weights: np.ndarray, x: np.ndarray, threads: int) -> Call:
        product = (factor * (x @ weights.T)).astype(np.float32)

        def call() -> np.ndarray:
            return product

        call.contender = name  # type: ignore[attr-defined]
        return call

    return Peer(name, "none", 4, False, make, tolerance)


def test_every_place_is_measured_and_right() -> None:
    """A point per contender, a cell per numerics; errors are what the numerics allow, times within their quartiles."""
    told: list[tuple[int, int]] = []
    sweep = measure_sweep(SMALL, [SCIPY], seconds=0.001, progress=lambda what, done, cells: told.append((done, cells)))
    places = [(d, a, b) for d in SMALL.densities for b in SMALL.batches for a in SMALL.activities]
    assert sweep.failed == []
    assert [(p.density, p.activity, p.batch) for p in sweep.points[::4]] == places
    assert [p.contender for p in sweep.points[:4]] == ["eie int16", "eie int8", "eie float32", "SciPy sparse CSR"]
    assert len(sweep.cells) == 3 * len(places) == 3 * SMALL.cells
    assert told == [(0, 12), (3, 12), (6, 12), (9, 12), (12, 12)]
    limits = {"int16": 1e-4, "int8": 1.5e-2, "float32": 1e-6, "": 1e-6}
    for point in sweep.points:
        assert point.error < limits[point.ours]
        assert not point.wrong
        assert 0 < point.quartiles_us[0] <= point.us <= point.quartiles_us[1]
    for cell in sweep.cells:
        assert cell.peer == "SciPy sparse CSR"
        assert cell.ratio is not None
        assert cell.ratio_quartiles is not None
        low, high = cell.ratio_quartiles
        assert low <= cell.ratio <= high
        assert cell.verdict == (FASTER if low > 1 else SLOWER if high < 1 else LEVEL)


def test_peers_stand_beside_ours_of_their_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer of 8 bits counts for int8 only, one of float32 for all; one far slower, wrong or failing for none."""
    took = {"eight bits": 2.0, "exact": 4.0, "near": 5.0, "far": 7.0, "never": 100.0}
    asked: list[set[str]] = []

    def rounds(contenders: Sequence[Contender], seconds: float, fewest: int) -> dict[str, list[tuple[float, float]]]:
        asked.append({one.name for one in contenders})
        return {one.name: [(took.get(one.name, 3.0), took.get(one.name, 3.0))] * 4 for one in contenders}

    monkeypatch.setattr(sweep_module, "rounds", rounds)
    monkeypatch.setattr(sweep_module, "median_us", lambda call, calls: took[call.contender])

    def refuse(weights: np.ndarray, x: np.ndarray, threads: int) -> Call:
        raise RuntimeError("out of luck\nand more")

    peers = [
        peer("eight bits", 0.02),
        peer("four bits", 0.15),
        *(peer(name, 1e-5) for name in ("exact", "near", "far", "never")),
        peer("wrong", 1e-5, factor=1.1),
        Peer("refuses", "none", 4, False, refuse),
    ]
    sweep = measure_sweep(replace(SMALL, densities=(0.1,), batches=(3,), activities=(1.0,)), peers)
    ours = {"eie int16", "eie int8", "eie float32"}
    assert asked == [{"eight bits", "exact", "near", "far"}, ours | {"eight bits", "exact", "near"}]
    assert {cell.numerics: (cell.peer, cell.ratio, cell.verdict) for cell in sweep.cells} == {
        "int16": ("exact", 4 / 3, FASTER),
        "int8": ("eight bits", 2 / 3, SLOWER),
        "float32": ("exact", 4 / 3, FASTER),
    }
    assert sweep.failed == ["refuses, batch 3: out of luck"]


def test_without_a_peer_there_is_no_verdict() -> None:
    """Ours is measured alone, and the sentence says that there is nothing to compare with."""
    grid = replace(SMALL, densities=(0.1,), batches=(1,), activities=(1.0,), numerics=("int8",))
    sweep = measure_sweep(grid, [], seconds=0.001)
    assert [(cell.verdict, cell.ratio) for cell in sweep.cells] == [("no peer", None)]
    assert advice(sweep, "int8") == [
        "int8: no peer of its accuracy could be measured, so there is nothing to compare with"
    ]


def cell(density: float, activity: float, batch: int, verdict: str, ratio: float, peer: str = "MKL dense") -> Cell:
    return Cell(
        density, activity, batch, "int16", 10, (9, 11), peer, 10 * ratio, (1, 1), ratio, (ratio, ratio), verdict, False
    )


def test_sentences_name_where_to_use_something_else() -> None:
    """Batches that are slower at the same activities are one line, with the peers, and the largest ratio."""
    grid = Grid(densities=(0.1, 0.5), activities=(0.2, 1.0), batches=(1, 4, 16), numerics=("int16",))
    cells = {
        (d, a, b): cell(d, a, b, FASTER, 2.0) for d in grid.densities for a in grid.activities for b in grid.batches
    }
    assert advice(Sweep(grid, 1, cells=list(cells.values())), "int16") == [
        "int16: no peer of its accuracy is faster in any of 12 places"
    ]
    cells[0.1, 1.0, 1] = cell(0.1, 1.0, 1, LEVEL, 1.0)
    assert advice(Sweep(grid, 1, cells=list(cells.values())), "int16") == [
        "int16: no peer of its accuracy is faster in any of 12 places; in 1 the two are level"
    ]
    for activity, batch, ratio, peer in (
        (0.2, 4, 0.8, "A"),
        (1.0, 4, 0.5, "A"),
        (0.2, 16, 0.4, "B"),
        (1.0, 16, 0.5, "B"),
    ):
        cells[0.5, activity, batch] = cell(0.5, activity, batch, SLOWER, ratio, peer)
    cells[0.1, 1.0, 16] = cell(0.1, 1.0, 16, SLOWER, 0.9)
    assert advice(Sweep(grid, 1, cells=list(cells.values())), "int16") == [
        "int16: SLOWER than a peer of its accuracy in 5 of 12 places; in 1 the two are level:",
        "10 % kept, batch 16, 100 % active: use MKL dense, up to 1.11 times as fast",
        "50 % kept, batch 4 to 16, any activity: use A or B, up to 2.50 times as fast",
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"outputs": 0}, "outputs of the layer must be 1 or more, not 0"),
        ({"densities": (0.0,)}, "a density must be above 0 and at most 100 %"),
        ({"activities": (1.5,)}, "an activity must be from 0 to 100 %"),
        ({"densities": (math.nan,)}, "a density must be above 0"),
        ({"batches": (0,)}, "a batch must be 1 or more, not 0"),
        ({"numerics": ("chip",)}, "a sweep has the numerics int16, int8, float32"),
        ({"outputs": 10**6, "inputs": 10**6}, "a layer of 1000000 x 1000000 with batches of 64 has 1,000,000,000,000"),
        ({"batches": (10**6,)}, "a layer of 2048 x 2048 with batches of 1000000 has 2,048,000,000"),
        ({"batches": ()}, "batches must be one or more different values"),
        ({"batches": (4, 4)}, "batches must be one or more different values"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(wrong: dict[str, object], message: str) -> None:
    """Every axis is checked before anything is measured."""
    with pytest.raises(InputError, match=f"^{message}"):
        Grid(**wrong)  # type: ignore[arg-type]
