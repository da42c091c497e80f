"""C text: names that C takes, comments that end where they should, numbers exact, and arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

__all__ = ["array", "comment", "identifier", "number", "runtime_for"]

_MOST_LETTERS = 40  # of a name: every one of ours differs within the 63 that C99 looks at
_WORD = re.compile(r"\w+", re.ASCII)
_BLOCK = re.compile(r"\n\n(?=/\*)")
_INCLUDE = re.compile(r'^#include "(\w+\.h)"\n\n?', re.M)
# What the engine's functions call as it suits whoever includes them.
_MACROS = {"EIE_INLINE": "static", "EIE_ROW": "static", "EIE_ROUNDED": "eie_rounded", "EIE_BITS": "eie_bits",
           "EIE_FLOAT": "eie_float", "EIE_ROOT": "eie_root"}  # fmt: skip
_NAME = re.compile(r"^(?:static .*?(\w+)\(|typedef char (\w+)\[|\} (\w+);$)", re.M)


def identifier(name: str, otherwise: str) -> str:
    """Return `name` as a C identifier that begins with a letter, or `otherwise` where nothing is left of it."""
    letters = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:_MOST_LETTERS].strip("_")
    if not letters:
        return otherwise
    return letters if letters[0].isalpha() else f"{otherwise}_{letters}"


def comment(name: str) -> str:
    """Return `name` as it may stand in a comment: nothing in it ends the comment, or a line."""
    return re.sub(r"[^A-Za-z0-9_.,:+ -]", "_", name)[:200]


def number(value: float, kind: str = "float") -> str:
    """Return a finite real as a hexadecimal constant, which stands for its very bits."""
    return re.sub(r"\.?0*p\+?", "p", float(value).hex()) + ("f" if kind == "float" else "")


def array(kind: str, name: str, values: npt.NDArray[np.generic], what: str) -> str:
    """Return the definition of a constant array of C's type `kind`, with the comment `what`; C has no empty arrays."""
    flat = values.reshape(-1)
    if kind == "float":  # which tells 0 from -0
        texts = [number(value) for value in flat.tolist()]
    else:
        table = {value: str(value) for value in np.unique(flat).tolist()}  # millions are few different ones
        texts = [table[value] for value in flat.tolist()]
    texts = texts or ["0"]
    per_line = 6 if kind == "float" else 16
    lines = (", ".join(texts[first : first + per_line]) for first in range(0, len(texts), per_line))
    return f"/* {what} */\nstatic const {kind} {name}[{len(texts)}] = {{\n    " + ",\n    ".join(lines) + "\n};\n"


@cache
def _runtime() -> dict[str, str]:
    """Return the blocks of runtime.c by the name of what each defines, in their order."""
    blocks: dict[str, str] = {}
    for text in _blocks_of("runtime.c"):
        name = next(part for part in _NAME.findall(text)[-1] if part)
        blocks[name] = text.strip()
        if name.endswith("_real"):
            blocks[name.replace("_real", "_fixed")] = re.sub(r"\bfloat\b", "int16_t", text.strip()).replace(
                name, name.replace("_real", "_fixed")
            )
    return blocks


def _blocks_of(file: str) -> list[str]:
    """Return a file's blocks but for its head, and those of what it includes in their place."""
    text = files("eie.exporters.c").joinpath(file).read_text(encoding="utf-8")
    text = _INCLUDE.sub(lambda found: "\n\n".join([*_blocks_of(found[1]), ""]), text)
    for macro, instead in _MACROS.items():
        text = re.sub(rf"\b{macro}\b", instead, text)
    return [block.strip() for block in _BLOCK.split(text)[1:]]


def runtime_for(texts: Iterable[str]) -> str:
    """Return the types and functions that `texts` use, and those that these use, in an order that C takes."""
    blocks = _runtime()
    wanted: set[str] = set()
    new = {word for text in texts for word in _WORD.findall(text)} & blocks.keys()
    while new:
        wanted |= new
        new = {word for name in new for word in _WORD.findall(blocks[name])} & blocks.keys() - wanted
    if "eie_product" in wanted:
        wanted.add("eie_shift_keeps_the_sign")
    return "\n\n".join(text for name, text in blocks.items() if name in wanted)
