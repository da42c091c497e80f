"""`eie bench`: the engine beside the other libraries on this CPU: a file, the paper's layers, or a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from eie.cli.output import JsonOption, log, print_json, print_table, result
from eie.cli.sweep import grid_of, run_sweep
from eie.errors import InputError
from eie.model.reference import input_batch
from eie.paper.study import real_layer
from eie.peers.libraries import PEERS, Peer, available, set_threads
from eie.peers.measure import Settings, bandwidth_gb_per_s, measure_layer
from eie.peers.networks import advice, measure_network
from eie.peers.report import STACKS, chart, geometric_means, limits, measure_stack
from eie.storage import load
from eie.support.chart_files import CHART_ENDINGS, write_chart
from eie.support.extras import require
from eie.support.numpy_files import read_npy
from eie.support.output_files import require_output
from eie.support.processor import processor
from eie.workloads.layers import benchmarks, generate

__all__ = ["command"]


def command(
    model: Annotated[
        Path | None, typer.Argument(help="A model file, to measure as a whole; by default the paper's layers.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Inputs at a time, for MODEL.")] = 1,
    inputs: Annotated[
        Path | None, typer.Option("--inputs", help="Inputs for MODEL, .npy; by default generated, half of them zero.")
    ] = None,
    layers: Annotated[str, typer.Option(help="Layers of Table III, comma-separated; by default all nine.")] = "",
    threads: Annotated[int, typer.Option(min=1, help="Threads of every contender.")] = 1,
    peers: Annotated[
        str, typer.Option(help="Peers to measure against, as parts of their names, comma-separated; '' for none.")
    ] = "all",
    rotate: Annotated[bool, typer.Option("--rotate", help="Show the times with weights from memory, too.")] = False,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.01, help="Seconds to measure per layer, warm and rotated: 2; per place of a sweep: 0.2."),
    ] = None,
    skew: Annotated[float, typer.Option(min=0, help="Sigma of the rows' log-normal densities.")] = 0.0,
    numerics: Annotated[
        str | None,
        typer.Option(help="Our numerics: int16 (the default), int8, chip or float32; of a sweep, int16,int8,float32."),
    ] = None,
    kernel: Annotated[str | None, typer.Option(help="Force one kernel for ours.")] = None,
    stacks: Annotated[
        bool, typer.Option("--stacks", help="Measure AlexNet's and VGG-16's layers as networks.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the authors' simulator streams: adds the real Alex-8.")
    ] = None,
    chart_file: Annotated[
        Path | None, typer.Option("--chart", help="Draw the rotated times: .html, .png, .svg or .pdf.")
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Sweep one layer over density, activity and batch: where is who faster?")
    ] = False,
    shape: Annotated[str | None, typer.Option(help="The sweep's layer, OUTPUTSxINPUTS: 2048x2048.")] = None,
    densities: Annotated[str | None, typer.Option(help="Weights kept, in %: 1,5,10,25,50,100.")] = None,
    activities: Annotated[str | None, typer.Option(help="Inputs that are not zero, in %: 0,5,20,50,100.")] = None,
    batches: Annotated[str | None, typer.Option(help="Inputs a call: 1,4,16,64.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the sweep's page, its charts (SVG) and every number (CSV, JSON).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Time MODEL, M x V on the paper's layers, or a sweep: this engine, and every installed library that supports it.

    Of MODEL, the peers run the same network with its weights expanded, and a last line says who is fastest here.
    A sweep says at what density, activity and batch something else is faster than ours; it takes some minutes.
    Contenders take turns, so that what else the machine does meets all; medians and quartiles are given.
    The peers come with: pip install 'eie\\[bench]'

    Example: eie bench --layers Alex-7,NT-LSTM --rotate
    """
    axes = {"shape": shape, "densities": densities, "activities": activities, "batches": batches, "out": out}
    _require_sweep_alone(
        sweep,
        axes,
        {
            "MODEL": model,
            "--batch": batch != 1,
            "--inputs": inputs,
            "--layers": layers,
            "--rotate": rotate,
            "--skew": skew,
            "--stacks": stacks,
            "--data": data,
            "--chart": chart_file,
        },
    )
    if sweep:
        grid = grid_of(shape, densities, activities, batches, numerics)
        run_sweep(grid, _wanted(peers), threads, 0.2 if seconds is None else seconds, kernel, out, as_json)
        return
    seconds, numerics = 2.0 if seconds is None else seconds, numerics or "int16"
    if model is not None:
        set_threads(threads)
        _bench_model(model, inputs, batch, threads, seconds, kernel, as_json)
        return
    if batch != 1 or inputs is not None:
        raise InputError("--batch and --inputs are for a MODEL, expected one: the paper's layers have a batch of 1")
    if chart_file is not None:
        require("a chart", "altair", "vl_convert")
    require_output(chart_file, "a chart", CHART_ENDINGS)
    chosen = _layers(layers)
    wanted, missing = _wanted(peers), available()[1]
    settings = Settings(threads=threads, seconds=seconds, numerics=numerics, kernel=kernel)
    set_threads(threads)
    bandwidth = bandwidth_gb_per_s()
    measurements, failed = [], []
    real = [real_layer(data)] if data is not None else []
    for name in [*chosen, *(layer.name for layer in real)]:
        log.print(f"measuring {name}", style="dim")
        layer = generate(name, skew=skew, exact=True) if name in chosen else real[0]
        measured, failures = measure_layer(layer, wanted, settings)
        measurements += measured
        failed += failures
    networks = [measure_stack(name, settings) for name in STACKS] if stacks else []
    means = geometric_means(measurements)
    bounds = limits(measurements, bandwidth)
    if chart_file is not None:
        write_chart(chart(measurements), chart_file, "chart")
        log.print(f"chart: {chart_file}", style="dim")
    if as_json:
        print_json(
            {
                "provenance": "measured",
                "processor": processor(),
                "settings": asdict(settings) | {"skew": skew},
                "bandwidth_gb_per_s": bandwidth,
                "measurements": [asdict(m) for m in measurements],
                "memory_bound_us": bounds,
                "geometric_means": {
                    name: {"warm": warm, "rotated": rotated} for name, (warm, rotated) in means.items()
                },
                "stacks": [asdict(network) for network in networks],
                "missing": missing,
                "failed": failed,
            }
        )
        return
    ours = {m.layer: m for m in measurements if m.contender == measurements[0].contender}
    rows: list[list[object]] = []
    for m in measurements:
        best = ours[m.layer]
        row: list[object] = [m.layer, m.contender, m.warm_us, _range(m.warm_quartiles_us), m.warm_us / best.warm_us]
        if rotate:
            row += [m.rotated_us, _range(m.rotated_quartiles_us), m.rotated_us / best.rotated_us]
        rows.append([*row, m.bytes_read, f"{m.error:.1e}, wrong" if m.wrong else m.error])
    columns = ["layer", "contender", "warm, us", "quartiles", "/ ours"]
    columns += ["rotated, us", "quartiles", "/ ours"] if rotate else []
    print_table(f"Measured on {processor()}, {threads} thread(s), batch 1", [*columns, "bytes read", "error"], rows)
    if means:
        print_table(
            "Geometric mean of a peer's time over ours",
            ["peer", "warm", "rotated"],
            [[name, *pair] for name, pair in means.items()],
        )
    if networks:
        print_table(
            "Fully connected layers as one network, warm",
            ["network", "us", "quartiles", "bytes read", "load, ms"],
            [[n.name, n.warm_us, _range(n.quartiles_us), n.bytes_read, n.load_ms] for n in networks],
        )
    result.print(f"Memory gives one thread {bandwidth:.1f} GB/s; ours cannot be faster, rotated, than (us):")
    result.print(", ".join(f"{name} {bound:.1f}" for name, bound in bounds.items()))
    for line in (*(f"missing: {name}" for name in missing), *(f"failed: {text}" for text in failed)):
        log.print(line, style="yellow")


def _bench_model(
    model: Path, given: Path | None, batch: int, threads: int, seconds: float, kernel: str | None, as_json: bool
) -> None:
    network = load(model)
    if given is None:
        values = np.maximum(np.random.default_rng(0).normal(size=(batch, network.inputs)), 0).astype(np.float32)
    else:
        array = read_npy(given, "input file")
        flat = array.reshape(1, -1) if array.ndim == 1 else array.reshape(len(array), -1)
        values = np.resize(input_batch(flat, network.inputs).astype(np.float32), (batch, network.inputs))
    measurements, missing = measure_network(network, values, threads=threads, seconds=seconds, kernel=kernel)
    lines = advice(network, batch, measurements)
    if as_json:
        print_json(
            {
                "model": model,
                "provenance": "measured",
                "processor": processor(),
                "threads": threads,
                "batch": batch,
                "inputs": str(given or "generated"),
                "measurements": [asdict(one) for one in measurements],
                "verdict": lines,
                "missing": missing,
            }
        )
        return
    fastest = min(one.us for one in measurements)
    print_table(
        f"{network.name}, {batch} input(s) a call, {threads} thread(s), measured here in turns",
        ["contender", "us a call", "quartiles", "/ fastest", "error"],
        [[one.contender, one.us, _range(one.quartiles_us), one.us / fastest, one.error] for one in measurements],
    )
    result.print(f"On {processor()}; errors are of the largest output, against ours in float32.")
    for line in lines:
        result.print(line)
    for line in missing:
        log.print(f"missing: {line}", style="yellow")


def _wanted(peers: str) -> list[Peer]:
    there, _ = available()
    wanted = [peer for peer in there if peers == "all" or any(part in peer.name for part in peers.split(",") if part)]
    if peers not in ("all", "") and not wanted:
        raise InputError(f"no peer's name has {peers!r} in it; there are {', '.join(peer.name for peer in PEERS)}")
    return wanted


def _require_sweep_alone(sweep: bool, axes: Mapping[str, object], others: Mapping[str, object]) -> None:
    """Raise InputError for options of a sweep without one, and for others with one."""
    if sweep:
        for name, given in others.items():
            if given:
                raise InputError(f"{name} has no place in a sweep, which measures one layer of made-up weights")
        return
    for name, given in axes.items():
        if given is not None:
            raise InputError(f"--{name} is an option of a sweep, expected --sweep beside it")


def _layers(names: str) -> list[str]:
    known = list(benchmarks())
    chosen = [name.strip() for name in names.split(",") if name.strip()] or known
    for name in chosen:
        if name not in known:
            raise InputError(f"no benchmark layer is named {name!r}; the nine are {', '.join(known)}")
    return chosen


def _range(quartiles: tuple[float, float]) -> str:
    return f"{quartiles[0]:.1f}-{quartiles[1]:.1f}"
