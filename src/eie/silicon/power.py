"""Power of one processing element from a gate-level run of real data: toggles times a cell library's energies.

Per unit, and apart for clock, registers and combinational cells, as the paper's Table II has it. Left out: the SRAM
macros; and wires and the buffers of a clock tree, unless the netlist is one that was placed and routed.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eie.cost.own_chip import CLOCK, Cells
from eie.cost.technology import Action
from eie.errors import ToolError
from eie.model.network import Network
from eie.program.hardware import Hardware
from eie.program.lowering import lower_run
from eie.silicon.gates import Netlist, run_gates, synthesise_pe
from eie.silicon.liberty import CellLibrary, read_library
from eie.silicon.mapping import longest_path
from eie.silicon.memory_cells import MEMORIES, memory_library, memory_sizes
from eie.silicon.parameters import Parameters
from eie.silicon.stimulus import COMPARED, INPUTS, OUTPUTS, Stimulus, record_stimulus
from eie.silicon.yosys import read_liberty_text, require_yosys

__all__ = ["UNITS", "PePower", "UnitPower", "pe_power"]

# The PE's units by the name of their instance in rtl/pe.sv.
UNITS = {
    "queue": "act_queue",
    "pointers": "ptr_read",
    "weights": "spmat_read",
    "arithmetic": "arithm_unit",
    "activations": "act_rw",
    "": "between them",
}


@dataclass(frozen=True)
class UnitPower:
    """One unit: how many cells, and area and power of each kind of them, mW with the leakage that is part of it."""

    unit: str
    cells: int
    clock: Cells
    register: Cells
    combinational: Cells

    @property
    def kinds(self) -> dict[str, Cells]:
        """The kinds by the names that a technology file has for them."""
        return {CLOCK: self.clock, "register": self.register, "combinational": self.combinational}

    @property
    def total_mw(self) -> float:
        """All of the unit's power."""
        return sum(cells.power_mw or 0.0 for cells in self.kinds.values())

    @property
    def leakage_mw(self) -> float:
        """What of it flows in a clock that stands."""
        return sum(cells.leakage_mw for cells in self.kinds.values())

    @property
    def area_um2(self) -> float:
        """Area of all cells."""
        return sum(cells.area_um2 for cells in self.kinds.values())


@dataclass(frozen=True)
class PePower:
    """A PE's units, over how many cycles they were measured, and whether its enables are clock gates.

    `happened` counts the actions of a technology file in these cycles.

    `sums_compared` tells whether the run was to the layer's end, so that its results were compared, too. `delay_ns` is
    the longest path of the netlist measured, None without OpenSTA; `voltage` the library's.
    """

    units: tuple[UnitPower, ...]
    cycles: int
    happened: dict[Action, int]
    gated: bool
    sums_compared: bool
    delay_ns: float | None
    voltage: float


def pe_power(
    network: Network,
    inputs: npt.ArrayLike,
    hardware: Hardware,
    liberty: Path,
    *,
    pe: int = 0,
    cycles: int = 2000,
    gated: bool = True,
    memories: str = MEMORIES,
    route: Callable[[Path], tuple[Netlist, float | None]] | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> PePower:
    """Return the power of PE `pe` while the chip runs the network's first layer on one input vector.

    The PE is synthesised for the cell library `liberty`, its gates are run on what the stepped chip shows at its ports
    for at most `cycles` cycles, and every output of every cycle is compared. A transition's energy is looked up at
    `eie.silicon.liberty.SLEW_NS` and the net's load, the mean of rise, fall and arcs; a flip-flop's outputs count once.
    `route` is given the folder with the mapped PE, and returns the netlist to run instead, with its longest path in ns.
    Raises ToolError where the gates and the stepped chip differ or a tool fails, InputError as the steps do, and
    MissingExtra for missing tools.
    """
    require_yosys()
    text = read_liberty_text(liberty)
    library = read_library(text, liberty)
    run = lower_run(network, inputs, hardware)
    parameters = Parameters.of(run.program)
    stimulus = record_stimulus(run, parameters, pe, cycles)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cells.lib").write_text(text)
        (folder / "memories.lib").write_text(memory_library(memory_sizes(parameters.verilog()), memories))
        log("synthesising the PE")
        netlist = synthesise_pe(folder, parameters, gated=gated)
        if route is None:
            delay_ns = longest_path(folder, "pe")
        else:
            netlist, delay_ns = route(folder)
        log(f"building and running its {len(netlist.instances):,} cells")
        outputs, toggles = run_gates(folder, netlist, library, (stimulus.filling, stimulus.running, stimulus.reading))
    ran = len(stimulus.running)
    _compare(outputs[:ran, : len(COMPARED)], stimulus.expected)
    if stimulus.sums is not None:
        _compare_sums(outputs[ran:, OUTPUTS.index("host_word")], stimulus.sums, parameters)
    units = _units(netlist, library, toggles, ran / hardware.clock_mhz * 1000)
    return PePower(units, ran, _happened(stimulus), gated, stimulus.sums is not None, delay_ns, library.voltage)


def _happened(stimulus: Stimulus) -> dict[Action, int]:
    """Return how often each action of a technology file happened while the gates ran."""
    shown = dict(zip(COMPARED, stimulus.expected.T, strict=True))
    return {
        "cycle": len(stimulus.running),
        "queue_entry": int(stimulus.running[:, INPUTS.index("broadcast")].sum()),
        "ptr_read": int(shown["take"].sum()),
        "spmat_read": int(shown["row_read"].sum()),
        "entry": int(shown["weight_valid"].sum()),
    }


def _compare(found: npt.NDArray[np.uint64], expected: npt.NDArray[np.uint64]) -> None:
    different = np.argwhere(found != expected)
    if len(different):
        cycle, port = different[0]
        raise ToolError(
            f"the gates differ from the stepped chip: in cycle {cycle} {COMPARED[port]} is {found[cycle, port]}, "
            f"expected {expected[cycle, port]}"
        )


def _compare_sums(found: npt.NDArray[np.uint64], expected: npt.NDArray[np.int64], parameters: Parameters) -> None:
    half = 1 << (parameters.accumulator_bits - 1)
    sums = ((found.astype(np.int64) + half) & (2 * half - 1)) - half
    limit = 1 << (parameters.value_bits - 1)
    sums = np.clip(sums, -limit, limit - 1)
    if not np.array_equal(sums, expected):
        row = int(np.flatnonzero(sums != expected)[0])
        raise ToolError(f"the gates differ from the stepped chip: row {row} is {sums[row]}, expected {expected[row]}")


def _units(
    netlist: Netlist, library: CellLibrary, toggles: npt.NDArray[np.int64], duration_ns: float
) -> tuple[UnitPower, ...]:
    load: dict[int, float] = defaultdict(float, netlist.wires_ff)  # fF on each net
    clocks: set[int] = set()  # nets that drive a clock pin or a buffer of the clock tree
    for instance in netlist.instances:
        for name, net in instance.pins.items():
            pin = library.cells[instance.cell].pins[name]
            if not pin.output and net >= 0:
                load[net] += pin.capacitance
                if pin.clock or instance.clock_tree:
                    clocks.add(net)
    place = {net: row for row, net in enumerate(sorted(netlist.nets))}
    energy: dict[tuple[str, str], float] = defaultdict(float)  # fJ by unit and part
    leakage: dict[tuple[str, str], float] = defaultdict(float)  # nW
    area: dict[tuple[str, str], float] = defaultdict(float)  # um2
    cells: dict[str, int] = defaultdict(int)
    for instance in netlist.instances:
        cell = library.cells[instance.cell]
        kind = (
            "clock" if cell.gates_clock or instance.clock_tree else "register" if cell.sequential else "combinational"
        )
        cells[instance.unit] += 1
        leakage[instance.unit, kind] += cell.leakage
        area[instance.unit, kind] += cell.area
        outputs = []
        for name, net in instance.pins.items():
            pin = cell.pins[name]
            changes = int(toggles[place[net]]) if net >= 0 else 0
            if pin.output:
                switching = 0.5 * load[net] * library.voltage**2 * changes
                energy[instance.unit, "clock" if net in clocks else kind] += switching
                outputs.append((0.0 if pin.energy is None else pin.energy.at(load[net])) * changes)
            elif pin.energy is not None:
                energy[instance.unit, "clock" if pin.clock else kind] += pin.energy.at(0.0) * changes
        if outputs:  # of a flip-flop's two outputs each has the whole transition's energy
            energy[instance.unit, kind] += max(outputs) if cell.sequential else sum(outputs)
    # The PE's own clock comes from outside: its pins are charged to the units that they are in.
    driven = {
        net
        for instance in netlist.instances
        for name, net in instance.pins.items()
        if library.cells[instance.cell].pins[name].output
    }
    for instance in netlist.instances:
        for name, net in instance.pins.items():
            pin = library.cells[instance.cell].pins[name]
            if net in clocks and (pin.clock or instance.clock_tree) and net not in driven:
                energy[instance.unit, "clock"] += 0.5 * pin.capacitance * library.voltage**2 * int(toggles[place[net]])
    for net, capacitance in netlist.wires_ff.items():
        if net not in driven:
            energy["", "clock" if net in clocks else "combinational"] += (
                0.5 * capacitance * library.voltage**2 * int(toggles[place[net]])
            )

    def part(unit: str, kind: str) -> Cells:
        leaked = leakage[unit, kind] * 1e-6
        return Cells(area[unit, kind], energy[unit, kind] / duration_ns * 1e-3 + leaked, leaked)  # fJ/ns is uW

    return tuple(
        UnitPower(name, cells[unit], part(unit, "clock"), part(unit, "register"), part(unit, "combinational"))
        for unit, name in UNITS.items()
    )
