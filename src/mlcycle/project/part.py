"""What every part of a project file is made of: immutable, unknown keys refused, names safe in SQL."""

import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mlcycle.project_code import REFERENCE

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
#: A name of ours, or where Python finds it: ``models:Mine`` of a file beside the project's,
#: ``sklearn.svm.SVC``.
NameOrReference = Annotated[
    str,
    written_as(
        f"^({NAME.pattern})$|^({REFERENCE.pattern})$",
        "a name of small letters, digits and underscores, nor a reference like models:Mine",
    ),
    Field(max_length=200),
]
#: What a family calls a parameter: ours have names like all others, scikit-learn's may be ``C``.
ParameterName = Annotated[
    str,
    written_as(
        "^[A-Za-z][A-Za-z0-9_]{0,59}$", "a parameter's name: a letter, then letters, digits or underscores"
    ),
]
#: Where Python finds it.
Reference = Annotated[
    str,
    written_as(f"^({REFERENCE.pattern})$", "a reference like models:Mine or sklearn.svm.SVC"),
    Field(max_length=200),
]
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
