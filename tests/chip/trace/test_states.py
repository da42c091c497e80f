"""What traces draw: equal to the stepped simulator in every cycle and PE."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eie
from eie.chip.simulation import LayerSimulation
from eie.chip.stepped import Chip
from eie.chip.stepped.unit import Wires
from eie.chip.trace import State, Window, activity, write_chrome, write_fst, write_timeline, write_vcd
from eie.errors import InputError
from eie.model.numerics import Formats
from eie.program.arithmetic import chip_layer
from eie.program.lowering import lower, lower_layer
from strategies import Case, examples, layers

FORMATS = Formats(0, 12)


def simulated(case: Case, hardware: eie.Hardware) -> tuple[LayerSimulation, ...]:
    layer = eie.Layer("fc", case.matrix, formats=FORMATS)
    outputs, overflows = chip_layer(layer, case.activations)
    simulation = eie.simulate(case.matrix, case.activations, hardware)
    return (LayerSimulation(lower_layer(layer, hardware), case.activations, simulation, outputs, overflows),)


@examples(30)
@given(
    case=layers(max_side=40, max_pe=9),
    queue_depth=st.integers(2, 5),
    entries=st.integers(1, 40),
    stages=st.integers(0, 2),
)
def test_states_are_the_stepped_simulators(case: Case, queue_depth: int, entries: int, stages: int) -> None:
    """Busy, padding, empty columns where its pointer stage has them; queues as full; starved and drained add up."""
    hardware = eie.Hardware(
        n_pe=case.matrix.n_pe,
        queue_depth=queue_depth,
        register_entries=entries,
        batched=True,
        broadcast_stages=stages,
    )
    ran = simulated(case, hardware)
    found = activity(ran, hardware)
    stage, issued, queue, weight = [], [], [], []

    def observe(cycle: int, wires: Wires) -> None:
        stage.append(wires["stage_valid"].copy())
        issued.append(wires["entry_valid"].copy())
        queue.append(wires["queue_count"].copy())
        weight.append(wires["weight_valid"] & (wires["weight_code"] != 0))  # a cycle after the entry is issued

    Chip(hardware).run(lower(eie.Network((ran[0].layer,)), hardware), case.activations, observe)
    occupied, entry = np.array(stage).T, np.array(issued).T
    assert found.states.shape == occupied.shape
    assert np.array_equal(np.isin(found.states, (State.BUSY, State.PADDING)), entry)
    assert np.array_equal(found.states == State.EMPTY_COLUMN, occupied & ~entry)
    assert np.array_equal((found.states == State.BUSY)[:, :-1], np.array(weight).T[:, 1:])
    assert np.array_equal(found.queue, np.array(queue).T)
    simulation = ran[0].simulation
    assert np.array_equal((found.states == State.DRAINED).sum(axis=1), simulation.done_early_cycles)
    assert np.array_equal((found.states == State.STARVED).sum(axis=1), simulation.starved_cycles)


@pytest.fixture
def run() -> tuple[tuple[LayerSimulation, ...], eie.Hardware, eie.Network, np.ndarray]:
    rng = np.random.default_rng(6)
    codes = np.where(rng.random((30, 20)) < 0.4, rng.integers(1, 16, (30, 20)), 0)
    book = np.concatenate(([0], rng.normal(size=15)))
    inputs = rng.normal(size=20)
    hardware = eie.Hardware(n_pe=4)
    first = eie.Layer("a", eie.encode(codes, book, 4), relu=True)
    network = eie.calibrate(eie.Network((first, eie.Layer("b", eie.encode(codes.T, book, 4)))), inputs)
    return eie.simulate_network(network, inputs, hardware), hardware, network, inputs


def test_chrome_trace_holds_every_cycle(tmp_path: Path, run: tuple) -> None:  # type: ignore[type-arg]
    """One track per PE whose events follow each other without a gap; both layers; every broadcast."""
    ran, hardware, *_ = run
    write_chrome(activity(ran, hardware), tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    total = sum(layer.simulation.cycles for layer in ran)
    for pe in range(4):
        spans = [e["args"] for e in events if e["ph"] == "X" and e["tid"] == pe + 1]
        assert spans[0]["cycle"] == 0
        assert all(a["cycle"] + a["cycles"] == b["cycle"] for a, b in pairwise(spans))
        assert sum(span["cycles"] for span in spans) == total
    assert sum(e["ph"] == "X" and e["tid"] == 0 for e in events) == sum(o.simulation.counts.broadcasts for o in ran)
    assert [e["name"] for e in events if e["ph"] == "i"] == ["layer a", "layer b"]


def test_window_is_a_part_of_the_whole(run: tuple) -> None:  # type: ignore[type-arg]
    """Cycles and PEs named are those of the whole trace."""
    ran, hardware, *_ = run
    whole, part = activity(ran, hardware), activity(ran, hardware, Window(5, 40, 1, 3))
    assert np.array_equal(part.states, whole.states[1:3, 5:40])
    assert np.array_equal(part.queue, whole.queue[1:3, 5:40])


def test_waveform_reads_back(tmp_path: Path, run: tuple) -> None:  # type: ignore[type-arg]
    """A second reader finds the broadcasts at their cycles."""
    tokenize = pytest.importorskip("vcd.reader", reason="pyvcd is not installed: it is in the extra trace").tokenize
    ran, hardware, network, inputs = run
    cycles = write_vcd(network, inputs, hardware, tmp_path / "trace.vcd", Window())
    assert cycles == sum(layer.simulation.cycles for layer in ran)
    code, level, now, high = None, "0", 0, 0
    with (tmp_path / "trace.vcd").open("rb") as file:
        for token in tokenize(file):
            if token.kind.name == "VAR" and token.var.reference == "broadcast":
                code = token.var.id_code
            elif token.kind.name == "CHANGE_TIME":
                high += (token.time_change - now) * (level == "1")
                now = token.time_change
            elif token.kind.name == "CHANGE_SCALAR" and token.scalar_change.id_code == code:
                level = token.scalar_change.value
    assert high == sum(layer.simulation.counts.broadcasts for layer in ran)


def vcd_changes(path: Path) -> dict[str, list[tuple[int, int]]]:
    """Return every variable's changes as (time, value), by its full name."""
    reader = pytest.importorskip("vcd.reader", reason="pyvcd is not installed: it is in the extra trace")
    names: dict[str, str] = {}
    changes: dict[str, list[tuple[int, int]]] = {}
    scope: list[str] = []
    now = 0
    with path.open("rb") as file:
        for token in reader.tokenize(file):
            match token.kind.name:
                case "SCOPE":
                    scope.append(token.scope.ident)
                case "UPSCOPE":
                    scope.pop()
                case "VAR":
                    names[token.var.id_code] = ".".join([*scope, token.var.reference])
                    changes[names[token.var.id_code]] = []
                case "CHANGE_TIME":
                    now = token.time_change
                case "CHANGE_SCALAR":
                    changes[names[token.scalar_change.id_code]].append((now, int(token.scalar_change.value)))
                case "CHANGE_VECTOR":
                    changes[names[token.vector_change.id_code]].append((now, token.vector_change.value))
    return changes


def fst_changes(path: Path) -> tuple[dict[str, list[tuple[int, int]]], int]:
    """Return the same of an FST file, and its last time."""
    pylibfst = pytest.importorskip("pylibfst", reason="pylibfst is not installed: it is in the extra trace")
    reader = pylibfst.lib.fstReaderOpen(str(path).encode())
    _, signals = pylibfst.get_scopes_signals2(reader)
    names = {signal.handle: signal.name for signal in signals.by_handle.values()}
    changes: dict[str, list[tuple[int, int]]] = {name: [] for name in names.values()}

    def change(_data: object, time: int, handle: int, value: object) -> None:
        changes[names[handle]].append((time, int(pylibfst.string(value), 2)))

    pylibfst.lib.fstReaderSetFacProcessMaskAll(reader)
    pylibfst.fstReaderIterBlocks(reader, change)
    end = pylibfst.lib.fstReaderGetEndTime(reader)
    pylibfst.lib.fstReaderClose(reader)
    return changes, end


@pytest.mark.parametrize("window", [Window(), Window(20, 60, 1, 3), Window(first_cycle=10**6)])
def test_both_waveforms_say_the_same(tmp_path: Path, run: tuple, window: Window) -> None:  # type: ignore[type-arg]
    """Every change of every signal, also of a part of the run and of none of it."""
    pytest.importorskip("vcd", reason="pyvcd is not installed: it is in the extra trace")
    pytest.importorskip("pylibfst", reason="pylibfst is not installed: it is in the extra trace")
    _, hardware, network, inputs = run
    cycles = write_vcd(network, inputs, hardware, tmp_path / "trace.vcd", window)
    assert write_fst(network, inputs, hardware, tmp_path / "trace.fst", window) == cycles
    found, end = fst_changes(tmp_path / "trace.fst")
    expected = vcd_changes(tmp_path / "trace.vcd")
    assert found == expected
    assert end == cycles
    assert any(len(changes) > 1 for changes in expected.values()) == (window.first_cycle < cycles)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trace.fst", "trace.vcd"]


@pytest.mark.parametrize("kind", ["html", "png", "svg"])
def test_timeline_is_a_picture(tmp_path: Path, run: tuple, kind: str) -> None:  # type: ignore[type-arg]
    """Each format begins as it should."""
    ran, hardware, *_ = run
    write_timeline(activity(ran, hardware), tmp_path / f"timeline.{kind}")
    begin = {"html": b"<!DOCTYPE html>", "png": b"\x89PNG", "svg": b"<svg"}[kind]
    assert (tmp_path / f"timeline.{kind}").read_bytes().lstrip().startswith(begin)


def test_refusals(tmp_path: Path, run: tuple) -> None:  # type: ignore[type-arg]
    """A window outside the run, a picture of no known kind."""
    ran, hardware, *_ = run
    total = sum(layer.simulation.cycles for layer in ran)
    with pytest.raises(InputError) as error:
        activity(ran, hardware, Window(first_cycle=10_000))
    assert str(error.value) == f"the cycles 10000: select none of 0:{total}"
    with pytest.raises(InputError) as error:
        activity(ran, hardware, Window(first_pe=2, end_pe=2))
    assert str(error.value) == "the PEs 2:2 select none of 0:4"
    with pytest.raises(InputError) as error:
        write_timeline(activity(ran, hardware), tmp_path / "timeline.bmp")
    assert str(error.value) == "the name of a timeline must end in .html, .png, .svg or .pdf, not timeline.bmp"
