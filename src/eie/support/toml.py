"""Reading the user's TOML files into checked models; an error is one sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from eie.errors import InputError
from eie.support.output_files import existing_file

__all__ = ["parse_toml", "read_toml"]

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: str | Path, model: type[Model], what: str) -> Model:
    """Return the file `path`, called `what` in errors, as a `model`. Raises InputError if it is missing or wrong."""
    path = existing_file(path, what)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} {path} is not UTF-8 text, expected TOML") from error
    return parse_toml(text, model, f"{what} {path}")


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
