"""`eie compare`: two designs or two results side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict

from eie.chip import Hardware
from eie.cli.output import JsonOption, print_json, print_table, result
from eie.cli.played import document, play
from eie.cost import load_external_memory, load_technology, require_figures
from eie.errors import InputError
from eie.model.reference import input_batch
from eie.storage import load
from eie.support.numpy_files import read_npy
from eie.support.output_files import existing_file
from eie.support.toml import read_toml

__all__ = ["command"]

LONGEST_LIST = 64  # of numbers without names, such as one for each PE: they are no row each


class Design(BaseModel):
    """A design file: parameters of the hardware, and what prices it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hardware: dict[str, bool | int | float] = {}
    technology: str | None = None
    external_memory: str | None = None


def command(
    first: Annotated[Path, typer.Argument(metavar="A", help="A design (.toml), or a result of --json (.json).")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    model: Annotated[Path | None, typer.Option(help="The model file that designs run.")] = None,
    inputs: Annotated[Path | None, typer.Option(help="Its input, or several, (vectors, inputs), as .npy.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Print what is the same in both, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print what differs between A and B: their settings, then every number of both, and B over A.

    A design is a TOML file: a table hardware with parameters of eie.Hardware, and optionally technology and
    external_memory; it is simulated with --model and --inputs. A result is what a command printed with --json.

    Example: eie compare small.toml large.toml --model fc.safetensors --inputs x.npy
    """
    documents = [_document(path, model, inputs) for path in (first, second)]
    left, right = (dict(_leaves(one)) for one in documents)
    if not left.keys() & right.keys():
        raise InputError(f"{first} and {second} have nothing in common to compare")
    names = [*left, *(name for name in right if name not in left)]
    rows = [(name, left.get(name), right.get(name), _ratio(left.get(name), right.get(name))) for name in names]
    shown = [row for row in rows if every or row[1] != row[2]]
    if as_json:
        print_json(
            {
                "a": first,
                "b": second,
                "rows": [dict(zip(("name", "a", "b", "ratio"), row, strict=True)) for row in shown],
            }
        )
        return
    print_table(
        "Side by side",
        ("", first.stem, second.stem, f"{second.stem} / {first.stem}"),
        [(name, _text(one), _text(other), ratio) for name, one, other, ratio in shown],
    )
    same = len(rows) - len(shown)
    if same:
        result.print(f"{same} more {'is' if same == 1 else 'are'} the same in both; --all prints them.")


def _document(path: Path, model: Path | None, inputs: Path | None) -> dict[str, Any]:
    """Read a result, or simulate a design."""
    if path.suffix == ".json":
        text = existing_file(path, "result").read_bytes()
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"result {path} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise InputError(f"result {path} is no JSON document of a command, expected an object")
        return found
    if path.suffix != ".toml":
        raise InputError(f"{path} is neither a design (.toml) nor a result of --json (.json)")
    design = read_toml(path, Design, "design file")
    if model is None or inputs is None:
        raise InputError(f"design {path} needs a model and an input to run: give --model and --inputs")
    network = load(model)
    try:
        hardware = Hardware(**({"n_pe": network.n_pe} | design.hardware))  # type: ignore[arg-type]
    except TypeError as error:
        raise InputError(f"design {path}: there is no parameter {str(error).rsplit(' ', 1)[-1]}") from error
    except InputError as error:
        raise InputError(f"design {path}: {error}") from error
    technology = None if design.technology is None else load_technology(_beside(path, design.technology))
    memory = None if design.external_memory is None else load_external_memory(_beside(path, design.external_memory))
    if technology is not None:
        require_figures(technology, hardware)
    batch = input_batch(read_npy(inputs, "input file"), network.inputs)
    return document(model, hardware, play(network, batch, hardware, technology, memory), design.technology, memory)


def _beside(path: Path, name: str) -> str:
    """A file that a design names is relative to the design's."""
    file, at, node = name.partition("@")
    return f"{path.parent / file}{at}{node}" if (path.parent / file).is_file() else name


def _leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Every number and text of a document under its place; the members of a list go by their names."""
    if isinstance(value, dict):
        return [
            leaf for key, member in value.items() for leaf in _leaves(member, f"{name}, {key}" if name else str(key))
        ]
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        if len(value) > LONGEST_LIST or not all(isinstance(member, dict) for member in value):
            return []
        labels = [str(member.get("name", number)) for number, member in enumerate(value)]
        return [
            leaf
            for label, member in zip(labels, value, strict=True)
            for leaf in _leaves({key: each for key, each in member.items() if key != "name"}, f"{name}, {label}")
        ]
    return [(name, str(value) if isinstance(value, Path) else value)]


def _ratio(first: Any, second: Any) -> float | None:
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (first, second))
    return second / first if numbers and first else None


def _text(value: Any) -> Any:
    return value if isinstance(value, int | float | None) else str(value)
