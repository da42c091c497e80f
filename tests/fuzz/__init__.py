"""Hostile bytes for every reader, and awkward layers for every implementation: see docs/security.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `python -m tests.fuzz`: tests import each other by short names
