"""The chip as a folder that needs nothing else: sources in order, parameters, and memory images of a model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from eie.model.network import Network
from eie.program.hardware import Hardware
from eie.program.lowering import Program, lower
from eie.silicon.parameters import Parameters
from eie.silicon.sources import c_header, copy_sources, source_files
from eie.silicon.vivado import write_vivado
from eie.support.output_files import atomic_folder

__all__ = ["export"]


def export(network: Network, hardware: Hardware, folder: Path) -> Parameters:
    """Write the RTL sized for `network` into `folder`, which must not exist yet; return its parameters.

    `files.f` lists the sources in order; `eie_parameters.sv` has the parameters as a package, `eie_registers.h` the
    registers of `eie_axi` for C; `vivado.tcl` and `eie.xdc` are for AMD's Vivado; `memory/` has, per layer
    and pass, images for $readmemh: pointers and weights per PE, codebook and bias. It appears whole or not at all.
    """
    with atomic_folder(folder) as target:
        program = lower(network, replace(hardware, batched=True))
        parameters = Parameters.of(program)
        (target / "memory").mkdir()
        _write_sources(target, parameters)
        write_vivado(target, parameters)
        _write_images(target / "memory", program, parameters)
    return parameters


def _write_sources(target: Path, parameters: Parameters) -> None:
    copy_sources(target)
    shutil.copyfile(c_header(), target / c_header().name)
    names = ("eie_parameters.sv", *(path.name for path in source_files()))
    (target / "files.f").write_text("".join(f"{name}\n" for name in names))
    lines = [f"  localparam int {name} = {value};" for name, value in parameters.verilog().items()]
    (target / "eie_parameters.sv").write_text(
        "// Parameters of the module eie for this model; written by `eie rtl export`.\n"
        "package eie_parameters;\n" + "\n".join(lines) + "\nendpackage\n"
    )


def _write_images(folder: Path, program: Program, p: Parameters) -> None:
    for layer in program.layers:
        _write_hex(folder / f"{layer.layer.name}.codebook.hex", layer.constants.codebook, p.value_bits)
        for number, part in enumerate(layer.passes):
            name = f"{layer.layer.name}.pass{number}"
            _write_hex(folder / f"{name}.bias.hex", layer.bias_of(part), p.accumulator_bits)
            even, odd = part.pointer_banks()
            for pe in range(p.n_pe):
                _write_hex(folder / f"{name}.pe{pe}.even_bank.hex", even[pe], p.pointer_bits)
                _write_hex(folder / f"{name}.pe{pe}.odd_bank.hex", odd[pe], p.pointer_bits)
                rows = part.weight_rows(pe, p.entries_per_row)
                # The text of a row begins with its most significant byte.
                text = (row.tobytes()[::-1].hex() for row in rows)
                (folder / f"{name}.pe{pe}.weights.hex").write_text("".join(f"{row}\n" for row in text))


def _write_hex(path: Path, values: np.ndarray, bits: int) -> None:
    digits = -(-bits // 4)
    mask = (1 << bits) - 1
    path.write_text("".join(f"{int(value) & mask:0{digits}x}\n" for value in values))
