"""What every kind of fitted feature is."""

import base64
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from mlcycle.models.encoder import factorized

Floats = NDArray[np.float64]


class Feature(BaseModel):
    """What was learnt; frozen, JSON. ``columns`` are what it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: list[str]

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers come of a row."""

    @abstractmethod
    def of(self, frame: Any) -> Floats:
        """(n, width), each row's by itself. Raises InputError where a column is missing."""


def keys(frame: Any, columns: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Codes (n,) into distinct values; of several columns into their combinations. Missing is a value."""
    codes, texts = _with_missing(*factorized(frame, columns[0]))
    for column in columns[1:]:
        more, others = _with_missing(*factorized(frame, column))
        joined = codes * len(others) + more
        there, codes = np.unique(joined, return_inverse=True)
        texts = [f"{texts[at // len(others)]}\x1f{others[at % len(others)]}" for at in there.tolist()]
    return codes, texts


def _with_missing(codes: NDArray[np.int64], texts: list[str]) -> tuple[NDArray[np.int64], list[str]]:
    return np.where(codes < 0, len(texts), codes), [*texts, "\x00"]


def packed(values: NDArray[Any]) -> str:
    """Numbers as base64 of little-endian float64."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()


def unpacked(given: str, *shape: int) -> Floats:
    """The numbers again. Raises ValueError where they are not of the shape, or not finite."""
    found = np.frombuffer(base64.b64decode(given, validate=True), dtype="<f8").astype(np.float64)
    if found.size != int(np.prod(shape)) or not np.isfinite(found).all():
        raise ValueError(f"there are not {'x'.join(map(str, shape))} finite numbers")
    return found.reshape(shape)
