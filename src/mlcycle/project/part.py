"""What every part of a project file is made of: immutable, unknown keys refused, names safe in SQL."""

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
#: Two of them and ``__`` between are a table's name in the warehouse: PostgreSQL cuts names at 63 bytes.
Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # not there, a folder, or no name at all
        raise ValueError(f"zone {name!r} is none of the IANA database: write it like Europe/Berlin") from None
    return name


#: A time zone by its name in the IANA database: letters, digits and ``/_+-``, which mean nothing in SQL.
Zone = Annotated[str, AfterValidator(_known_zone), Field(pattern=r"^[A-Za-z0-9/_+-]{1,60}$")]
Severity = Literal["critical", "warning"]


class Part(BaseModel):
    """Base of every part of a project file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
