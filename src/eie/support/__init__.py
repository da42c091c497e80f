"""Helpers for all packages: atomic files, TOML, tables with units, chart files, timing, facts about the processor."""
