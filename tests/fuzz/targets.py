"""Every reader of bytes, by the name that `python -m tests.fuzz` knows it by."""

from __future__ import annotations

from fuzz.encodings import Entries, HuffmanTables
from fuzz.imports import DotNet, Liberty, Npy, Npz, Onnx, Streams
from fuzz.model_files import ModelFiles
from fuzz.target import Target
from fuzz.texts import Journals, Layouts, Recipes, Spaces, Technologies

__all__ = ["TARGETS"]

TARGETS: dict[str, type[Target]] = {
    one.name: one
    for one in (
        ModelFiles, Entries, HuffmanTables, DotNet, Streams, Onnx, Npz, Npy, Liberty,
        Recipes, Spaces, Technologies, Layouts, Journals,
    )
}  # fmt: skip
