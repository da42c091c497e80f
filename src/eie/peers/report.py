"""Tables of the measurements: per layer and contender, geometric means of the ratios, and networks of layers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eie.encoding.csc import encode
from eie.engine import InferenceSession
from eie.model.network import Layer, Network
from eie.peers.measure import Measurement, Settings
from eie.support.extras import needed_for
from eie.workloads.layers import benchmarks, generate

if TYPE_CHECKING:
    import altair as alt

__all__ = ["STACKS", "StackMeasurement", "chart", "geometric_means", "limits", "measure_stack"]

# The fully connected layers at the end of the two networks, by the names of Table III.
STACKS = {"AlexNet": ("Alex-6", "Alex-7", "Alex-8"), "VGG-16": ("VGG-6", "VGG-7", "VGG-8")}


@dataclass(frozen=True)
class StackMeasurement:
    """A network's fully connected layers in one call, warm: median and quartiles in microseconds, and its load time."""

    name: str
    threads: int
    warm_us: float
    quartiles_us: tuple[float, float]
    bytes_read: int
    load_ms: float


def chart(measurements: Sequence[Measurement]) -> alt.Chart:
    """Return the rotated times, one point per layer and contender, on a logarithmic axis."""
    with needed_for("a chart"):
        import altair as alt

    values = [{"layer": m.layer, "contender": m.contender, "us": m.rotated_us} for m in measurements]
    drawn: alt.Chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_point(filled=True, size=60)
        .encode(
            x=alt.X("us:Q", scale=alt.Scale(type="log"), title="microseconds per product, weights from memory"),
            y=alt.Y("layer:N", sort=None, title=None),
            color=alt.Color("contender:N", sort=None, title=None),
            tooltip=["layer:N", "contender:N", alt.Tooltip("us:Q", title="us", format=",.4~g")],
        )
        .properties(width=560, height=300)
    )
    return drawn


def geometric_means(measurements: Sequence[Measurement]) -> dict[str, tuple[float, float]]:
    """Return per peer the geometric mean over layers of its time over ours: (warm, rotated).

    Layers on which it is wrong do not count; a peer that is wrong on all of them is left out.
    """
    ours = {m.layer: m for m in measurements if m.contender == measurements[0].contender}
    peers = dict.fromkeys(m.contender for m in measurements if m.contender != measurements[0].contender)
    means = {}
    for peer in peers:
        theirs = [m for m in measurements if m.contender == peer and not m.wrong]
        if not theirs:
            continue
        warm = np.log([m.warm_us / ours[m.layer].warm_us for m in theirs])
        rotated = np.log([m.rotated_us / ours[m.layer].rotated_us for m in theirs])
        means[peer] = (float(np.exp(warm.mean())), float(np.exp(rotated.mean())))
    return means


def limits(measurements: Sequence[Measurement], bandwidth_gb_per_s: float) -> dict[str, float]:
    """Return per layer the time in microseconds to read our weights from memory at that bandwidth: a lower bound."""
    first = measurements[0].contender
    return {m.layer: m.bytes_read / bandwidth_gb_per_s / 1e3 for m in measurements if m.contender == first}


def measure_stack(name: str, settings: Settings) -> StackMeasurement:
    """Measure the generated fully connected layers of `name` as one network with ReLU between them, batch 1, warm.

    A bias before each ReLU leaves as many of its outputs active as Table III says of the next layer's inputs.
    """
    layers = []
    names = STACKS[name]
    values = activations = generate(names[0], exact=True).activations
    for layer_name, following in zip(names, (*names[1:], None), strict=True):
        data = generate(layer_name, exact=True)
        bias = None
        if following:
            sums = data.codebook[data.codes] @ values
            least = np.quantile(sums, 1 - benchmarks()[following].activation_density).astype(np.float32)
            bias = np.full(len(sums), -least)
            values = np.maximum(sums - least, 0)
        matrix = encode(data.codes, data.codebook)
        matrix.validate()
        layers.append(Layer(layer_name, matrix, bias=bias, relu=bias is not None))
    network = Network(tuple(layers), name)
    if settings.numerics == "chip":
        from eie.model.reference import calibrate

        network = calibrate(network, activations)
    started = time.perf_counter()
    session = InferenceSession(network, numerics=settings.numerics, threads=settings.threads, kernel=settings.kernel)
    load_ms = (time.perf_counter() - started) * 1e3
    out = session.run(activations)
    times: list[float] = []
    end = time.perf_counter() + settings.seconds
    while time.perf_counter() < end or len(times) < 10:
        start = time.perf_counter()
        session.run(activations, out=out)
        times.append((time.perf_counter() - start) * 1e6)
    low, median, high = np.percentile(times, [25, 50, 75])
    return StackMeasurement(
        name,
        settings.threads,
        float(median),
        (float(low), float(high)),
        sum(plan.bytes for plan in session.plan),
        load_ms,
    )
