"""Where each key of a project file stands, so that a mistake is said by file, line and key."""

from dataclasses import dataclass, field
from pathlib import Path

from mlcycle.project.misfit import Key


@dataclass(frozen=True)
class Lines:
    """The lines of one file by the keys that lead to them; the first is 1."""

    path: Path
    by_key: dict[Key, int] = field(default_factory=dict)
    files: dict[Key, Path] = field(default_factory=dict)  # whose text stands in place of their names

    def known(self, at: Key) -> Key:
        """As much of the keys as the file has."""
        while at not in self.by_key and at:
            at = at[:-1]
        return at

    def line(self, at: Key) -> int:
        """The line of a key; of one that the file leaves out, that of the section it would stand in."""
        return self.by_key.get(self.known(at), 1)

    def say(self, at: Key, message: str) -> str:
        """``file:line: key: message``, one line."""
        key = ".".join(map(str, at)) or "project"
        return f"{self.path}:{self.line(at)}: {key}: {' '.join(message.split())}"
