"""What a search found, as a candidate that a person can read and put into the project file."""

from collections.abc import Mapping
from typing import Any

MOST = 30  # characters of a candidate's name


def name_of(candidate: str) -> str:
    """A name for the tuned candidate: of the one that was searched, with an ending."""
    ending = "_tuned"
    base = candidate.removesuffix(ending)
    return base[: MOST - len(ending)] + ending


def rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers to six digits: more says nothing, and nobody reads it."""
    return {
        name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in values.items()
    }
