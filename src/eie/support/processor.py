"""Facts about this machine and this build: processor, compiler, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import eie._native as _native

__all__ = ["build", "commit", "cores", "processor"]


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Return the processor's name as reported by the operating system."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str | None:
    """Return the commit of the clone that this package runs from, "-dirty" behind it where files differ, or None."""
    clone = Path(__file__).parents[3]
    if not (clone / ".git").exists():
        return None
    command = ["git", "-C", str(clone), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def build() -> str:
    """Return the compiler of the native module and the commit, in words: figures are of this build."""
    found = commit()
    return f"{_native.compiler()}, {f'commit {found}' if found else 'no commit known'}"
