"""The chip as a folder that needs nothing else: sources in order, parameters, and memory images of a model."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from eie.chip.hardware import Hardware
from eie.errors import InputError
from eie.model.network import Network
from eie.model.numerics import quantise, quantise_codebook
from eie.model.reference import formats_of
from eie.silicon.parameters import Parameters
from eie.silicon.sources import copy_sources, source_files

__all__ = ["export"]


def export(network: Network, hardware: Hardware, folder: Path) -> Parameters:
    """Write the RTL sized for `network` into `folder`, which must not exist yet; return its parameters.

    `files.f` lists the sources in order; `eie_parameters.sv` has the parameters as a package; `memory/` has, per layer
    and pass, images for $readmemh: pointers and weights per PE, codebook and bias. It appears whole or not at all.
    """
    if folder.exists():
        raise InputError(f"{folder} exists already: name a folder that does not")
    if not folder.parent.is_dir():
        raise InputError(f"cannot write {folder}: the folder {folder.parent} does not exist")
    network = network.interleave(hardware.n_pe)
    parameters = Parameters.of(hardware, network)
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            target = Path(temporary) / folder.name
            (target / "memory").mkdir(parents=True)
            _write_sources(target, parameters)
            _write_images(target / "memory", network, parameters)
            target.rename(folder)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
    return parameters


def _write_sources(target: Path, parameters: Parameters) -> None:
    copy_sources(target)
    names = ("eie_parameters.sv", *(path.name for path in source_files()))
    (target / "files.f").write_text("".join(f"{name}\n" for name in names))
    lines = [f"  localparam int {name} = {value};" for name, value in parameters.verilog().items()]
    (target / "eie_parameters.sv").write_text(
        "// Parameters of the module eie for this model; written by `eie rtl export`.\n"
        "package eie_parameters;\n" + "\n".join(lines) + "\nendpackage\n"
    )


def _write_images(folder: Path, network: Network, p: Parameters) -> None:
    registers = p.register_entries * p.n_pe
    for layer in network.chain():
        formats = formats_of(layer)
        book = quantise_codebook(layer.matrix.codebook, formats.codebook_fraction, formats.value_bits)
        _write_hex(folder / f"{layer.name}.codebook.hex", book, p.value_bits)
        bias = np.zeros(layer.outputs, np.int64)
        if layer.bias is not None:
            bias = quantise(layer.bias, formats.output_fraction, formats.accumulator_bits)
        for number, block in enumerate(layer.matrix.row_blocks(registers)):
            name = f"{layer.name}.pass{number}"
            _write_hex(folder / f"{name}.bias.hex", bias[number * registers :][: block.outputs], p.accumulator_bits)
            for pe in range(p.n_pe):
                _write_hex(folder / f"{name}.pe{pe}.even_bank.hex", block.pointers[pe, 0::2], p.pointer_bits)
                _write_hex(folder / f"{name}.pe{pe}.odd_bank.hex", block.pointers[pe, 1::2], p.pointer_bits)
                entries = block.entries[slice(*block.slice_starts[pe : pe + 2])]
                rows = -(-len(entries) // p.entries_per_row)
                padded = np.zeros(rows * p.entries_per_row, f">u{p.entry_bits // 8}")
                padded[: len(entries)] = entries
                # A row's first entry is its least significant: written last.
                text = (row[::-1].tobytes().hex() for row in padded.reshape(rows, p.entries_per_row))
                (folder / f"{name}.pe{pe}.weights.hex").write_text("".join(f"{row}\n" for row in text))


def _write_hex(path: Path, values: np.ndarray, bits: int) -> None:
    digits = -(-bits // 4)
    mask = (1 << bits) - 1
    path.write_text("".join(f"{int(value) & mask:0{digits}x}\n" for value in values))
