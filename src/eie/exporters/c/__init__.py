"""A network as a C program: portable C99 with the weights in their compressed form, for what has no Python."""

from eie.exporters.c.program import CProgram, write_c

__all__ = ["CProgram", "write_c"]
