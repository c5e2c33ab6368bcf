"""What every part of a project file is made of: immutable, unknown keys refused, names safe in SQL."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlcycle.project_code import REFERENCE

NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
#: Two of them and ``__`` between are a table's name in the warehouse: PostgreSQL cuts names at 63 bytes.
Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
#: A name of ours, or where Python finds it: ``models:Mine`` of a file beside the project's,
#: ``sklearn.svm.SVC``.
NameOrReference = Annotated[str, Field(pattern=f"^({NAME.pattern})$|^({REFERENCE.pattern})$", max_length=200)]
#: What a family calls a parameter: ours have names like all others, scikit-learn's may be ``C``.
ParameterName = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]{0,59}$")]
#: Where Python finds it.
Reference = Annotated[str, Field(pattern=f"^({REFERENCE.pattern})$", max_length=200)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Severity = Literal["critical", "warning"]


class Part(BaseModel):
    """Base of every part of a project file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
