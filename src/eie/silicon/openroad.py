"""Running OpenROAD, which is a Python module: in this Python, or in the one that a command names.

The package `openroad` from PyPI needs a newer C library than some systems have. There a Python of a newer system runs
it, in a container or a folder of its own; it must see the folder that a layout is made in, at the same path.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from eie.errors import InputError, ToolError

__all__ = ["OPENROAD_VARIABLE", "openroad_python", "run_plan"]

OPENROAD_VARIABLE = "EIE_OPENROAD"
_RUNNER = Path(__file__).with_name("openroad_runner.py")
_NEEDS = (
    "the package openroad from PyPI, in a Python on Linux with a C library of glibc 2.38 or later (Debian 13 and "
    f"Ubuntu 24.04 have one); name the command that starts that Python with --openroad or {OPENROAD_VARIABLE}"
)


def openroad_python(command: str | None, folder: Path) -> list[str]:
    """Return the command of a Python that has OpenROAD and sees `folder`: the one given, the environment's, or ours.

    Raises InputError for a command that is no command line or does not exist, and ToolError where it has no OpenROAD.
    """
    given = command or os.environ.get(OPENROAD_VARIABLE)
    if not given:
        if importlib.util.find_spec("openroad") is None:
            raise ToolError(f"a layout needs OpenROAD: {_NEEDS}; this system has {' '.join(platform.libc_ver())}")
        words = [sys.executable]
    else:
        try:
            words = shlex.split(given)
        except ValueError as error:
            raise InputError(f"the command of OpenROAD's Python, {given!r}, is no command line: {error}") from error
        if not words or shutil.which(words[0]) is None:
            raise InputError(f"the command of OpenROAD's Python, {given!r}, does not begin with a program on the path")
    tried = _run([*words, "-c", f"import openroad, os; os.listdir({str(folder)!r})"])
    if tried.returncode != 0:
        reason = (tried.stderr.strip().splitlines() or ["it says nothing"])[-1]
        if "FileNotFoundError" in reason:
            raise ToolError(
                f"{words[0]} does not see the folder {folder}: share it at the same path, or set TMPDIR to a shared one"
            )
        raise ToolError(f"{' '.join(words)} cannot load OpenROAD ({reason}): a layout needs {_NEEDS}")
    return words


def run_plan(python: Sequence[str], folder: Path, what: str, log: Callable[[str], None]) -> None:
    """Play plan.json in `folder`, all that OpenROAD says going to openroad.log; `log` gets the name of each step.

    Raises ToolError, with OpenROAD's own words and the command, where it fails or stops.
    """
    runner = folder / "runner.py"
    shutil.copyfile(_RUNNER, runner)
    step = "start"
    last = ""
    with (
        (folder / "openroad.log").open("w", buffering=1) as kept,
        subprocess.Popen(
            [*python, str(runner)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                kept.write(line)
                if found := re.match(r"STEP (.*)", line):
                    step = found.group(1)
                    log(f"{what}: {step}")
                if line.strip() and (line.startswith("[ERROR") or not last.startswith("[ERROR")):
                    last = line.strip()
        except BaseException:  # an interrupt: do not leave it running
            process.kill()
            raise
    if process.returncode != 0:
        raise ToolError(f"OpenROAD could not lay out {what}: {step} ended with exit code {process.returncode}: {last}")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise InputError(f"{command[0]} cannot be started: {error.strerror}") from error
