"""One layer over density, activity and batch: ours beside the best peer of the same accuracy, and where it is slower.

Float32 and int16 stand beside float32 libraries, int8 beside those that are right to 8 bits. At every density and batch
all peers are timed; those near the best of their accuracy are timed again at every activity, in turns with ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import numpy.typing as npt

from eie.encoding.csc import encode
from eie.engine import InferenceSession
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.peers.libraries import PEERS, Peer
from eie.peers.measure import Contender, quartiles, reason_of, rounds
from eie.support.stopwatch import Timing, median_us
from eie.workloads.layers import Benchmark, draw, exact_share

__all__ = ["FASTER", "LEVEL", "SLOWER", "Cell", "Grid", "Point", "Sweep", "advice", "measure_sweep"]

Floats = npt.NDArray[np.float32]
Exact = npt.NDArray[np.float64]

# The largest error, relative to the largest output, of a peer that ours in these numerics is held against.
_FLOAT32, _INT8 = 1e-5, 0.02
ACCURACY = {"int16": _FLOAT32, "int8": _INT8, "float32": _FLOAT32}

# A peer that took more than so many times the best of its accuracy is not timed again: in one call, in a short round.
FAR, NEAR = 4.0, 1.5
MOST_NEAR = 3
SEED = 2016

MOST_NUMBERS = 2**28  # weights, or inputs or outputs of a batch: 1 GB in float32

FASTER, LEVEL, SLOWER, ALONE = "faster", "level", "slower", "no peer"


@dataclass(frozen=True)
class Grid:
    """What to sweep: the layer's shape, shares of weights kept and of inputs active (0 to 1), batches, our numerics.

    Raises InputError for a share outside 0 to 1, a batch or size below 1 or beyond memory, no weights kept, and
    numerics without peers.
    """

    outputs: int = 2048
    inputs: int = 2048
    densities: tuple[float, ...] = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
    activities: tuple[float, ...] = (0.0, 0.05, 0.2, 0.5, 1.0)
    batches: tuple[int, ...] = (1, 4, 16, 64)
    numerics: tuple[str, ...] = tuple(ACCURACY)

    def __post_init__(self) -> None:
        """Check every axis."""
        for name in ("outputs", "inputs"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} of the layer must be 1 or more, not {getattr(self, name)}")
        for share in self.densities:
            if not 0 < share <= 1:
                raise InputError(f"a density must be above 0 and at most 100 %, not {share:.4g} (as a share)")
        for share in self.activities:
            if not 0 <= share <= 1:
                raise InputError(f"an activity must be from 0 to 100 %, not {share:.4g} (as a share)")
        for batch in self.batches:
            if batch < 1:
                raise InputError(f"a batch must be 1 or more, not {batch}")
        batch = max(self.batches, default=1)
        most = max(self.outputs * self.inputs, max(self.outputs, self.inputs) * batch)
        if most > MOST_NUMBERS:
            raise InputError(
                f"a layer of {self.outputs} x {self.inputs} with batches of {batch} has {most:,} weights or "
                f"activations, expected at most {MOST_NUMBERS:,}"
            )
        for one in self.numerics:
            if one not in ACCURACY:
                raise InputError(f"a sweep has the numerics {', '.join(ACCURACY)}, which peers have too, not {one!r}")
        for axis in ("densities", "activities", "batches", "numerics"):
            values = getattr(self, axis)
            if not values or len(set(values)) != len(values):
                raise InputError(f"{axis} must be one or more different values, not {list(values)}")

    @property
    def cells(self) -> int:
        """How many products of a batch are measured."""
        return len(self.densities) * len(self.activities) * len(self.batches)


@dataclass(frozen=True)
class Point:
    """One contender's call at one density, activity (0 to 1) and batch: median and quartiles in microseconds.

    `ours` is our numerics, or "" for a peer. `error` is relative to the largest output; `wrong` where it is more than
    the peer's number format explains. `busy` where other work on the machine was in the way.
    """

    density: float
    activity: float
    batch: int
    contender: str
    ours: str
    us: float
    quartiles_us: tuple[float, float]
    busy: bool
    error: float
    wrong: bool


@dataclass(frozen=True)
class Cell:
    """Ours in one numerics beside the best peer of its accuracy: `ratio` is its time over ours, in turns.

    `verdict` is FASTER or SLOWER where both quartiles of the ratio say so, else LEVEL; without a peer, no verdict.
    """

    density: float
    activity: float
    batch: int
    numerics: str
    us: float
    quartiles_us: tuple[float, float]
    peer: str
    peer_us: float | None
    peer_quartiles_us: tuple[float, float] | None
    ratio: float | None
    ratio_quartiles: tuple[float, float] | None
    verdict: str
    busy: bool


@dataclass(frozen=True)
class Sweep:
    """All that was measured: a Point per contender, a Cell per numerics, and which peers failed, with the reason."""

    grid: Grid
    threads: int
    points: list[Point] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def measure_sweep(
    grid: Grid,
    peers: Sequence[Peer] = PEERS,
    *,
    threads: int = 1,
    seconds: float = 0.2,
    kernel: str | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, cells: None,
) -> Sweep:
    """Measure every cell of `grid` for `seconds` or a few turns; `progress` is told what is next and the cells done."""
    sweep = Sweep(grid, threads)
    done = 0
    for density in grid.densities:
        layer = draw(Benchmark("layer", grid.inputs, grid.outputs, density, 1.0, "made up", SEED))
        weights = layer.codebook[layer.codes]
        exact = weights.astype(np.float64).T
        network = Network((Layer("layer", encode(layer.codes, layer.codebook)),))
        sessions = {
            one: InferenceSession(network, numerics=one, threads=threads, kernel=kernel) for one in grid.numerics
        }
        for batch in grid.batches:
            progress(f"{density:.3g} of the weights kept, batch {batch}", done, grid.cells)
            near = _near(weights, exact, _inputs(grid.inputs, batch, 1.0), peers, sweep)
            for activity in grid.activities:
                _measure(sweep, density, activity, batch, weights, exact, sessions, near, seconds)
                done += 1
    progress("done", done, grid.cells)
    return sweep


def _inputs(inputs: int, batch: int, activity: float) -> Floats:
    """Return activations (batch, inputs), of which this share of each vector is not zero: uniform up to 8."""
    rng = np.random.default_rng(SEED)
    active = exact_share(rng.random((batch, inputs)), activity)
    values = rng.integers(1, 2048, (batch, inputs)) / 256
    return np.where(active, values, 0).astype(np.float32)


def _contender(peer: Peer, weights: Floats, x: Floats, threads: int) -> Contender:
    call = peer.make(weights, x, threads)
    call()
    return Contender(peer.name, (call,), 0, peer.tolerance)


def _ours(name: str, session: InferenceSession, given: Floats) -> Contender:
    out = session.run(given)
    return Contender(name, (lambda: session.run(given, out=out),), 0)


def _error(contender: Contender, expected: Exact) -> float:
    largest = float(np.abs(expected).max()) or 1.0
    return float(np.abs(contender.calls[0]() - expected).max()) / largest


def _near(weights: Floats, exact: Exact, x: Floats, peers: Sequence[Peer], sweep: Sweep) -> list[Peer]:
    """Return the peers that are right and near the best of an accuracy: by one call, then by a short round in turns."""
    expected = x.astype(np.float64) @ exact
    there: dict[str, Peer] = {}
    made: dict[str, Contender] = {}
    accuracies = {ACCURACY[one] for one in sweep.grid.numerics}
    for peer in peers:
        if peer.tolerance > max(accuracies):
            continue
        try:
            contender = _contender(peer, weights, x, sweep.threads)
        except Exception as error:  # a peer that fails, with any error, is a result to report
            reason = f"{peer.name}, batch {len(x)}: {reason_of(error)}"
            sweep.failed.extend([reason] * (reason not in sweep.failed))
            continue
        if _error(contender, expected) <= peer.tolerance:
            there[peer.name], made[peer.name] = peer, contender

    def best(times: Mapping[str, float], within: float, most: int) -> list[str]:
        chosen: set[str] = set()
        for accuracy in accuracies:
            order = sorted((name for name in times if there[name].tolerance <= accuracy), key=times.__getitem__)
            chosen |= {name for name in order[:most] if times[name] <= within * times[order[0]]}
        return [name for name in times if name in chosen]

    once = {name: median_us(one.calls[0], 1) for name, one in made.items()}
    found = rounds([made[name] for name in best(once, FAR, len(once))], 0.0, fewest=1)
    least = {name: min(second for second, _ in turns) for name, turns in found.items()}
    return [there[name] for name in best(least, NEAR, MOST_NEAR)]


def _measure(
    sweep: Sweep,
    density: float,
    activity: float,
    batch: int,
    weights: Floats,
    exact: Exact,
    sessions: dict[str, InferenceSession],
    near: Sequence[Peer],
    seconds: float,
) -> None:
    """Measure ours and the near peers in one cell, and add points and cells to `sweep`."""
    x = _inputs(sweep.grid.inputs, batch, activity)
    expected = x.astype(np.float64) @ exact
    given = x[0] if batch == 1 else x
    ours = {f"eie {one}": one for one in sessions}
    contenders = [_ours(name, sessions[one], given) for name, one in ours.items()]
    contenders += [_contender(peer, weights, x, sweep.threads) for peer in near]
    errors = {one.name: _error(one, expected) for one in contenders}
    found = rounds(contenders, seconds, fewest=3)
    points: dict[str, Point] = {}
    for one in contenders:
        clock, on_core = zip(*found[one.name], strict=True)
        timing = Timing.of(clock, on_core)
        points[one.name] = Point(
            density,
            activity,
            batch,
            one.name,
            ours.get(one.name, ""),
            timing.median_us,
            timing.quartiles_us,
            timing.busy,
            errors[one.name],
            wrong=not errors[one.name] <= one.tolerance,  # a NaN is wrong, too
        )
    sweep.points.extend(points.values())
    for name, numerics in ours.items():
        right = [peer.name for peer in near if peer.tolerance <= ACCURACY[numerics] and not points[peer.name].wrong]
        sweep.cells.append(_cell(points[name], [points[peer] for peer in right], found))


def _cell(ours: Point, peers: Sequence[Point], found: dict[str, list[tuple[float, float]]]) -> Cell:
    place = (ours.density, ours.activity, ours.batch, ours.ours, ours.us, ours.quartiles_us)
    if not peers:
        return Cell(*place, "", None, None, None, None, ALONE, ours.busy)
    best = min(peers, key=lambda one: one.us)
    pairs = zip(found[ours.contender], found[best.contender], strict=True)
    ratios = [theirs / mine for (mine, _), (theirs, _) in pairs]
    low, high = quartiles(ratios)
    verdict = FASTER if low > 1 else SLOWER if high < 1 else LEVEL
    return Cell(
        *place,
        best.contender,
        best.us,
        best.quartiles_us,
        float(np.median(ratios)),
        (low, high),
        verdict,
        ours.busy or best.busy,
    )


def advice(sweep: Sweep, numerics: str) -> list[str]:
    """Return sentences: whether a peer of the accuracy of `numerics` is faster somewhere, where, and what to use."""
    cells = [cell for cell in sweep.cells if cell.numerics == numerics and cell.verdict != ALONE]
    slower = [cell for cell in cells if cell.verdict == SLOWER]
    if not cells:
        return [f"{numerics}: no peer of its accuracy could be measured, so there is nothing to compare with"]
    level = sum(cell.verdict == LEVEL for cell in cells)
    tail = f"; in {level} the two are level" if level else ""
    if not slower:
        return [f"{numerics}: no peer of its accuracy is faster in any of {len(cells)} places{tail}"]
    return [
        f"{numerics}: SLOWER than a peer of its accuracy in {len(slower)} of {len(cells)} places{tail}:",
        *_places(slower, sweep.grid),
    ]


def _places(slower: Sequence[Cell], grid: Grid) -> Iterator[str]:
    """Yield a line for each density, and for batches of it that are slower at the same activities."""

    def at(density: float, batch: int) -> tuple[float, ...]:
        return tuple(cell.activity for cell in slower if (cell.density, cell.batch) == (density, batch))

    for density in grid.densities:
        for activities, batches in groupby(grid.batches, lambda batch: at(density, batch)):  # noqa: B023
            if not activities:
                continue
            among = list(batches)
            cells = [cell for cell in slower if cell.density == density and cell.batch in among]
            worst = min(cells, key=lambda cell: cell.ratio or 1.0)
            names = " or ".join(dict.fromkeys(cell.peer for cell in cells))
            where = "any activity" if activities == grid.activities else f"{_shares(activities)} active"
            batch = f"batch {among[0]}" + (f" to {among[-1]}" if len(among) > 1 else "")
            yield (
                f"{_shares([density])} kept, {batch}, {where}: use {names}, up to {1 / (worst.ratio or 1.0):.2f} times "
                "as fast"
            )


def _shares(shares: Sequence[float]) -> str:
    return ", ".join(f"{100 * share:.4g}" for share in shares) + " %"
