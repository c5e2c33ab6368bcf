"""Model families behind one small interface. ``load(directory)`` never unpickles.

Nothing heavy is imported until a family is used.
"""

from mlcycle.models.registry import FAMILIES, check_processes, families, family, parse_params
from mlcycle.models.store import load, save

__all__ = ["FAMILIES", "check_processes", "families", "family", "load", "parse_params", "save"]
