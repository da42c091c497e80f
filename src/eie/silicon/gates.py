"""One processing element as gates: synthesised, its units kept apart; run in Verilator, its nets' toggles counted."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eie.errors import InputError, ToolError
from eie.silicon.liberty import CellLibrary
from eie.silicon.mapping import map_unit
from eie.silicon.memory_cells import memory_models, memory_sizes
from eie.silicon.parameters import Parameters
from eie.silicon.stimulus import INPUTS, OUTPUTS
from eie.silicon.verilated import verilator_root

__all__ = ["Instance", "Netlist", "run_gates", "synthesise_pe"]


@dataclass(frozen=True)
class Instance:
    """One cell: its unit ("" for the PE's own), its kind, and the net at each pin; -1 is a constant.

    `clock_tree` is a buffer that was built to carry the clock.
    """

    unit: str
    cell: str
    pins: dict[str, int] = field(repr=False)
    clock_tree: bool = False


@dataclass(frozen=True)
class Netlist:
    """The PE's cells, and each net's place in a trace: (scope, name, bit).

    `wires_ff` is the capacitance of each net's wires, where they are known; `verilog` the file that holds the netlist.
    """

    instances: tuple[Instance, ...] = field(repr=False)
    nets: dict[int, tuple[str, str, int]] = field(repr=False)
    wires_ff: dict[int, float] = field(default_factory=dict, repr=False)
    verilog: str = "mapped.v"


def synthesise_pe(folder: Path, parameters: Parameters, *, gated: bool) -> Netlist:
    """Map the PE to the library cells.lib in `folder`, as `map_unit` does, and return its cells."""
    sizes = memory_sizes(parameters.verilog())
    (folder / "memories.v").write_text(memory_models(sizes))
    map_unit(folder, "pe", parameters.verilog() | {"LATCHES": 1}, sizes, gated=gated)
    return _netlist(json.loads((folder / "mapped.json").read_text())["modules"])


def _netlist(modules: dict[str, Any]) -> Netlist:
    instances: list[Instance] = []
    nets: dict[int, tuple[str, str, int]] = {}
    count = 0

    def walk(module: dict[str, Any], unit: str, outer: dict[int, int]) -> None:
        """Number the module's nets, those at its ports as outside, and take its cells."""
        nonlocal count
        numbers = dict(outer)
        for name, net in module["netnames"].items():
            for place, bit in enumerate(net["bits"]):
                if isinstance(bit, str):
                    continue
                if bit not in numbers:
                    numbers[bit] = count
                    count += 1
                nets.setdefault(numbers[bit], (unit, name, place if len(net["bits"]) > 1 else -1))
        for name, cell in module["cells"].items():
            inside = modules.get(cell["type"])
            pins = {
                pin: [numbers[bit] if not isinstance(bit, str) else -1 for bit in bits]
                for pin, bits in cell["connections"].items()
            }
            if inside is not None and "blackbox" not in inside["attributes"]:
                ports = {
                    bit: pins[port][place]
                    for port, facts in inside["ports"].items()
                    for place, bit in enumerate(facts["bits"])
                    if not isinstance(bit, str)
                }
                walk(inside, name, ports)
            elif not cell["type"].startswith("sram_"):
                instances.append(Instance(unit, cell["type"], {pin: ends[0] for pin, ends in pins.items()}))

    walk(modules["pe"], "", {})
    return Netlist(tuple(instances), nets)


def run_gates(
    folder: Path,
    netlist: Netlist,
    library: CellLibrary,
    phases: tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.uint64]],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Run `netlist`, whose Verilog is in `folder` beside what `synthesise_pe` left there.

    The phases are to fill, run and read, each (cycles, INPUTS).
    Returns the outputs of the last two phases, (cycles, OUTPUTS), and each net's toggles while it ran, (nets,).
    """
    used = {instance.cell for instance in netlist.instances}
    cells = [text for text in _modules((folder / "cells.v").read_text()) if _name(text) in used]
    gates = [_clock_gate(name) for name in sorted(used) if library.cells[name].gates_clock]
    missing = used - {_name(text) for text in (*cells, *gates)}
    if missing:
        raise InputError(f"the cell library has no logic function for {', '.join(sorted(missing))}")
    kept = [text for text in cells if not library.cells[_name(text)].gates_clock]
    # Only the nets between cells are looked at; without this the program is five times as large.
    (folder / "used.v").write_text("\n".join(["/* verilator tracing_off */", *kept, *gates]))
    (folder / "harness.cpp").write_text(_harness())
    (folder / "phases").write_bytes(b"".join(np.ascontiguousarray(phase).tobytes() for phase in phases))
    root = verilator_root()
    command = [
        *(str(root / "bin" / "verilator"), "--cc", "--exe", "--build", "-j", "2", "-O3", "--trace-saif"),
        *("--trace-underscore", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--top-module", "pe", "--Mdir", "obj"),
        # Compiling takes far longer than running: hence -O0.
        *("-o", "../gates", "-MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"),
        *("used.v", netlist.verilog, "memories.v", "sram.sv", "harness.cpp"),
    ]
    built = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"VERILATOR_ROOT": str(root)},
    )
    if built.returncode != 0:
        reason = next((line for line in built.stderr.splitlines() if "rror" in line), built.stderr.strip()[-300:])
        raise ToolError(f"verilator could not build the gates: {reason}")
    lengths = [str(len(phase)) for phase in phases]
    ran = subprocess.run([folder / "gates", *lengths], cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise ToolError(f"the gates stopped: {(ran.stderr or ran.stdout).strip()[-300:]}")
    outputs = np.fromfile(folder / "outputs", np.uint64).reshape(-1, len(OUTPUTS))
    counted = dict(_toggles((folder / "toggles.saif").read_text()))
    toggles = np.array([counted.get(net, 0) for _, net in sorted(netlist.nets.items())], np.int64)
    return outputs, toggles


def _modules(verilog: str) -> Iterator[str]:
    for found in re.finditer(r"^module .*?^endmodule", verilog, re.M | re.S):
        yield found.group()


def _name(module: str) -> str:
    found = re.match(r"module\s+(\w+)", module)
    return found.group(1) if found else ""


def _clock_gate(name: str) -> str:
    """Return an integrated clock gate: a latch, open while the clock is low, and an AND."""
    return (
        f"module {name}(input CK, input E, input SE, output GCK);\n  reg enabled;\n"
        "  always @* if (!CK) enabled = E | SE;\n  assign GCK = CK & enabled;\nendmodule"
    )


def _harness() -> str:
    sets = "\n".join(f"  top.{name} = words[{place}];" for place, name in enumerate(INPUTS))
    gets = ", ".join(f"(uint64_t)top.{name}" for name in OUTPUTS)
    return f"""// Drives the PE's ports from `phases`: fill, run with toggles counted, read; writes its outputs.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>
#include "Vpe.h"
#include "verilated.h"
#include "verilated_saif_c.h"

static void set(Vpe& top, const uint64_t* words) {{
{sets}
}}

int main(int, char** arguments) {{
  VerilatedContext context;
  context.traceEverOn(true);
  Vpe top{{&context}};
  VerilatedSaifC saif;
  top.trace(&saif, 99);
  std::FILE* in = std::fopen("phases", "rb");
  std::FILE* out = std::fopen("outputs", "wb");
  std::vector<uint64_t> words({len(INPUTS)});
  for (int phase = 0; phase < 3; ++phase) {{
    if (phase == 1) saif.open("toggles.saif");
    for (long cycle = 0, cycles = std::atol(arguments[1 + phase]); cycle < cycles; ++cycle) {{
      if (std::fread(words.data(), 8, words.size(), in) != words.size()) return 1;
      set(top, words.data());
      top.clk = 0;
      top.eval();
      if (phase == 1) saif.dump(static_cast<uint64_t>(2 * cycle));
      const uint64_t values[] = {{{gets}}};
      if (phase > 0) std::fwrite(values, 8, {len(OUTPUTS)}, out);
      top.clk = 1;
      top.eval();
      if (phase == 1) saif.dump(static_cast<uint64_t>(2 * cycle + 1));
    }}
    if (phase == 1) saif.close();
  }}
  std::fclose(in);
  std::fclose(out);
  return 0;
}}
"""


def _toggles(saif: str) -> Iterator[tuple[tuple[str, str, int], int]]:
    """Give each net of a SAIF file, (unit, name, bit), with its toggles."""
    scopes: list[str] = []
    depth: list[int] = []
    level = 0
    for line in saif.splitlines():
        text = line.strip()
        if text.startswith("(INSTANCE"):
            scopes.append(text.split()[-1].strip('"'))
            depth.append(level)
        found = re.match(r"\((\S+) \(T0 \d+\) \(T1 \d+\).*?\(TC (\d+)\)", text)
        if found and scopes:
            name, _, bit = found.group(1).replace("\\", "").partition("[")
            unit = scopes[-1] if len(scopes) > 2 else ""
            yield (unit, name, int(bit.rstrip("]")) if bit else -1), int(found.group(2))
        level += text.count("(") - text.count(")")
        while depth and level <= depth[-1]:
            depth.pop()
            scopes.pop()
