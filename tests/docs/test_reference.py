"""The reference: every public name is in it, and every facade is what it claims."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules, walk_packages
from types import ModuleType

import pytest

import eie

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = [
    target
    for page in sorted((DOCS / "reference").glob("*.md"))
    for target in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.M)
]
PUBLIC = re.findall(r"^\| `(eie[\w.]*)` \|", (DOCS / "stability.md").read_text(encoding="utf-8"), re.M)


def test_the_page_on_stability_names_every_room() -> None:
    """Every package and facade is public or is said not to be."""
    page = (DOCS / "stability.md").read_text(encoding="utf-8")
    rooms = [name for _, name, _ in iter_modules(eie.__path__) if not name.startswith("_")]
    assert "eie" in PUBLIC
    for room in rooms:
        assert f"`eie.{room}`" in page, room


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    """A page of the reference has the module that it comes from."""
    module = import_module(name)
    pages = [import_module(target) for target in REFERENCE]
    for public in module.__all__:
        if public != "compress_" or module is not eie:  # the same as eie.compress.compress_, called when it is needed
            thing = getattr(module, public)
            shown = [page for page in pages if public in page.__all__ and getattr(page, public) is thing]
            assert shown, f"{name}.{public}"


def modules() -> list[ModuleType]:
    return [import_module(found.name) for found in walk_packages(eie.__path__, "eie.")]


def test_no_name_shadows_a_module() -> None:
    """`package.module` is the module, whatever the package exports."""
    for module in modules():
        package, _, name = module.__name__.rpartition(".")
        assert getattr(sys.modules[package], name) is module, module.__name__


def test_every_module_says_what_it_exports() -> None:
    """`__all__` is there where there is anything, and every name in it too."""
    for module in (eie, *modules()):
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{module.__name__}.{name}"


def test_without_pytorch() -> None:
    """Everything is imported, and asked for, but what needs it says which extra to install."""
    program = """
import sys
sys.modules["torch"] = None
import eie
from eie import *
assert callable(compress_)
assert all(hasattr(eie, name) for name in eie.__all__)
assert not hasattr(eie, "nn") and not hasattr(eie, "compress")
for use in (lambda: compress_(None), lambda: __import__("eie.nn"), lambda: __import__("eie.compress")):
    try:
        use()
    except ImportError as error:
        assert isinstance(error, MissingExtra), repr(error)
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{name} needs the package torch: install it with pip install 'eie[torch]'"
        for name in ("eie.compress", "eie.nn", "eie.compress")
    ]
