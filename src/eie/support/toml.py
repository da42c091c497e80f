"""Reading the user's TOML files into checked models; an error is one sentence."""

from __future__ import annotations

import tomllib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from eie.errors import InputError
from eie.support.output_files import existing_file

__all__ = ["parse_toml", "read_named", "read_toml", "shipped_names"]

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: str | Path, model: type[Model], what: str) -> Model:
    """Return the file `path`, called `what` in errors, as a `model`. Raises InputError if it is missing or wrong."""
    path = existing_file(path, what)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} {path} is not UTF-8 text, expected TOML") from error
    return parse_toml(text, model, f"{what} {path}")


def shipped_names(folder: Traversable) -> tuple[str, ...]:
    """Return the names, without their ending, of the TOML files in a folder of the package."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def read_named(name: str | Path, folder: Traversable, model: type[Model], kind: str) -> Model:
    """Return the file called `name` of a package's folder, or the user's own by its path, which ends in .toml.

    Raises InputError, naming the `kind`, for a name that is neither, and a file that is missing or wrong.
    """
    known = shipped_names(folder)
    if str(name) in known:
        return parse_toml((folder / f"{name}.toml").read_text(encoding="utf-8"), model, f"{kind} {name}")
    if not str(name).endswith(".toml"):
        raise InputError(f"no {kind} is named {name}; there are {', '.join(known)}, or a path to a .toml")
    return read_toml(name, model, f"{kind} file")


def parse_toml(text: str, model: type[Model], what: str) -> Model:
    """Return TOML `text` as a `model`. InputError names `what`, the first wrong entry, its value and the rule."""
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{what} is not TOML: {error}") from error
    except ValidationError as error:
        raise InputError(f"{what}: {_first_problem(error)}") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]).removeprefix(".")
    if problem["type"] == "missing":
        return f"{place} is missing"
    if problem["type"] == "extra_forbidden":
        return f"there is no entry called {place}"
    if problem["type"] in ("tuple_type", "list_type"):
        return f"{place} is {problem['input']!r}: expected a list, such as {[problem['input']]!r}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{place}: {message}" if place else message
    return f"{place} is {problem['input']!r}: {message[0].lower()}{message[1:]}"
