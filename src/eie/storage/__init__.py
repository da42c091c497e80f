"""The model file (docs/format.md): a network as safetensors, its facts as one JSON document in its metadata."""

from eie.storage.documents import FORMAT_VERSION
from eie.storage.model_file import load, save

__all__ = ["FORMAT_VERSION", "load", "save"]
