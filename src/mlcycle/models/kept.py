"""The state of a fit between rounds, a file in the folder of its work, so that a retry goes on from it."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

EVERY: Final = 30.0  # seconds between two: a fit that is shorter than that is quicker done again


class Kept:
    """One file, replaced whole; its name tells what the fit is: a state of another one is not taken."""

    def __init__(self, folder: Path | None, stem: str, facts: str) -> None:
        digest = hashlib.sha256(facts.encode()).hexdigest()[:16]
        self._file = None if folder is None else folder / f"{stem}-{digest}"
        self._last = time.monotonic()

    @property
    def file(self) -> Path | None:
        """What an earlier attempt left, None where it left nothing."""
        return self._file if self._file is not None and self._file.exists() else None

    def keep(self, write: Callable[[Path], object]) -> None:
        """Have the state written, unless it was within the last ``EVERY`` seconds."""
        if time.monotonic() - self._last >= EVERY:
            self.keep_now(write)
            self._last = time.monotonic()

    def keep_now(self, write: Callable[[Path], object]) -> None:
        """Have the state written."""
        if self._file is not None:
            replace(self._file, write)


def replace(file: Path, write: Callable[[Path], object]) -> None:
    """Have a file written beside its place and put there whole: a reader never sees half of it."""
    staged = file.with_name(f"{file.name}.part")
    write(staged)
    staged.replace(file)
