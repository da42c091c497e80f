"""Small changes to bytes, texts and documents, biased to what readers get wrong: ends of ranges, nothing, too much."""

from __future__ import annotations

import copy
import json
import math
import random
from typing import Any

__all__ = ["mutate_bytes", "mutate_text", "mutate_tree", "to_toml"]

INTEGERS = (0, 1, -1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 64, 255, 256, 257, 1023, 1024, 1025, 2**16, 2**24, 2**24 + 1)
INTEGERS += (2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64, -(2**31), -(2**63), 10**30)
FLOATS = (0.0, -0.0, 1.0, 0.5, 1e-320, 5e-324, 1e38, 1e308, math.inf, -math.inf, math.nan)
TEXTS = ("", "a", "\ud800", "\x00", "a\nb", "[/]", "../../x", "é" * 50, "x" * 2000, "linear", "layers.0.codebook")
WORDS = (0, 1, 2, 15, 16, 240, 255, 256, 65535, 2**24, 2**31, 2**32 - 1, 0x7F800000, 0x7FC00000, 0x00000001)


def mutate_bytes(data: bytes, random: random.Random, *, keep_size: bool = False) -> bytes:
    """Change a few bytes or 32-bit words; unless `keep_size`, sometimes cut, double or insert a stretch."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        if not changed:
            return bytes(changed) if keep_size else random.randbytes(random.randrange(9))
        at = random.randrange(len(changed))
        kind = random.randrange(5 if keep_size else 8)
        if kind == 0:
            changed[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            changed[at] = random.choice((0, 1, 15, 16, 127, 128, 240, 255))
        elif kind == 2:
            at -= at % 4
            word = random.choice(WORDS).to_bytes(4, "little")
            changed[at : at + 4] = word[: len(changed[at : at + 4])]
        elif kind == 3:
            changed[at] = (changed[at] + random.choice((-1, 1))) % 256
        elif kind == 4:
            end = min(len(changed), at + random.randrange(1, 9))
            start = random.randrange(len(changed))
            piece = changed[start : start + end - at]
            changed[at : at + len(piece)] = piece
        elif kind == 5:
            del changed[at : at + random.choice((1, 4, 8, len(changed)))]
        else:
            changed[at:at] = changed[at : at + random.randrange(1, 65)] if kind == 6 else random.randbytes(4)
    return bytes(changed[: len(data)]) if keep_size else bytes(changed)


def mutate_text(text: str, random: random.Random) -> str:
    """Change one character, word or line, or cut a stretch out."""
    lines = text.split("\n")
    kind = random.randrange(5)
    at = random.randrange(len(lines))
    if kind == 0:
        lines.insert(at, random.choice(lines))
    elif kind == 1:
        del lines[at]
    elif kind == 2:
        words = lines[at].split(" ")
        words[random.randrange(len(words))] = random.choice((str(random.choice(INTEGERS)), *TEXTS[:6], "{", "}", '"'))
        lines[at] = " ".join(words)
    else:
        raw = mutate_bytes(text.encode("utf-8", "surrogatepass"), random)
        return raw.decode("utf-8", "replace")
    return "\n".join(lines)


def mutate_tree(tree: Any, random: random.Random) -> Any:
    """Return a document of dicts, lists and scalars with one to three places changed."""
    tree = {"": copy.deepcopy(tree)}
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = list(_places(tree))
        holder, key = random.choice(places)
        _change(holder, key, random)
        if "" not in tree:
            tree = {"": None}
    return tree[""]


def _places(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield tree, key
        yield from _places(value)


def _change(holder: Any, key: Any, random: random.Random) -> None:
    value = holder[key]
    kind = random.randrange(12)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[random.choice(TEXTS)] = value
    elif kind == 1:
        holder.insert(key, copy.deepcopy(value))
    elif kind == 2:
        holder[key] = random.choice((None, [], {}, [value], {"kind": value}, True, False))
    elif isinstance(value, bool):
        holder[key] = not value
    elif isinstance(value, int):
        holder[key] = random.choice((value + 1, value - 1, value * 2, value // 2, -value, float(value), *INTEGERS))
    elif isinstance(value, float):
        holder[key] = random.choice((-value, value * 2, int(value) if math.isfinite(value) else 0, *FLOATS))
    elif isinstance(value, str):
        holder[key] = random.choice((mutate_text(value, random), *TEXTS))
    elif isinstance(value, list) and value:
        value.append(copy.deepcopy(random.choice(value)))
    else:
        holder[key] = random.choice((*INTEGERS, *FLOATS, *TEXTS))


def to_toml(tree: dict[str, Any]) -> str:
    """Return a document as TOML, everything below the top inline; what TOML cannot say becomes false."""
    return "".join(f"{_toml_key(key)} = {_toml_value(value)}\n" for key, value in tree.items())


def _toml_key(key: str) -> str:
    return json.dumps(key.encode("utf-8", "replace").decode())


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_key(key)} = {_toml_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, str):
        return _toml_key(value)
    if isinstance(value, bool | None):
        return "true" if value else "false"
    return repr(value)
