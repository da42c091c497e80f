"""A user's Python file as a module, run once for each text that it has."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from eie.support.output_files import existing_file

__all__ = ["module_from"]


def module_from(path: str | Path) -> ModuleType:
    """Run the file and return its module; an unchanged file is not run again, so its classes stay the same ones.

    Raises InputError where there is no such file, and whatever the file raises.
    """
    path = existing_file(path, "module").resolve()
    return _run(path, path.read_bytes())


@cache
def _run(path: Path, text: bytes) -> ModuleType:
    name = f"{path.stem}_{sha256(str(path).encode() + text).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
