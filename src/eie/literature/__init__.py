"""Figures that the papers report, as data files beside this module, each with its source."""

from eie.literature.data_files import reported

__all__ = ["reported"]
