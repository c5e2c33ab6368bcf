"""What every part of a project file is made of: immutable, unknown keys refused, names safe in SQL."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: What a text that must match a pattern is, in words; for messages.
MEANINGS: dict[str, str] = {}


def written_as(pattern: str, meaning: str) -> Any:
    """A field whose text matches the pattern; ``meaning`` completes "is not ..." for one that does not."""
    MEANINGS[pattern] = meaning
    return Field(pattern=pattern)


NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
#: Two of them and ``__`` between are a table's name in the warehouse: PostgreSQL cuts names at 63 bytes.
Name = Annotated[
    str,
    written_as(
        f"^{NAME.pattern}$", "a name: a small letter, then up to 29 small letters, digits or underscores"
    ),
]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Severity = Literal["critical", "warning"]


class Part(BaseModel):
    """Base of every part of a project file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
