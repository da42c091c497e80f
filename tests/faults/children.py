"""Commands in a child process on which a fault is brought: a full disk, a folder that takes nothing, little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["EIE", "ONE_THREAD", "assert_one_sentence", "run_eie"]

ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # PyTorch's sums differ in the last bit with the number of threads

# The command line with faults in it, told by environment variables: FULL_AFTER, the bytes that any file may have, past
# which writing fails as on a full disk; READ_ONLY, a folder in which nothing can be made; MEMORY, bytes of addresses.
_FAULTS = """
import errno, os, resource, signal, sys
folder = os.environ.get("READ_ONLY")
if folder:
    def refuse(event, arguments):
        if event == "open" and isinstance(arguments[0], (str, bytes)) and isinstance(arguments[2], int):
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        else:
            writes = event in ("os.mkdir", "os.rename", "os.remove", "os.truncate")
        if writes and os.path.abspath(os.fsdecode(arguments[0])).startswith(folder):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    sys.addaudithook(refuse)
from eie.cli import main
for name, kind in (("FULL_AFTER", resource.RLIMIT_FSIZE), ("MEMORY", resource.RLIMIT_AS)):
    if name in os.environ:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(kind, (int(os.environ[name]), resource.RLIM_INFINITY))
main()
"""
EIE = (sys.executable, "-c", _FAULTS)


def run_eie(
    arguments: Sequence[str | Path], folder: Path, **faults: str | int | Path
) -> subprocess.CompletedProcess[str]:
    """Run the command line in `folder` with faults, and return how it ended."""
    environment = os.environ | {name: str(value) for name, value in faults.items()} | ONE_THREAD
    return subprocess.run(
        [*EIE, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def assert_one_sentence(done: subprocess.CompletedProcess[str], part: str = "") -> None:
    """Exit code 2, one line on stderr that begins with the program's name and has `part`, and no traceback."""
    said = [line for line in done.stderr.splitlines() if line.startswith("eie: ")]
    assert done.returncode == 2, (done.returncode, done.stderr[-2000:])
    assert "Traceback" not in done.stderr
    assert len(said) == 1, done.stderr
    assert part in said[0]
    assert done.stderr.splitlines()[-1] == said[0]
