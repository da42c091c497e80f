"""`eie inspect`: the size of each layer of a model, and whether the chip's memories hold it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from eie.chip import Hardware, capacity
from eie.cli.output import JsonOption, print_json, print_table, result
from eie.storage import load
from eie.storage.sizes import LayerSize, layer_size, total
from eie.storage.ties import stored_layers, ties

__all__ = ["command", "print_file_size", "size_document", "size_table"]


def command(
    model: Annotated[Path, typer.Argument(help="A model file (.safetensors).")],
    pes: Annotated[
        int | None, typer.Option("--pes", help="Processing elements; by default as the model is encoded.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print Deep Compression's tables for MODEL: weights kept, bits, bytes, ratio; and what the chip needs to hold it.

    Example: eie inspect lenet.safetensors
    """
    network = load(model)
    hardware = Hardware(n_pe=network.n_pe if pes is None else pes)
    network = network.interleave(hardware.n_pe)
    sizes = [layer_size(layer) for layer in stored_layers(network)]
    needs = [(layer, requirement) for layer in network.layers for requirement in capacity(layer.matrix, hardware)]
    file_bytes = model.stat().st_size
    if as_json:
        print_json(
            {
                "model": model,
                "file_bytes": file_bytes,
                "layers": [size_document(size) for size in sizes],
                "total": size_document(total(sizes)),
                "n_pe": hardware.n_pe,
                "capacity": [
                    {"layer": layer.name, **vars(requirement), "fits": requirement.fits} for layer, requirement in needs
                ],
            }
        )
        return
    size_table(f"{network.name}: counted here, as Deep Compression's Tables 2 to 5", sizes)
    print_file_size(file_bytes, sizes)
    for number, of in ties(network).items():
        result.print(
            f"{network.steps[number].name} has the weights of {network.steps[of].name}, which are in the file once"
        )
    result.print()
    print_table(
        f"On a chip of {hardware.n_pe} PEs, in the PE that needs most",
        ("layer", "memory", "needs", "has", "unit", "fits"),
        [
            (
                layer.name,
                requirement.memory,
                requirement.needed,
                requirement.available,
                requirement.unit,
                requirement.fits,
            )
            for layer, requirement in needs
        ],
    )


def size_table(title: str, sizes: list[LayerSize]) -> None:
    """Print the columns of the paper's tables; P is pruning, Q weight sharing, H Huffman coding."""
    columns = (
        "layer",
        "weights",
        "kept, %",
        *(f"{what}\n{kind}" for what in ("weight bits", "index bits", "bytes", "ratio") for kind in ("P+Q", "P+Q+H")),
    )
    everything = [*sizes, total(sizes)] if len(sizes) > 1 else sizes
    print_table(title, columns, [tuple(size_document(size).values()) for size in everything])


def print_file_size(file_bytes: int, sizes: list[LayerSize]) -> None:
    """Print the size of a file of these layers in bytes, and how many times smaller it is than uncompressed."""
    ratio = total(sizes).dense_bytes / file_bytes
    result.print(f"The file has {file_bytes:,} bytes, {ratio:.1f} times fewer than float32 weights and biases")


def size_document(size: LayerSize) -> dict[str, Any]:
    """Return one row of the tables, by column."""
    return {
        "layer": size.name,
        "weights": size.weights,
        "kept_percent": size.density * 100,
        "weight_bits_pq": size.weight_bits_pq,
        "weight_bits_pqh": size.weight_bits_pqh,
        "index_bits_pq": size.index_bits_pq,
        "index_bits_pqh": size.index_bits_pqh,
        "bytes_pq": round(size.bytes_pq),
        "bytes_pqh": round(size.bytes_pqh),
        "ratio_pq": size.dense_bytes / size.bytes_pq,
        "ratio_pqh": size.dense_bytes / size.bytes_pqh,
    }
