"""What the papers report, as data files beside this module, each with its source; nothing is worked out here."""

from eie.literature.data_files import reported

__all__ = ["reported"]
