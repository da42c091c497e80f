"""What the papers report, as data files beside this module, each with its source; nothing is worked out here."""

from eie.literature.reported import reported

__all__ = ["reported"]
