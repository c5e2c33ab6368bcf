"""Model families behind one small interface. ``load(directory)`` never unpickles.

Nothing heavy is imported until a family is used.
"""

from mlcycle.models.registry import FAMILIES, families, family, parse_params
from mlcycle.models.store import load, save

__all__ = ["FAMILIES", "families", "family", "load", "parse_params", "save"]
